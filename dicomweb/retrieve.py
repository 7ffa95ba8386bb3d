"""The Retrieve transaction (WADO-RS): files as they were stored, and their metadata.

Source: PS3.18 10.4; 8.7.3.5.2 (transfer syntaxes), 8.6.1.2 (multipart).
"""

from collections.abc import Iterator

from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from dicomweb.links import Links
from dicomweb.negotiation import DICOM_FILE, DICOM_FILES, DICOM_JSON, Choice
from dicomweb.payloads import Part, Payload, multipart, single
from dicomweb.transactions import StudiesTransaction
from ingestion.errors import NotAcceptable
from ingestion.use_cases.retrieve_instances import (
    BATCH,
    Address,
    Addressed,
    HeldDocument,
    HeldInstance,
    find_instances,
    held_documents,
    held_instances,
    only_instance,
)


class RetrieveTransaction(StudiesTransaction):
    """GET of a study, a series or an instance: its DICOM files."""

    @extend_schema(
        responses={(200, 'multipart/related; type="application/dicom"'): OpenApiTypes.BINARY},
        description="Retrieve (WADO-RS, PS3.18 10.4): the files, in their stored transfer syntax.",
    )
    def get(
        self,
        request: Request,
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
        if choice.representation is DICOM_FILE:
            return single(request._request, _file(only_instance(found), self.links))
        return multipart(
            _parts(held_instances(found), self.links), part_type=DICOM_FILE.content_type
        )


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


def _file(instance: HeldInstance, links: Links) -> Payload:
    """One file with its length; by the kernel alone where the store has it on a local disk."""
    return Payload(
        content_type=_part_type(instance),
        content_location=address_of(instance, links),
        size_bytes=instance.size_bytes,
        etag=f'"{instance.data_set_sha256.hex()}"',
        read=instance.read,
        path=instance.path(),
    )


def _parts(instances: Iterator[HeldInstance], links: Links) -> Iterator[Part]:
    for instance in instances:
        yield Part(_part_type(instance), address_of(instance, links), instance.read)


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
    address = address_of(held, links)
    return held.document.replace(
        b'"BulkDataURI":"bulkdata/', f'"BulkDataURI":"{address}/bulkdata/'.encode()
    )


def _part_type(instance: HeldInstance) -> str:
    return f"application/dicom; transfer-syntax={instance.transfer_syntax_uid}"


def address_of(held: HeldInstance | HeldDocument, links: Links) -> str:
    """The address of an instance below its own space."""
    return links.instance(
        held.space_slug,
        held.study_instance_uid,
        series_instance_uid=held.series_instance_uid,
        sop_instance_uid=held.sop_instance_uid,
    )
