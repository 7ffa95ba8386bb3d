"""Encodes pictures in the media types that browsers show. Source: PS3.18 8.7.4, Table 8.7.4-1."""

from collections.abc import Iterable, Sequence
from io import BytesIO

from PIL import Image

from ingestion.errors import UnreadablePixelData

JPEG, PNG, GIF = "image/jpeg", "image/png", "image/gif"
QUALITY = 90

_FORMATS = {JPEG: "JPEG", PNG: "PNG", GIF: "GIF"}
_EDGE_MAX = {JPEG: 65_500, PNG: 2**31 - 1, GIF: 65_535}
_FAST_COMPRESSION = 1


def encoded(picture: Image.Image, media_type: str, *, quality: int = QUALITY) -> bytes:
    """One picture. `quality` is 1 to 100 and means JPEG alone."""
    if max(picture.size) > _EDGE_MAX[media_type]:
        raise UnreadablePixelData(f"the image is larger than {media_type} can be")
    options: dict[str, int] = {}
    if media_type == JPEG:
        options["quality"] = quality
    elif media_type == PNG:
        options["compress_level"] = _FAST_COMPRESSION
    buffer = BytesIO()
    picture.save(buffer, _FORMATS[media_type], **options)
    return buffer.getvalue()


def animation(pictures: Iterable[Image.Image], durations_ms: Sequence[float]) -> bytes:
    """An endless GIF; there are as many durations as pictures, and at least one."""
    first, *others = pictures
    buffer = BytesIO()
    first.save(
        buffer,
        "GIF",
        save_all=True,
        append_images=others,
        duration=[_shown_ms(duration) for duration in durations_ms],
        loop=0,
    )
    return buffer.getvalue()


def _shown_ms(duration_ms: float) -> int:
    """Browsers take anything below two hundredths of a second for a tenth."""
    return max(20, min(round(duration_ms / 10) * 10, 10_000))
