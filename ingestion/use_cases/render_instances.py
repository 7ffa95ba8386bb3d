"""Renders instances: frames as pictures, loops as animations, reports as pages.

Only the frames that are shown are read. What was rendered is remembered, because viewers ask for
the same pictures in bursts. Source: PS3.18 10.4.1.1.3, 10.4.1.1.4, 8.7.4.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from functools import cache
from threading import BoundedSemaphore

from django.conf import settings
from PIL import Image

from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.pixels.decoding import decode_frame, image_pixel
from ingestion.dicom.rendering.content_tree import content_tree
from ingestion.dicom.rendering.document import HTML, html_page, plain_text
from ingestion.dicom.rendering.encoding import JPEG, QUALITY, animation, encoded
from ingestion.dicom.rendering.frame_times import frame_durations_ms
from ingestion.dicom.rendering.header_values import number as number_of
from ingestion.dicom.rendering.header_values import text
from ingestion.dicom.rendering.picture import picture_of
from ingestion.dicom.rendering.placeholder import placeholder
from ingestion.dicom.rendering.viewport import Viewport, into_viewport, pixel_ratio
from ingestion.dicom.rendering.windows import Window
from ingestion.dicom.transfer_syntaxes import transfer_syntax
from ingestion.dicom.xml_model import to_xml
from ingestion.errors import Unavailable, UnreadablePixelData
from ingestion.use_cases.read_data_set import header_of
from ingestion.use_cases.render_documents import XML
from ingestion.use_cases.rendition_cache import RenditionCache
from ingestion.use_cases.retrieve_bulk_data import bulk_data_of
from ingestion.use_cases.retrieve_frames import FrameSet, open_frames
from ingestion.use_cases.retrieve_instances import (
    Addressed,
    HeldInstance,
    held_instances,
    only_instance,
)

# Frames decoded at a time by one process: it is their memory that counts.
DECODED_TOGETHER_MAX = 8
WAIT_SECONDS_MAX = 30.0

_MODALITY = "00080060"
_REPRESENTATIVE_FRAME = "00286010"

# PS3.4 Annex B.5: SR and key objects; encapsulated PDF, CDA, STL, OBJ, MTL.
_REPORT_SOP_CLASSES = "1.2.840.10008.5.1.4.1.1.88."
_ENCAPSULATED_SOP_CLASSES = "1.2.840.10008.5.1.4.1.1.104."

_turns = BoundedSemaphore(DECODED_TOGETHER_MAX)


class Kind(Enum):
    """What an instance can be rendered as."""

    IMAGE = "pictures"
    VIDEO = "a film"
    REPORT = "a page"
    ENCAPSULATED = "the document in it"
    OTHER = "nothing"


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """How a picture shall look. `viewport` None: in its own size; `window` None: the header's."""

    media_type: str = JPEG
    viewport: Viewport | None = None
    window: Window | None = None
    quality: int = QUALITY


def kind_of(instance: HeldInstance) -> Kind:
    """What the instance can be rendered as, by its SOP Class and transfer syntax."""
    if instance.pixel_data_offset is not None:
        is_film = transfer_syntax(instance.transfer_syntax_uid).is_video
        return Kind.VIDEO if is_film else Kind.IMAGE
    if instance.sop_class_uid.startswith(_ENCAPSULATED_SOP_CLASSES):
        return Kind.ENCAPSULATED
    return Kind.REPORT if instance.sop_class_uid.startswith(_REPORT_SOP_CLASSES) else Kind.OTHER


def representative(addressed: Sequence[Addressed]) -> HeldInstance:
    """The instance that stands for a study or series: an image from its middle, if it has any.

    Raises `NotFound` when nothing is there any more.
    """
    middle = len(addressed) // 2
    instance = only_instance(addressed[middle : middle + 1])
    if kind_of(instance) is Kind.IMAGE or len(addressed) == 1:
        return instance
    images = [held for held in held_instances(addressed) if kind_of(held) is Kind.IMAGE]
    return images[len(images) // 2] if images else instance


def render_frame(instance: HeldInstance, number: int, options: RenderOptions) -> bytes:
    """One frame as an encoded picture; frames are numbered from 1.

    Raises `NotFound` beyond the last frame and when there are no pixels, `UnreadablePixelData`,
    `InvalidQuery` for a viewport without any pixel, `ObjectMissing`.
    """
    key = (_bytes_of(instance), number, options)
    body = _renditions().get(key)
    if body is None:
        picture = _Renderer(instance).picture(number, options)
        body = encoded(picture, options.media_type, quality=options.quality)
        _renditions().put(key, body)
    return body


def render_animation(
    instance: HeldInstance, numbers: Sequence[int], options: RenderOptions
) -> bytes:
    """The frames as one endless GIF at their own speed, once each. Raises as `render_frame`."""
    assert numbers, "an animation has a frame"
    key = (_bytes_of(instance), tuple(numbers), options)
    body = _renditions().get(key)
    if body is None:
        renderer = _Renderer(instance)
        durations = frame_durations_ms(renderer.header, max(numbers))
        body = animation(
            (renderer.picture(number, options) for number in numbers),
            [durations[number - 1] for number in numbers],
        )
        _renditions().put(key, body)
    return body


def animation_frames(instance: HeldInstance) -> int:
    """How many frames one animation may have."""
    image = image_pixel(header_of(instance))
    limits = settings.LIMITS
    fitting = limits.animation_pixels_max // (image.rows * image.columns)
    return max(1, min(limits.animation_frames_max, fitting))


def render_report(instance: HeldInstance, media_type: str) -> bytes:
    """A document's content tree as `text/html` or `text/plain`, in UTF-8.

    As `text/xml` all of its header, in the Native DICOM Model (PS3.19 A.1).
    """
    header = header_of(instance)
    if media_type == XML:
        return to_xml(header)
    tree = content_tree(header)
    page = html_page(tree) if media_type == HTML else plain_text(tree)
    return page.encode("utf-8", "replace")


def render_placeholder(instance: HeldInstance, options: RenderOptions) -> bytes:
    """A picture that names the modality of what cannot be shown."""
    picture = placeholder(text(header_of(instance), _MODALITY))
    if options.viewport is not None:
        picture = into_viewport(picture, options.viewport, ratio=1.0)
    return encoded(picture, options.media_type, quality=options.quality)


def representative_frame(instance: HeldInstance, *, otherwise: int = 1) -> int:
    """The frame that stands for the others: the one that the header names, where it names one."""
    count = instance.number_of_frames or 1
    if count <= 1:
        return 1
    named = number_of(header_of(instance), _REPRESENTATIVE_FRAME) or 0
    return int(named) if 1 <= named <= count else otherwise


@contextmanager
def _turn() -> Iterator[None]:
    """Wait for others to be done; raises `Unavailable` when they are not for too long."""
    if not _turns.acquire(timeout=WAIT_SECONDS_MAX):
        raise Unavailable("too many frames are being rendered")
    try:
        yield
    finally:
        _turns.release()


class _Renderer:
    """One instance, opened once for all frames that are asked of it."""

    def __init__(self, instance: HeldInstance) -> None:
        self._instance = instance
        self.header: JsonDataSet = header_of(instance)
        self._frames: FrameSet = open_frames(instance)

    def picture(self, number: int, options: RenderOptions) -> Image.Image:
        """A frame in its viewport."""
        image = image_pixel(self.header)
        bytes_max = settings.LIMITS.decoded_frame_bytes_max
        if self._frames.size(number) > bytes_max:
            raise UnreadablePixelData(f"the frame has more than {bytes_max} bytes")
        with _turn():
            decoded = decode_frame(
                self._frames.read(number),
                image,
                transfer_syntax_uid=self._frames.transfer_syntax_uid,
                bytes_max=bytes_max,
            )
            picture = picture_of(
                decoded,
                image,
                data_set=self.header,
                frame_number=number,
                window=options.window,
                read_bulk_data=self._bulk_data,
            )
            if options.viewport is None:
                return picture
            ratio = pixel_ratio(self.header, number)
            return into_viewport(picture, options.viewport, ratio=ratio)

    def _bulk_data(self, path: str) -> bytes:
        """A table that the header only names: none has more than 65,536 words."""
        found = bulk_data_of(self._instance, path)
        return b"".join(found.iterate(0, 1 << 17))


def _bytes_of(instance: HeldInstance) -> tuple[bytes, str]:
    """What a rendering depends on besides the options."""
    return bytes(instance.data_set_sha256), instance.transfer_syntax_uid


@cache
def _renditions() -> RenditionCache:
    return RenditionCache(settings.LIMITS.rendered_cache_bytes_max)
