"""Crops, scales and flips a picture into a viewport. Source: PS3.18 8.3.5.1.3."""

from dataclasses import dataclass

from PIL import Image

from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.rendering.header_values import functional_group, numbers
from ingestion.errors import InvalidQuery

_PIXEL_MEASURES = "00289110"
_PIXEL_ASPECT_RATIO = "00280034"
_SPACINGS = ("00280030", "00181164", "00182010")  # Pixel, Imager Pixel, Nominal Scanned Pixel
_RATIO_MAX = 100.0


@dataclass(frozen=True, slots=True)
class Viewport:
    """`width` and `height` in pixels of the screen; the region of the image in its own pixels.

    A region without width or height reaches to the image's edge; negative ones flip. What is
    smaller than the viewport stays so unless it `may_enlarge`.
    """

    width: int
    height: int
    left: float = 0.0
    top: float = 0.0
    region_width: float | None = None
    region_height: float | None = None
    may_enlarge: bool = True


def pixel_ratio(data_set: JsonDataSet, frame_number: int) -> float:
    """How much higher than wide a pixel is; 1.0 when nothing credible says so.

    Source: PS3.3 C.7.6.3.1.7, 10.7.1.3: vertical before horizontal.
    """
    measures = functional_group(data_set, frame_number, _PIXEL_MEASURES)
    for source, tag in (
        *((measures, tag) for tag in _SPACINGS),
        (data_set, _PIXEL_ASPECT_RATIO),
    ):
        found = numbers(source, tag)
        if len(found) == 2 and min(found) > 0:
            ratio = found[0] / found[1]
            return ratio if 1 / _RATIO_MAX <= ratio <= _RATIO_MAX else 1.0
    return 1.0


def into_viewport(picture: Image.Image, viewport: Viewport, *, ratio: float) -> Image.Image:
    """The region, as large as fits the viewport with its proportions kept.

    Raises `InvalidQuery` when no pixel of the image is in the region.
    """
    left, right = _edges(viewport.left, viewport.region_width, limit=picture.width)
    top, bottom = _edges(viewport.top, viewport.region_height, limit=picture.height)
    width, height = right - left, (bottom - top) * ratio
    scale = min(viewport.width / width, viewport.height / height)
    if not viewport.may_enlarge:
        scale = min(scale, 1.0)
    size = (
        max(1, min(viewport.width, round(width * scale))),
        max(1, min(viewport.height, round(height * scale))),
    )
    scaled = picture.resize(
        size, Image.Resampling.BILINEAR, box=(left, top, right, bottom), reducing_gap=2.0
    )
    if (viewport.region_width or 0) < 0:
        scaled = scaled.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if (viewport.region_height or 0) < 0:
        scaled = scaled.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    return scaled


def _edges(start: float, length: float | None, *, limit: int) -> tuple[float, float]:
    """Where the region begins and ends within the image."""
    end = float(limit) if length is None else start + abs(length)
    start, end = max(0.0, start), min(end, float(limit))
    if end - start <= 0:
        raise InvalidQuery("viewport: the region has no pixel of the image")
    return start, end
