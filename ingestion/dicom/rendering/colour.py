"""Stored values of colour images to 8-bit RGB. ICC profiles are left out of account.

Source: PS3.3 C.7.6.3.1.2 (photometric interpretations), C.11.15 (ICC profiles).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.pixels.decoding import Decoded, ImagePixel
from ingestion.dicom.rendering.header_values import ReadBulkData
from ingestion.dicom.rendering.palette import read_palette
from ingestion.errors import UnreadablePixelData

Rgb = NDArray[np.uint8]


def rgb_levels(
    decoded: Decoded, image: ImagePixel, *, data_set: JsonDataSet, read_bulk_data: ReadBulkData
) -> Rgb:
    """Colours `(rows, columns, 3)` uint8; raises `UnreadablePixelData` for retired ones."""
    if decoded.photometric_interpretation == "PALETTE COLOR":
        palette = read_palette(
            data_set, read_bulk_data, pixel_representation=image.pixel_representation
        )
        return palette.apply(decoded.pixels)
    convert = _CONVERSIONS.get(decoded.photometric_interpretation)
    if convert is None:
        raise UnreadablePixelData(
            f"colours in {decoded.photometric_interpretation} are not rendered"
        )
    return convert(_eight_bits(decoded.pixels, image.bits_stored))


def _eight_bits(pixels: NDArray[Any], bits_stored: int) -> Rgb:
    """The most significant eight bits, or as many as there are, over the whole scale."""
    if pixels.dtype == np.uint8 and bits_stored == 8:
        return pixels
    if bits_stored >= 8:
        return (pixels >> (bits_stored - 8)).clip(0, 255).astype(np.uint8)
    white = (1 << bits_stored) - 1
    return (pixels.clip(0, white).astype(np.uint16) * 255 // white).astype(np.uint8)


def _from_ybr(pixels: Rgb) -> Rgb:
    """YBR_FULL and YBR_ICT have the coefficients of JFIF, which Pillow's YCbCr has too."""
    rows, columns, _ = pixels.shape
    image = Image.frombytes("YCbCr", (columns, rows), pixels.tobytes())
    return np.asarray(image.convert("RGB"))


def _unchanged(pixels: Rgb) -> Rgb:
    return pixels


_CONVERSIONS: dict[str, Callable[[Rgb], Rgb]] = {
    "RGB": _unchanged,
    "YBR_FULL": _from_ybr,
    "YBR_FULL_422": _from_ybr,
    "YBR_ICT": _from_ybr,
}
