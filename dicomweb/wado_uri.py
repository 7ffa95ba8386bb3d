"""WADO-URI: one instance by query parameters, as a DICOM file or as it is to be seen.

A door to what WADO-RS does, for clients that have no other. Where the request names no media type
a single frame is a JPEG, a report is a page, and anything else a DICOM file.
Source: PS3.18 9; the defaults are those of its 2011 edition (7.3), which clients still expect.
"""

from collections.abc import Sequence

from django.http import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from dicomweb.described_answers import ranged
from dicomweb.negotiation import DICOM_FILE, Choice, Representation, choose
from dicomweb.rendered import ALONE, PAGES, RENDERED, RenderedTransaction
from dicomweb.retrieve import RetrieveTransaction
from dicomweb.wado_uri_parameters import UriParameters, parse_uri
from ingestion.dicom.pixels.decoding import image_pixel
from ingestion.use_cases.read_data_set import header_of
from ingestion.use_cases.render_documents import MP4, MPEG, PDF, XML
from ingestion.use_cases.render_instances import Kind, kind_of
from ingestion.use_cases.retrieve_instances import (
    Address,
    HeldInstance,
    held_instance,
)

_OTHER_FORMS = {
    Kind.ENCAPSULATED: (Representation(PDF), Representation(XML)),
    Kind.VIDEO: (Representation(MP4), Representation(MPEG)),
}

_UIDS = [
    OpenApiParameter(name, str, required=True, description=f"{meaning} Instance UID.")
    for name, meaning in (("studyUID", "Study"), ("seriesUID", "Series"), ("objectUID", "SOP"))
]
_PARAMETERS = [
    OpenApiParameter("requestType", str, required=True, enum=["WADO"]),
    *_UIDS,
    OpenApiParameter("contentType", str, description="Media types by comma, in place of Accept."),
    OpenApiParameter("transferSyntax", str, description="Of a DICOM file."),
    OpenApiParameter("frameNumber", int, description="From 1 on."),
    OpenApiParameter("rows", int, description="Largest height."),
    OpenApiParameter("columns", int, description="Largest width."),
    OpenApiParameter("region", str, description="`xmin,ymin,xmax,ymax` from 0 to 1."),
    OpenApiParameter("windowCenter", float),
    OpenApiParameter("windowWidth", float),
    OpenApiParameter("imageQuality", int, description="Of JPEG, 1 to 100."),
    OpenApiParameter("annotation", str, description="`patient`, `technique`: not drawn here."),
]


class UriTransaction(RenderedTransaction):
    """GET with `requestType=WADO`."""

    @extend_schema(
        parameters=_PARAMETERS,
        responses={**RENDERED, **ranged(DICOM_FILE.content_type, PDF, XML, MP4, MPEG)},
        description="WADO-URI (PS3.18 9): one instance, as a file or rendered.",
    )
    def get(  # type: ignore[override]  # its address is in the query
        self, request: Request, space_slug: str = ""
    ) -> HttpResponseBase:
        """The instance in the form that the client likes best."""
        asked = parse_uri(request.query_params.dict())
        address = Address(
            self.scope(space_slug),
            asked.study_instance_uid,
            asked.series_instance_uid,
            asked.sop_instance_uid,
        )
        instance = held_instance(address)
        representation = self.choose(*_offers(instance, asked)).representation
        if representation is DICOM_FILE:
            return self._file(asked, space_slug)
        if kind_of(instance) is not Kind.IMAGE:
            return self._by_kind[kind_of(instance)](self, instance, asked.rendering)
        return self._image(instance, asked, representation)

    def choose(self, *offers: Representation) -> Choice:
        """By `contentType`, which stands in for Accept (9.1.2.2.1). Raises `NotAcceptable`."""
        return _chosen(self.request, offers)

    def _image(
        self, instance: HeldInstance, asked: UriParameters, representation: Representation
    ) -> HttpResponseBase:
        image = image_pixel(header_of(instance))
        rendering = asked.rendering_of(image.rows, image.columns)
        if asked.frame_number is not None:
            return self._of_listed(instance, rendering, (asked.frame_number,))
        return self._of_image(instance, rendering, representation)

    def _file(self, asked: UriParameters, space_slug: str) -> HttpResponseBase:
        """What WADO-RS gives for the same instance."""
        path = {
            "space_slug": space_slug,
            "study_instance_uid": asked.study_instance_uid,
            "series_instance_uid": asked.series_instance_uid,
            "sop_instance_uid": asked.sop_instance_uid,
        }
        retrieve = _RetrieveFile(request=self.request, args=(), kwargs=path)
        return retrieve.get(self.request, **path)


class _RetrieveFile(RetrieveTransaction):
    """Retrieve, with the transfer syntax that the parameter names, else the media type."""

    def choose(self, *_: Representation) -> Choice:
        syntax = self.request.query_params.get("transferSyntax", "").strip()
        if not syntax:
            return _chosen(self.request, (DICOM_FILE,))
        return Choice(DICOM_FILE, (syntax,))


def _chosen(request: Request, offers: Sequence[Representation]) -> Choice:
    query = request.query_params
    wanted = query.get("contentType", "").strip() or query.get("accept", "")
    return choose(request.META.get("HTTP_ACCEPT", ""), wanted, offers)


def _offers(instance: HeldInstance, asked: UriParameters) -> tuple[Representation, ...]:
    """Forms of the instance, the one for who does not say first."""
    kind = kind_of(instance)
    if kind is Kind.IMAGE:
        is_single = asked.frame_number is not None or (instance.number_of_frames or 1) == 1
        return (*ALONE, DICOM_FILE) if is_single else (DICOM_FILE, *ALONE)
    if kind is Kind.REPORT:
        return (*PAGES, DICOM_FILE)
    return (DICOM_FILE, *_OTHER_FORMS.get(kind, ()))
