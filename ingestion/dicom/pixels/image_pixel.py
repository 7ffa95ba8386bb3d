"""The attributes that say how pixels are stored, checked before anything is read by them.

Source: PS3.3 C.7.6.3 (Image Pixel Module), C.7.6.24 and C.7.6.25 (float pixels).
"""

import math
from dataclasses import dataclass
from typing import Any

from ingestion.dicom.json_model import JsonDataSet
from ingestion.errors import UnreadablePixelData

FRAMES_MAX = 2**31 - 1

_PIXEL_KEYWORDS = {
    "7FE00010": "PixelData",
    "7FE00008": "FloatPixelData",
    "7FE00009": "DoubleFloatPixelData",
}
_BITS_OF_FLOATS = {"FloatPixelData": 32, "DoubleFloatPixelData": 64}
_BITS_ALLOCATED = (1, 8, 16, 32, 64)

# PS3.3 C.7.6.3.1.2, with the retired ones of three samples; samples per pixel.
_SAMPLES = {
    "MONOCHROME1": 1,
    "MONOCHROME2": 1,
    "PALETTE COLOR": 1,
    "RGB": 3,
    "YBR_FULL": 3,
    "YBR_FULL_422": 3,
    "YBR_PARTIAL_422": 3,
    "YBR_PARTIAL_420": 3,
    "YBR_ICT": 3,
    "YBR_RCT": 3,
    "HSV": 3,
}


@dataclass(frozen=True, slots=True)
class ImagePixel:
    """The attributes that say how pixels are stored, each within the bounds of the Standard.

    `pixel_keyword` is PixelData, FloatPixelData or DoubleFloatPixelData; floats have their own
    bits and no sign.
    """

    rows: int
    columns: int
    samples_per_pixel: int
    photometric_interpretation: str
    bits_allocated: int
    bits_stored: int
    pixel_representation: int
    planar_configuration: int
    number_of_frames: int
    pixel_keyword: str

    @property
    def frame_bits(self) -> int:
        """Bits of one frame that is not encapsulated (PS3.5 8.1.1, PS3.3 C.7.6.3.1.2)."""
        samples = self.rows * self.columns * self.samples_per_pixel
        if self.photometric_interpretation in ("YBR_FULL_422", "YBR_PARTIAL_422"):
            samples = samples // 3 * 2
        return samples * self.bits_allocated

    @property
    def decoded_bytes(self) -> int:
        """Bytes of the array that `decode_frame` makes of a frame."""
        return (
            self.rows * self.columns * self.samples_per_pixel * math.ceil(self.bits_allocated / 8)
        )


def image_pixel(data_set: JsonDataSet) -> ImagePixel:
    """The Image Pixel Module of a header; raises `UnreadablePixelData` for what cannot be one."""
    keyword = next((_PIXEL_KEYWORDS[tag] for tag in _PIXEL_KEYWORDS if tag in data_set), None)
    if keyword is None:
        raise UnreadablePixelData("the instance has no pixel data")
    samples = _integer(data_set, "00280002", default=1, allowed=(1, 3))
    default_photometric = "MONOCHROME2" if keyword in _BITS_OF_FLOATS else ""
    photometric = str(_value(data_set, "00280004") or default_photometric).strip().upper()
    if _SAMPLES.get(photometric) != samples:
        raise UnreadablePixelData(
            "Photometric Interpretation (0028,0004) is absent, unknown or not of"
            " so many Samples per Pixel (0028,0002)"
        )
    bits = _BITS_OF_FLOATS.get(keyword)
    allocated = bits or _integer(data_set, "00280100", allowed=_BITS_ALLOCATED)
    return ImagePixel(
        rows=_integer(data_set, "00280010", allowed=range(1, 0x10000)),
        columns=_integer(data_set, "00280011", allowed=range(1, 0x10000)),
        samples_per_pixel=samples,
        photometric_interpretation=photometric,
        bits_allocated=allocated,
        bits_stored=bits
        or _integer(data_set, "00280101", default=allocated, allowed=range(1, allocated + 1)),
        pixel_representation=0
        if bits
        else _integer(data_set, "00280103", default=0, allowed=(0, 1)),
        planar_configuration=_integer(data_set, "00280006", default=0, allowed=(0, 1)),
        number_of_frames=_integer(data_set, "00280008", default=1, allowed=range(FRAMES_MAX + 1))
        or 1,
        pixel_keyword=keyword,
    )


def _integer(
    data_set: JsonDataSet,
    tag: str,
    *,
    allowed: range | tuple[int, ...],
    default: int | None = None,
) -> int:
    value = _value(data_set, tag)
    if value is None and default is not None:
        return default
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = -1
    if number not in allowed:
        raise UnreadablePixelData(
            f"({tag[:4]},{tag[4:]}) is absent or no value that pixels can have"
        )
    return number


def _value(data_set: JsonDataSet, tag: str) -> Any:
    """The first value of an element; None without one."""
    values = data_set.get(tag, {}).get("Value") or [None]
    return values[0]
