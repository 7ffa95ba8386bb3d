"""The Retrieve transaction (WADO-RS): DICOM files in parts, alone or in a ZIP file.

As they were stored, where the client takes that; else transcoded, one when its turn comes.
Source: PS3.18 10.4; 8.7.3.4, 8.7.3.5.2 (transfer syntaxes), 8.6.1 (payloads).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any

from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from dicomweb.described_answers import binary, parts_of, ranged
from dicomweb.links import Links
from dicomweb.negotiation import DICOM_FILE, DICOM_FILES, DICOM_ZIP, OCTET_PARTS, Choice
from dicomweb.payloads import Part, Payload, is_unchanged, multipart, single, unless_unchanged
from dicomweb.transactions import StudiesTransaction
from ingestion.dicom.pixels.transcoding import ANY_SYNTAX, DEFAULT_SYNTAX
from ingestion.use_cases.archive_instances import archive_instances
from ingestion.use_cases.retrieve_instances import (
    Addressed,
    HeldDocument,
    HeldInstance,
    find_instances,
    held_instances,
    only_instance,
)
from ingestion.use_cases.transcode_instances import (
    InstanceFile,
    Targets,
    accepts_as_stored,
    file_of,
    files_of,
    select_transfer_syntaxes,
)


class RetrieveTransaction(StudiesTransaction):
    """GET of a study, a series or an instance: its DICOM files."""

    # Makes the view of all bulk data, which stand for the files where octets are asked for: as it
    # once was (PS3.18 Table 10.4.4-1, note 2), and is still required.
    all_bulk_data: Callable[..., Any] | None = None

    @extend_schema(
        responses={
            **binary(*parts_of("application/dicom"), "application/zip"),
            **ranged("application/dicom"),
        },
        description=(
            "Retrieve (WADO-RS, PS3.18 10.4): the files, as stored or in the transfer syntax that "
            "Accept names; an instance also alone; all of them also in a ZIP file with a DICOMDIR."
        ),
    )
    def get(self, request: Request, **_path: str) -> HttpResponseBase:
        """All files, or with `application/dicom` the only one."""
        address = self.address()
        alone = (DICOM_FILE,) if address.sop_instance_uid else ()
        octets = (OCTET_PARTS,) if self.all_bulk_data else ()
        choice = self.choose(DICOM_FILES, *alone, DICOM_ZIP, *octets)
        if self.all_bulk_data and choice.representation is OCTET_PARTS:
            return self._octets(request)
        found = find_instances(address)
        http = request._request
        if choice.representation is DICOM_FILE:
            return _alone(http, found, choice, links=self.links)
        etag = weak_tag(found, self.links.root, repr(choice))
        wanted = [] if is_unchanged(http, etag) else found
        accepted = _accepted(choice)
        targets = select_transfer_syntaxes(wanted, accepted)
        sent = [] if http.method == "HEAD" else wanted
        if choice.representation is DICOM_ZIP:
            response = _archive(sent, targets, file_name=address.uid)
        else:
            # Alone, an instance that cannot be had as it is wanted is an error, not one among many.
            is_strict = len(found) == 1 and not accepts_as_stored(accepted)
            read = _only if is_strict else files_of
            response = multipart(
                _parts(read(held_instances(sent), targets), self.links),
                part_type=DICOM_FILE.content_type,
            )
        return unless_unchanged(http, response, etag)

    def _octets(self, request: Request) -> HttpResponseBase:
        assert self.all_bulk_data is not None
        view = self.all_bulk_data(request=request, args=self.args, kwargs=self.kwargs)
        response: HttpResponseBase = view.get(request, **self.kwargs)
        return response


def weak_tag(found: Sequence[Addressed], *circumstances: str) -> str:
    """An entity tag of what these instances look like under circumstances such as the media type.

    Weak, because boundaries and compression differ from answer to answer.
    """
    digest = sha256(repr(circumstances).encode())
    for item in found:
        digest.update(item.document_id.bytes)
    return f'W/"{digest.hexdigest()[:32]}"'


def address_of(held: HeldInstance | HeldDocument, links: Links) -> str:
    """The address of an instance below its own space."""
    return links.instance(
        held.space_slug,
        held.study_instance_uid,
        series_instance_uid=held.series_instance_uid,
        sop_instance_uid=held.sop_instance_uid,
    )


def _accepted(choice: Choice) -> Sequence[str]:
    """The transfer syntaxes that are accepted. A ZIP file is an archive of what is held."""
    default = ANY_SYNTAX if choice.representation is DICOM_ZIP else DEFAULT_SYNTAX
    return [named or default for named in choice.transfer_syntaxes]


def _alone(
    request: HttpRequest, found: Sequence[Addressed], choice: Choice, *, links: Links
) -> HttpResponseBase:
    """One file with its length; by the kernel alone where the store has it on a local disk."""
    instance, accepted = only_instance(found), _accepted(choice)
    targets = select_transfer_syntaxes(found, accepted)
    target = targets.get(instance.instance_id, instance.transfer_syntax_uid)
    etag = _strong_tag(instance, target)
    is_made = target != instance.transfer_syntax_uid
    if is_made and (request.method == "HEAD" or is_unchanged(request, etag)):
        response = StreamingHttpResponse((), content_type=_part_type(target))
        response.headers["Content-Location"] = address_of(instance, links)
        return unless_unchanged(request, response, etag)
    read = files_of if accepts_as_stored(accepted) else _only
    (file,) = read([instance], targets)
    return single(request, _payload(file, links))


def _strong_tag(instance: HeldInstance, transfer_syntax_uid: str) -> str:
    digest = instance.data_set_sha256.hex()
    if transfer_syntax_uid == instance.transfer_syntax_uid:
        return f'"{digest}"'
    return f'"{digest}-{transfer_syntax_uid}"'


def _payload(file: InstanceFile, links: Links) -> Payload:
    return Payload(
        content_type=_part_type(file.transfer_syntax_uid),
        content_location=address_of(file.instance, links),
        size_bytes=file.size_bytes,
        etag=_strong_tag(file.instance, file.transfer_syntax_uid),
        read=file.read,
        path=file.path(),
    )


def _parts(files: Iterable[InstanceFile], links: Links) -> Iterator[Part]:
    for file in files:
        yield Part(
            _part_type(file.transfer_syntax_uid), address_of(file.instance, links), file.read
        )


def _only(instances: Iterable[HeldInstance], targets: Targets) -> Iterator[InstanceFile]:
    for instance in instances:
        yield file_of(instance, targets)


def _archive(found: Sequence[Addressed], targets: Targets, *, file_name: str) -> HttpResponseBase:
    response = StreamingHttpResponse(
        archive_instances(found, targets), content_type=DICOM_ZIP.content_type
    )
    response.headers["Content-Disposition"] = f'attachment; filename="{file_name}.zip"'
    return response


def _part_type(transfer_syntax_uid: str) -> str:
    return f"application/dicom; transfer-syntax={transfer_syntax_uid}"
