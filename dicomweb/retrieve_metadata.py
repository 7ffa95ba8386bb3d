"""Metadata of a study, a series or an instance: the headers of its instances as JSON or XML.

JSON leaves as it rests and is never decoded. Source: PS3.18 10.4.1.1.2, Annex F; PS3.19 A.1.
"""

from collections.abc import Iterator, Sequence

import orjson
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from dicomweb.compression import compressed
from dicomweb.described_answers import CONDITIONAL, DATA_SETS, XML_DATA_SETS, binary
from dicomweb.links import Links, asked_resource
from dicomweb.negotiation import DICOM_JSON, DICOM_XML, DICOM_XMLS, Representation
from dicomweb.payloads import Part, is_unchanged, multipart, unless_unchanged
from dicomweb.retrieve import address_of, weak_tag
from dicomweb.transactions import StudiesTransaction
from ingestion.dicom.xml_model import to_xml
from ingestion.errors import NotFound
from ingestion.use_cases.retrieve_instances import (
    BATCH,
    Addressed,
    HeldDocument,
    find_instances,
    held_documents,
)


class RetrieveMetadataTransaction(StudiesTransaction):
    """GET of the metadata below a study, a series or an instance."""

    @extend_schema(
        responses={
            (200, "application/dicom+json"): DATA_SETS,
            **XML_DATA_SETS,
            **binary("application/dicom+xml"),
            **CONDITIONAL,
        },
        description=(
            "Metadata (PS3.18 10.4.1.1.2): data sets without bulk data, as DICOM JSON, or as one "
            "XML document of the Native DICOM Model per instance."
        ),
    )
    def get(self, request: Request, **_path: str) -> HttpResponseBase:
        """The headers of all instances, in the order of their files."""
        address = self.address()
        alone = (DICOM_XML,) if address.sop_instance_uid else ()
        representation = self.choose(DICOM_JSON, *alone, DICOM_XMLS).representation
        found = find_instances(address)
        http = request._request
        etag = weak_tag(found, self.links.root, repr(representation))
        if http.method == "HEAD" or is_unchanged(http, etag):
            response: HttpResponseBase = _without_body(representation)
        else:
            response = _MAKERS[representation](found, self.links)
        if not representation.part_type:
            response.headers["Content-Location"] = asked_resource(http)  # PS3.18 8.4.3
        return unless_unchanged(http, compressed(http, response), etag)


def _without_body(representation: Representation) -> HttpResponseBase:
    if representation is DICOM_XMLS:
        return multipart((), part_type=DICOM_XMLS.part_type)
    return StreamingHttpResponse((), content_type=representation.content_type)


def _json(found: Sequence[Addressed], links: Links) -> HttpResponseBase:
    pieces = _json_array(found, links)
    content_type = DICOM_JSON.content_type
    if len(found) <= BATCH:
        return HttpResponse(b"".join(pieces), content_type=content_type)
    return StreamingHttpResponse(pieces, content_type=content_type)


def _json_array(found: Sequence[Addressed], links: Links) -> Iterator[bytes]:
    """One JSON array; documents are joined as they rest, never decoded."""
    separator = b"["
    batch: list[bytes] = []
    for held in held_documents(found):
        batch.append(_with_bulk_data_links(held, links))
        if len(batch) >= BATCH:
            yield separator + b",".join(batch)
            separator, batch = b",", []
    yield (separator + b",".join(batch) if batch or separator == b"[" else b"") + b"]"


def _xml_parts(found: Sequence[Addressed], links: Links) -> HttpResponseBase:
    parts = (
        Part(
            DICOM_XML.content_type,
            f"{address_of(held, links)}/metadata",
            lambda held=held: iter((_xml_document(held, links),)),  # type: ignore[misc]  # its type is held's
        )
        for held in held_documents(found)
    )
    return multipart(parts, part_type=DICOM_XMLS.part_type)


def _xml(found: Sequence[Addressed], links: Links) -> HttpResponseBase:
    held = next(held_documents(found), None)
    if held is None:
        raise NotFound("there is no such resource any more")
    return HttpResponse(_xml_document(held, links), content_type=DICOM_XML.content_type)


def _xml_document(held: HeldDocument, links: Links) -> bytes:
    return to_xml(orjson.loads(_with_bulk_data_links(held, links)))


def _with_bulk_data_links(held: HeldDocument, links: Links) -> bytes:
    """Relative references made absolute. A quote inside a JSON string is escaped, so that no
    value can look like this name."""
    address = address_of(held, links)
    return held.document.replace(
        b'"BulkDataURI":"bulkdata/', f'"BulkDataURI":"{address}/bulkdata/'.encode()
    )


_MAKERS = {DICOM_JSON: _json, DICOM_XMLS: _xml_parts, DICOM_XML: _xml}
