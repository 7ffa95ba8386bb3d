"""Retrieve of frames, one by one, and of all Pixel Data of a study, a series or an instance.

Source: PS3.18 10.4.1.1.6 (resources), 10.4.3.3.6 (payload), 8.7.3.3 (media types).
"""

from collections.abc import Iterator, Sequence
from functools import partial
from hashlib import blake2b

from django.http import HttpResponse, HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from dicomweb.described_answers import CONDITIONAL, FRAMES_IN_PARTS, parts_of, ranged
from dicomweb.frame_list import parse_frame_list
from dicomweb.links import Links
from dicomweb.media_types import AcceptedRange
from dicomweb.payloads import (
    Part,
    collection,
    is_unchanged,
    multipart,
    single,
    unless_unchanged,
)
from dicomweb.pixel_data import (
    as_part,
    form_etag,
    frame_payload,
    readable_parts,
    readable_payloads,
)
from dicomweb.pixel_negotiation import choose_parts_form, choose_pixel_form
from dicomweb.retrieve import address_of, weak_tag
from dicomweb.transactions import StudiesTransaction
from ingestion.dicom.pixels.frame_media_types import FRAME_MEDIA_TYPES
from ingestion.use_cases.retrieve_frames import open_frames, syntax_of_frames
from ingestion.use_cases.retrieve_instances import (
    Addressed,
    find_instances,
    held_instance,
    held_instances,
)

_PARTIAL = {(206, kind): OpenApiTypes.BINARY for kind in parts_of(*FRAME_MEDIA_TYPES)}


class FramesTransaction(StudiesTransaction):
    """GET of some frames of an instance."""

    @extend_schema(
        responses={**FRAMES_IN_PARTS, **ranged(*FRAME_MEDIA_TYPES)},
        parameters=[
            OpenApiParameter(
                "frame_list",
                str,
                OpenApiParameter.PATH,
                description="Frame numbers from 1 on and ranges of them, as in `1,3,5-7`.",
            )
        ],
        description="Frames (WADO-RS, PS3.18 10.4.1.1.6): uncompressed, as stored, or in another"
        " transfer syntax that Accept names and that can be made without loss.",
    )
    def get(
        self,
        request: Request,
        *,
        frame_list: str,
        **_path: str,
    ) -> HttpResponseBase:
        """The frames in the order asked for: as parts, or with a frame's own type one alone."""
        numbers = parse_frame_list(frame_list)
        instance = held_instance(self.address())
        frames = open_frames(instance)
        frames.require(max(numbers))
        choose = partial(
            choose_pixel_form,
            self.accepted,
            frames.transfer_syntax_uid,
            is_single=lambda _: len(numbers) == 1,
        )
        form = choose(can_make=frames.can_be_read_as)
        asked = blake2b(frame_list.encode(), digest_size=8).hexdigest()  # a list can be long
        http, etag = request._request, form_etag(instance, form, asked)
        if is_unchanged(http, etag):
            return unless_unchanged(http, HttpResponse(), etag)
        location = f"{address_of(instance, self.links)}/frames/"
        form, payloads = readable_payloads(
            form,
            lambda form: (
                frame_payload(frames, number, form=form, location=f"{location}{number}")
                for number in numbers
            ),
            as_stored=lambda: choose(can_make=lambda _: False),
        )
        if not form.is_multipart:
            return single(http, next(payloads))
        response = multipart(map(as_part, payloads), part_type=form.media_type)
        return unless_unchanged(http, response, form_etag(instance, form, asked))


class PixelDataTransaction(StudiesTransaction):
    """GET of all Pixel Data of a study, a series or an instance."""

    @extend_schema(
        responses={**FRAMES_IN_PARTS, **_PARTIAL, **CONDITIONAL},
        description="Pixel Data (PS3.18 10.4.1.1.6): compressed frames each in a part,"
        " uncompressed ones of an instance together.",
    )
    def get(self, request: Request, **_path: str) -> HttpResponseBase:
        """All frames of all instances that have some, in their order."""
        found, left_out = find_instances(self.address()), list[str]()
        _require_forms(self.accepted, found)
        etag = weak_tag(found, self.links.root, repr(self.accepted))
        http = request._request
        if is_unchanged(http, etag):
            return unless_unchanged(http, HttpResponse(), etag)
        parts = _pixel_parts(found, self.accepted, links=self.links, left_out=left_out)
        response = collection(parts, left_out, what="Pixel Data", service=self.links.root)
        return unless_unchanged(http, response, etag)


def _require_forms(accepted: Sequence[AcceptedRange], found: Sequence[Addressed]) -> None:
    """Raise `NotAcceptable` for a transfer syntax of which no part can be made."""
    for uid in sorted({item.transfer_syntax_uid for item in found}):
        choose_parts_form(accepted, syntax_of_frames(uid))


def _pixel_parts(
    found: Sequence[Addressed],
    accepted: Sequence[AcceptedRange],
    *,
    links: Links,
    left_out: list[str],
) -> Iterator[Part]:
    for instance in held_instances(found):
        if instance.pixel_data_offset is not None:
            address = address_of(instance, links)
            yield from readable_parts(instance, accepted, address=address, left_out=left_out)
