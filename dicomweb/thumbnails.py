"""Thumbnails: one small picture that stands for a study, a series, an instance or frames.

What has no picture gets one with the name of its modality: viewers put it into their lists.
Source: PS3.18 10.4.1.1.4, 8.3.5.2.
"""

import structlog
from django.http import HttpResponse, HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from dicomweb.described_answers import CONDITIONAL, binary
from dicomweb.frame_list import parse_frame_list
from dicomweb.rendered import ALONE
from dicomweb.rendering_parameters import parse_thumbnail
from dicomweb.renditions import VIEWPORT, RenditionTransaction, bytes_of
from dicomweb.retrieve import address_of
from ingestion.dicom.rendering.encoding import GIF, JPEG, PNG
from ingestion.errors import UnreadablePixelData
from ingestion.use_cases.render_instances import (
    Kind,
    RenderOptions,
    kind_of,
    render_frame,
    render_placeholder,
    representative,
    representative_frame,
)
from ingestion.use_cases.retrieve_instances import HeldInstance, find_instances

QUALITY = 80

log = structlog.get_logger(__name__)


class ThumbnailTransaction(RenditionTransaction):
    """GET of the thumbnail of a study, a series, an instance or the first of some frames."""

    @extend_schema(
        parameters=[VIEWPORT],
        responses={**binary(JPEG, PNG, GIF), **CONDITIONAL},
        description="Thumbnail (PS3.18 10.4.1.1.4): the middle of a study, series or instance.",
    )
    def get(
        self,
        request: Request,
        *,
        frame_list: str = "",
        **_path: str,
    ) -> HttpResponseBase:
        """A picture of 128 pixels at most, or of what the viewport allows."""
        numbers, options = (
            parse_frame_list(frame_list) if frame_list else (),
            self._options(request),
        )
        instance = representative(find_instances(self.address()))
        number = numbers[0] if numbers else _middle(instance)
        return self.rendition(
            (bytes_of(instance), number, options, "thumbnail"),
            lambda: HttpResponse(
                _picture(instance, number, options), content_type=options.media_type
            ),
            location=f"{self._address(instance, number)}/thumbnail",
        )

    def _address(self, instance: HeldInstance, number: int) -> str:
        address = address_of(instance, self.links)
        return self.frame_address(instance, number) if number else address

    def _options(self, request: Request) -> RenderOptions:
        return RenderOptions(
            media_type=self.choose(*ALONE).representation.content_type,
            viewport=parse_thumbnail(request.query_params.dict()),
            quality=QUALITY,
        )


def _middle(instance: HeldInstance) -> int:
    """The frame that stands for an instance, 0 when it has none."""
    if kind_of(instance) is not Kind.IMAGE:
        return 0
    return representative_frame(instance, otherwise=(instance.number_of_frames or 1) // 2 + 1)


def _picture(instance: HeldInstance, number: int, options: RenderOptions) -> bytes:
    """A frame, or a placeholder when its pixels cannot be shown."""
    if number:
        try:
            return render_frame(instance, number, options)
        except UnreadablePixelData as error:
            log.warning("thumbnail without a picture", detail=str(error))
    return render_placeholder(instance, options)
