"""The Retrieve transaction (WADO-RS): files as they were stored, and their metadata.

Source: PS3.18 10.4; 8.7.3.5.2 (transfer syntaxes), 8.6.1.2 (multipart).
"""

import secrets
from collections.abc import Iterator
from itertools import chain

from django.http import FileResponse, HttpResponse, HttpResponseBase, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from dicomweb.links import Links
from dicomweb.negotiation import DICOM_FILE, DICOM_FILES, DICOM_JSON, Choice
from dicomweb.transactions import StudiesTransaction
from ingestion.errors import NotAcceptable, NotFound
from ingestion.use_cases.retrieve_instances import (
    BATCH,
    Address,
    Addressed,
    HeldDocument,
    HeldInstance,
    find_instances,
    held_documents,
    held_instances,
)

SEND_BYTES = 256 * 1024  # small objects leave together in pieces of about this size


class RetrieveTransaction(StudiesTransaction):
    """GET of a study, a series or an instance: its DICOM files."""

    @extend_schema(
        responses={(200, 'multipart/related; type="application/dicom"'): OpenApiTypes.BINARY},
        description="Retrieve (WADO-RS, PS3.18 10.4): the files, in their stored transfer syntax.",
    )
    def get(
        self,
        _request: Request,
        study_instance_uid: str,
        space_slug: str = "",
        series_instance_uid: str = "",
        sop_instance_uid: str = "",
    ) -> HttpResponseBase:
        """All files, or with `application/dicom` the only one."""
        offers = (DICOM_FILES, DICOM_FILE) if sop_instance_uid else (DICOM_FILES,)
        choice = self.choose(*offers)
        found = find_instances(
            Address(
                self.scope(space_slug), study_instance_uid, series_instance_uid, sop_instance_uid
            )
        )
        _require_stored_syntax(choice, found)
        instances = held_instances(found)
        if choice.representation is DICOM_FILE:
            return _single(instances, self.links)
        return _multipart(instances, self.links)


class RetrieveMetadataTransaction(StudiesTransaction):
    """GET of the metadata below a study, a series or an instance."""

    @extend_schema(
        responses={(200, "application/dicom+json"): OpenApiTypes.OBJECT},
        description="Metadata (PS3.18 10.4.1.1.2): data sets without bulk data, as DICOM JSON.",
    )
    def get(
        self,
        _request: Request,
        study_instance_uid: str,
        space_slug: str = "",
        series_instance_uid: str = "",
        sop_instance_uid: str = "",
    ) -> HttpResponseBase:
        """The headers of all instances, in the order of their files."""
        self.choose(DICOM_JSON)
        found = find_instances(
            Address(
                self.scope(space_slug), study_instance_uid, series_instance_uid, sop_instance_uid
            )
        )
        pieces = _metadata(found, self.links)
        content_type = DICOM_JSON.content_type
        if len(found) <= BATCH:
            return HttpResponse(b"".join(pieces), content_type=content_type)
        return StreamingHttpResponse(pieces, content_type=content_type)


def _require_stored_syntax(choice: Choice, found: list[Addressed]) -> None:
    """Raise unless every instance may be sent as it is stored."""
    if not all(choice.accepts_syntax(item.transfer_syntax_uid) for item in found):
        stored = ", ".join(sorted({item.transfer_syntax_uid for item in found}))
        raise NotAcceptable(f"Accept leaves out a transfer syntax that is stored here: {stored}")


def _single(instances: Iterator[HeldInstance], links: Links) -> HttpResponseBase:
    """One file with its length; by the kernel alone where the store has it on a local disk."""
    instance = next(instances, None)
    if instance is None:
        raise NotFound("there is no such resource")
    content_type = _part_type(instance)
    path = instance.path()
    response: HttpResponseBase
    if path is not None:
        response = FileResponse(path.open("rb"), content_type=content_type)
    else:
        response = StreamingHttpResponse(instance.read(), content_type=content_type)
    response.headers["Content-Length"] = str(instance.size_bytes)
    response.headers["Content-Location"] = _address(instance, links)
    return response


def _multipart(instances: Iterator[HeldInstance], links: Links) -> HttpResponseBase:
    boundary = secrets.token_hex(16)
    pieces = _gathered(_parts(instances, links, boundary=boundary.encode()))
    # What cannot be opened must be an error, so the first piece is read before the status is sent.
    first = next(pieces)
    return StreamingHttpResponse(
        chain([first], pieces),
        content_type=f'multipart/related; type="application/dicom"; boundary={boundary}',
    )


def _parts(instances: Iterator[HeldInstance], links: Links, *, boundary: bytes) -> Iterator[bytes]:
    line = b"--" + boundary
    for instance in instances:
        header = (
            f"\r\nContent-Type: {_part_type(instance)}"
            f"\r\nContent-Location: {_address(instance, links)}\r\n\r\n"
        )
        yield line + header.encode()
        yield from instance.read()
        yield b"\r\n"
    yield line + b"--\r\n"


def _gathered(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in fewer pieces: each one sent costs a system call."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= SEND_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting)


def _metadata(found: list[Addressed], links: Links) -> Iterator[bytes]:
    """One JSON array; documents are joined as they rest, never decoded."""
    separator = b"["
    batch: list[bytes] = []
    for document in held_documents(found):
        batch.append(_with_bulk_data_links(document, links))
        if len(batch) >= BATCH:
            yield separator + b",".join(batch)
            separator, batch = b",", []
    yield (separator + b",".join(batch) if batch or separator == b"[" else b"") + b"]"


def _with_bulk_data_links(held: HeldDocument, links: Links) -> bytes:
    """Relative references made absolute. A quote inside a JSON string is escaped, so that no
    value can look like this name."""
    address = _address(held, links)
    return held.document.replace(
        b'"BulkDataURI":"bulkdata/', f'"BulkDataURI":"{address}/bulkdata/'.encode()
    )


def _part_type(instance: HeldInstance) -> str:
    return f"application/dicom; transfer-syntax={instance.transfer_syntax_uid}"


def _address(held: HeldInstance | HeldDocument, links: Links) -> str:
    return links.instance(
        held.space_slug,
        held.study_instance_uid,
        series_instance_uid=held.series_instance_uid,
        sop_instance_uid=held.sop_instance_uid,
    )
