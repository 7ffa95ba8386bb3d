"""The Store transaction (STOW-RS). Source: PS3.18 10.5.

A body that breaks off is answered with 400, but the parts that were read whole by then are
kept: they are durable, and sending them again is harmless.
"""

import uuid
from collections.abc import Iterator
from urllib.parse import urljoin

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from dicomweb.described_answers import DATA_SET
from dicomweb.media_types import MediaType, parse_media_type
from dicomweb.multipart import MultipartReader, Part, Readable
from dicomweb.negotiation import DICOM_FILES, DICOM_JSON, DICOM_XML
from dicomweb.peers import peer_address
from dicomweb.request_bodies import READ_BYTES, request_body
from dicomweb.spaces import storable_space
from dicomweb.store_parts import STORED_TYPES
from dicomweb.store_response import store_headers, store_response, store_status
from dicomweb.store_session import StoreReport, StoreSession
from dicomweb.transactions import StudiesTransaction
from ingestion.dicom.identifiers import is_valid_uid
from ingestion.errors import (
    IngestionError,
    InvalidMultipart,
    InvalidRequest,
    LimitExceeded,
    UnsupportedMediaType,
)
from ingestion.models import SenderKind
from ingestion.use_cases.store_instance import Sender

log = structlog.get_logger(__name__)

_WANTED = (
    "the body must be multipart/related of application/dicom, application/dicom+json or "
    "application/dicom+xml, or one of these alone"
)

# What was stored and what was not (PS3.18 Table 10.5.3-1, Annex I); 409 also tells that none was.
_STORED = {
    (status, media_type): schema
    for status in (200, 202, 409)
    for media_type, schema in (
        (DICOM_JSON.content_type, DATA_SET),
        (DICOM_XML.content_type, OpenApiTypes.BINARY),
    )
}


class StoreTransaction(StudiesTransaction):
    """POST of DICOM files, or of metadata and bulk data, to the studies, or to one study."""

    @extend_schema(
        request={
            'multipart/related; type="application/dicom"': OpenApiTypes.BINARY,
            'multipart/related; type="application/dicom+json"': OpenApiTypes.BINARY,
            'multipart/related; type="application/dicom+xml"': OpenApiTypes.BINARY,
        },
        responses=_STORED,
        description=(
            "Store (STOW-RS, PS3.18 10.5): one DICOM file per part, or one file alone; or metadata "
            "in JSON or XML with a part for each bulk data, named by Content-Location."
        ),
    )
    def post(
        self, request: Request, space_slug: str = "", study_instance_uid: str = ""
    ) -> HttpResponse:
        """Store every part; 200 all, 202 some, 409 none. Each is told in the answer."""
        choice = self.choose(DICOM_JSON, DICOM_XML)
        if study_instance_uid and not is_valid_uid(study_instance_uid):
            raise InvalidRequest("the path does not name a study by a UID")
        space = storable_space(self.principal, space_slug)
        sender = _sender(request._request, self.principal.name)
        links = self.links
        parts, default_type = _parts(request._request)
        with StoreSession(
            space,
            sender,
            study_instance_uid=study_instance_uid,
            base_url=urljoin(links.root, request.path),
            default_type=default_type,
        ) as session:
            report = _store_all(session, parts)
        return HttpResponse(
            store_response(report, space.slug, links=links, representation=choice.representation),
            status=store_status(report),
            content_type=choice.representation.content_type,
            headers=store_headers(report, space.slug, links),
        )


def _store_all(session: StoreSession, parts: Iterator[Part]) -> StoreReport:
    try:
        for part in parts:
            session.take(part)
        session.compose()
    except (InvalidRequest, LimitExceeded) as error:
        session.settle()
        raise _with_count(error, len(session.report.stored)) from error
    session.settle()
    report = session.report
    if not (report.stored or report.failed or report.other_failures):
        raise InvalidMultipart("the request has no parts")
    log.info(
        "instances stored",
        stored=len(report.stored),
        failed=len(report.failed) + len(report.other_failures),
    )
    return report


def _with_count(error: IngestionError, stored: int) -> IngestionError:
    return type(error)(f"{error}; {stored} complete parts before it were stored")


def _parts(request: HttpRequest) -> tuple[Iterator[Part], str]:
    """The parts of the body, and the type of those that do not tell theirs.

    Raises `UnsupportedMediaType`, `InvalidMultipart`, `LimitExceeded`.
    """
    limits = settings.LIMITS
    text = request.META.get("CONTENT_TYPE", "")
    media_type = parse_media_type(text)
    if media_type is None:
        raise UnsupportedMediaType(_WANTED)
    if media_type.name in STORED_TYPES:
        body = request_body(request, bytes_max=limits.request_bytes_max)
        return _only_part(body, text), media_type.name
    boundary, part_type = _boundary(media_type)
    body = request_body(request, bytes_max=limits.request_bytes_max)
    return iter(MultipartReader(body, boundary, parts_max=limits.parts_max)), part_type


def _boundary(media_type: MediaType) -> tuple[str, str]:
    """Boundary and type of the parts of a multipart body; clients may leave the type out."""
    parameter = media_type.parameters.get("type", "").partition(";")[0]
    part_type = parameter.strip().lower() or DICOM_FILES.part_type
    if media_type.name != DICOM_FILES.content_type or part_type not in STORED_TYPES:
        raise UnsupportedMediaType(_WANTED)
    if "boundary" not in media_type.parameters:
        raise InvalidMultipart("Content-Type names no boundary")
    return media_type.parameters["boundary"], part_type


def _only_part(body: Readable, content_type: str) -> Iterator[Part]:
    """The body itself as one part; an empty one is none."""
    first = body.read(READ_BYTES)
    if first:
        yield Part({"content-type": content_type}, _chunks(first, body))


def _chunks(first: bytes, body: Readable) -> Iterator[memoryview]:
    chunk = first
    while chunk:
        yield memoryview(chunk)
        chunk = body.read(READ_BYTES)


def _sender(request: HttpRequest, principal: str) -> Sender:
    return Sender(
        kind=SenderKind.STOW,
        conversation_id=request.META.get("ingestion.request_id", uuid.uuid4().hex),
        principal=principal,
        peer_address=peer_address(request),
    )
