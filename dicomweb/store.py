"""The Store transaction (STOW-RS). Source: PS3.18 10.5.

A body that breaks off is answered with 400, but the parts that were read whole by then are
kept: they are durable, and sending them again is harmless.
"""

import uuid
from collections.abc import Iterator

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from dicomweb.media_types import MediaType, parse_media_type
from dicomweb.multipart import MultipartReader, Part
from dicomweb.negotiation import DICOM_FILE, DICOM_FILES, DICOM_JSON, DICOM_XML
from dicomweb.peers import peer_address
from dicomweb.request_bodies import READ_BYTES, RequestBody, request_body
from dicomweb.spaces import storable_space
from dicomweb.store_response import store_response, store_status
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


class StoreTransaction(StudiesTransaction):
    """POST of DICOM files to the studies, or to one study."""

    @extend_schema(
        request={'multipart/related; type="application/dicom"': OpenApiTypes.BINARY},
        responses={(200, "application/dicom+json"): OpenApiTypes.OBJECT},
        description="Store (STOW-RS, PS3.18 10.5): one DICOM file per part, or one file alone.",
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
        with StoreSession(space, sender, study_instance_uid=study_instance_uid) as session:
            report = _store_all(session, _parts(request._request))
        links = self.links
        return HttpResponse(
            store_response(report, space.slug, links=links, representation=choice.representation),
            status=store_status(report),
            content_type=choice.representation.content_type,
        )


def _store_all(session: StoreSession, parts: Iterator[Part]) -> StoreReport:
    try:
        for part in parts:
            session.take(part)
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


def _parts(request: HttpRequest) -> Iterator[Part]:
    """The parts of the body. Raises `UnsupportedMediaType`, `InvalidMultipart`, `LimitExceeded`."""
    limits = settings.LIMITS
    text = request.META.get("CONTENT_TYPE", "")
    media_type = parse_media_type(text)
    if media_type is None or request.META.get("HTTP_CONTENT_ENCODING", "identity") != "identity":
        raise UnsupportedMediaType("the body must be DICOM files in multipart/related, or one file")
    if media_type.name == DICOM_FILE.content_type:
        body = request_body(request, bytes_max=limits.request_bytes_max)
        return _only_part(body, text)
    boundary = _boundary(media_type)
    body = request_body(request, bytes_max=limits.request_bytes_max)
    return iter(MultipartReader(body, boundary, parts_max=limits.parts_max))


def _boundary(media_type: MediaType) -> str:
    """The boundary of a multipart body that holds DICOM files; clients may leave the type out."""
    part_type = media_type.parameters.get("type", DICOM_FILES.part_type).lower()
    if media_type.name != DICOM_FILES.content_type or part_type != DICOM_FILES.part_type:
        raise UnsupportedMediaType(
            'the body must be multipart/related with type="application/dicom", or application/dicom'
        )
    if "boundary" not in media_type.parameters:
        raise InvalidMultipart("Content-Type names no boundary")
    return media_type.parameters["boundary"]


def _only_part(body: RequestBody, content_type: str) -> Iterator[Part]:
    """The body itself as one part; an empty one is none."""
    first = body.read(READ_BYTES)
    if first:
        yield Part({"content-type": content_type}, _chunks(first, body))


def _chunks(first: bytes, body: RequestBody) -> Iterator[memoryview]:
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
