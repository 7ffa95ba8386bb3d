"""Retrieve of frames, one by one, and of all Pixel Data of a study, a series or an instance.

Source: PS3.18 10.4.1.1.6 (resources), 10.4.3.3.6 (payload), 8.7.3.3 (media types).
"""

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import chain

from django.http import HttpResponse, HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from dicomweb.described_answers import FRAMES_IN_PARTS, ranged
from dicomweb.frame_list import parse_frame_list
from dicomweb.links import Links
from dicomweb.media_types import AcceptedRange
from dicomweb.payloads import Part, is_unchanged, multipart, single, unless_unchanged
from dicomweb.pixel_data import as_part, form_etag, frame_payload, readable_parts
from dicomweb.pixel_negotiation import PixelForm, choose_parts_form, choose_pixel_form
from dicomweb.retrieve import address_of
from dicomweb.transactions import StudiesTransaction
from ingestion.dicom.frame_media_types import FRAME_MEDIA_TYPES
from ingestion.errors import NotFound
from ingestion.use_cases.retrieve_frames import open_frames, syntax_of_frames
from ingestion.use_cases.retrieve_instances import (
    Addressed,
    find_instances,
    held_instance,
    held_instances,
)


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
        description="Frames (WADO-RS, PS3.18 10.4.1.1.6): in the stored transfer syntax, or in"
        " one that is accepted and can be made without loss.",
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
        form = choose_pixel_form(
            self.accepted,
            frames.transfer_syntax_uid,
            is_single=lambda _: len(numbers) == 1,
            can_make=frames.can_be_read_as,
        )
        asked = blake2b(frame_list.encode(), digest_size=8).hexdigest()  # a list can be long
        http, etag = request._request, form_etag(instance, form, asked)
        if is_unchanged(http, etag):
            return unless_unchanged(http, HttpResponse(), etag)
        location = f"{address_of(instance, self.links)}/frames/"
        payloads = (
            frame_payload(frames, number, form=form, location=f"{location}{number}")
            for number in numbers
        )
        if not form.is_multipart:
            return single(http, next(payloads))
        parts = (as_part(payload) for payload in payloads)
        return unless_unchanged(http, multipart(parts, part_type=form.media_type), etag)


class PixelDataTransaction(StudiesTransaction):
    """GET of all Pixel Data of a study, a series or an instance."""

    @extend_schema(
        responses=FRAMES_IN_PARTS,
        description="Pixel Data (PS3.18 10.4.1.1.6): compressed frames each in a part,"
        " uncompressed ones of an instance together.",
    )
    def get(self, _request: Request, **_path: str) -> HttpResponseBase:
        """All frames of all instances that have some, in their order."""
        found = find_instances(self.address())
        forms = _forms(self.accepted, found)
        parts = _pixel_parts(found, forms, self.links)
        first = next(parts, None)
        if first is None:
            raise NotFound("there is no Pixel Data")
        part_type = first.content_type.partition(";")[0]
        return multipart(chain([first], parts), part_type=part_type)


def _forms(accepted: Sequence[AcceptedRange], found: Sequence[Addressed]) -> dict[str, PixelForm]:
    """For each transfer syntax that instances are stored in, the form of their Pixel Data's parts.

    Raises `NotAcceptable`.
    """
    stored = sorted({item.transfer_syntax_uid for item in found})
    return {uid: choose_parts_form(accepted, syntax_of_frames(uid)) for uid in stored}


def _pixel_parts(
    found: Sequence[Addressed], forms: dict[str, PixelForm], links: Links
) -> Iterator[Part]:
    for instance in held_instances(found):
        if instance.pixel_data_offset is not None:
            form, address = forms[instance.transfer_syntax_uid], address_of(instance, links)
            yield from readable_parts(instance, form, address=address)
