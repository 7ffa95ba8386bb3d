"""Retrieve of bulk data: the value behind a BulkDataURI, or all values of an entity.

Source: PS3.18 10.4.1.1.5 (resources), 10.4.3.3.5 (payload), 8.7.3.3 (media types).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from dicomweb.described_answers import CONDITIONAL, binary, ranged
from dicomweb.negotiation import OCTET_PARTS, Representation
from dicomweb.payloads import (
    Part,
    Payload,
    collection,
    is_unchanged,
    multipart,
    single,
    unless_unchanged,
)
from dicomweb.pixel_data import (
    as_part,
    bulk_payload,
    form_etag,
    pixel_payloads,
    readable_parts,
    readable_payloads,
)
from dicomweb.pixel_negotiation import choose_parts_form, choose_pixel_form
from dicomweb.retrieve import address_of, weak_tag
from dicomweb.transactions import StudiesTransaction
from ingestion.dicom.pixels.frame_media_types import OCTET_STREAM, media_type_of
from ingestion.dicom.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from ingestion.errors import NotAcceptable, NotFound, UnreadablePixelData
from ingestion.use_cases.retrieve_bulk_data import (
    PIXEL_DATA_PATHS,
    BulkData,
    all_bulk_data_of,
    bulk_data_of,
)
from ingestion.use_cases.retrieve_frames import open_frames, syntax_of_frames
from ingestion.use_cases.retrieve_instances import (
    Addressed,
    HeldInstance,
    find_instances,
    held_instance,
    held_instances,
)

PDF = "application/pdf"


class BulkDataTransaction(StudiesTransaction):
    """GET of one value of an instance, as its metadata names it."""

    @extend_schema(
        responses={**binary("multipart/related"), **ranged("*/*")},
        parameters=[
            OpenApiParameter(
                "tag_path",
                str,
                OpenApiParameter.PATH,
                description="Tags and item numbers, as in `00880200/0/7FE00010`.",
            )
        ],
        description="Bulk data (WADO-RS, PS3.18 10.4.1.1.5): the value behind a BulkDataURI.",
    )
    def get(
        self,
        request: Request,
        *,
        tag_path: str,
        **_path: str,
    ) -> HttpResponseBase:
        """The value alone, or in a part; compressed frames are a part each."""
        instance = held_instance(self.address())
        bulk_data = bulk_data_of(instance, tag_path)
        if bulk_data.path not in PIXEL_DATA_PATHS:
            return self._value(request._request, bulk_data)
        try:
            return self._pixel_data(request._request, instance)
        except UnreadablePixelData:
            if bulk_data.is_encapsulated:
                raise
            return self._value(request._request, bulk_data)  # octets that make no frames

    def _value(self, request: HttpRequest, bulk_data: BulkData) -> HttpResponseBase:
        """The value as it stands, in little endian."""
        offers = (*_alone(bulk_data), *_in_parts(bulk_data))
        representation = self.choose(*offers).representation
        media_type = representation.part_type or representation.content_type
        address = address_of(bulk_data.instance, self.links)
        payload = _payload(bulk_data, media_type, address=address)
        if representation.part_type:
            response = multipart([as_part(payload)], part_type=media_type)
            return unless_unchanged(request, response, f"W/{payload.etag}")
        response = single(request, payload)
        if media_type != PDF:  # which browsers do not show in a sandbox
            response.headers["Content-Security-Policy"] = "sandbox"
        return response

    def _pixel_data(self, request: HttpRequest, instance: HeldInstance) -> HttpResponseBase:
        frames = open_frames(instance)
        choose = partial(
            choose_pixel_form,
            self.accepted,
            frames.transfer_syntax_uid,
            is_single=lambda uid: frames.count == 1 or uid == EXPLICIT_VR_LITTLE_ENDIAN,
        )
        form = choose(can_make=frames.can_be_read_as)
        etag = form_etag(instance, form, "all")
        if is_unchanged(request, etag):
            return unless_unchanged(request, HttpResponse(), etag)
        address = address_of(instance, self.links)
        form, payloads = readable_payloads(
            form,
            lambda form: pixel_payloads(frames, form, address=address),
            as_stored=lambda: choose(can_make=lambda _: False),
        )
        etag = form_etag(instance, form, "all")
        if not form.is_multipart:
            return single(request, replace(next(payloads), etag=etag))
        response = multipart(map(as_part, payloads), part_type=form.media_type)
        return unless_unchanged(request, response, etag)


class AllBulkDataTransaction(StudiesTransaction):
    """GET of all bulk data of a study, a series or an instance."""

    @extend_schema(
        responses={
            **binary("multipart/related"),
            (206, "multipart/related"): OpenApiTypes.BINARY,
            **CONDITIONAL,
        },
        description="Bulk data (PS3.18 10.4.1.1.5) of every instance: all values that metadata only"
        " names and that can be made in an accepted media type, each with its BulkDataURI.",
    )
    def get(self, request: Request, **_path: str) -> HttpResponseBase:
        """All values of all instances, in their order."""
        found, left_out = find_instances(self.address()), list[str]()
        etag = weak_tag(found, self.links.root, repr(self.accepted))
        http = request._request
        if is_unchanged(http, etag):
            return unless_unchanged(http, HttpResponse(), etag)
        try:
            response = collection(
                self._parts(found, left_out), left_out, what="bulk data", service=self.links.root
            )
        except NotFound:
            self.choose(OCTET_PARTS)
            raise
        return unless_unchanged(http, response, etag)

    def _parts(self, found: Sequence[Addressed], left_out: list[str]) -> Iterator[Part]:
        for instance in held_instances(found):
            address = address_of(instance, self.links)
            for bulk_data in all_bulk_data_of(instance):
                if bulk_data.path in PIXEL_DATA_PATHS:
                    if self._takes_pixels(instance):
                        yield from readable_parts(
                            instance, self.accepted, address=address, left_out=left_out
                        )
                elif media_type := self._part_type(bulk_data):
                    yield as_part(_payload(bulk_data, media_type, address=address))

    def _takes_pixels(self, instance: HeldInstance) -> bool:
        """Whether Pixel Data like this instance's can be made in an accepted media type."""
        try:
            choose_parts_form(self.accepted, syntax_of_frames(instance.transfer_syntax_uid))
        except NotAcceptable:
            return False
        return True

    def _part_type(self, bulk_data: BulkData) -> str:
        """The type of a value's part, '' when none is accepted."""
        try:
            return self.choose(*_in_parts(bulk_data)).representation.part_type
        except NotAcceptable:
            return ""


def _alone(bulk_data: BulkData) -> tuple[Representation, ...]:
    return tuple(Representation(media_type) for media_type in _media_types(bulk_data))


def _in_parts(bulk_data: BulkData) -> tuple[Representation, ...]:
    return tuple(
        Representation("multipart/related", part_type=media_type)
        for media_type in _media_types(bulk_data)
    )


def _media_types(bulk_data: BulkData) -> tuple[str, ...]:
    """What a value can go out as: its own type, if it has one, and always octets."""
    own_type = bulk_data.media_type or _type_of_fragments(bulk_data)
    return (OCTET_STREAM,) if own_type == OCTET_STREAM else (own_type, OCTET_STREAM)


def _type_of_fragments(bulk_data: BulkData) -> str:
    """Icons are compressed as the image is (PS3.3 F.7)."""
    syntax = bulk_data.instance.transfer_syntax_uid
    return media_type_of(syntax) if bulk_data.is_encapsulated else OCTET_STREAM


def _payload(bulk_data: BulkData, media_type: str, *, address: str) -> Payload:
    if bulk_data.is_encapsulated:
        media_type += f"; transfer-syntax={bulk_data.instance.transfer_syntax_uid}"
    return bulk_payload(bulk_data, media_type, f"{address}/bulkdata/{bulk_data.path}")
