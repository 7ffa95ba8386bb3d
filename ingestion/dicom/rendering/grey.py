"""Stored values of grey images to 8 bits: modality LUT, VOI LUT, presentation LUT shape.

Without any window what is there is stretched over the grey scale, but for the darkest and the
brightest half per cent; 8 bits are shown as they are. Source: PS3.4 N.2; PS3.3 C.11.1, C.11.2,
C.7.6.3.1.2 (MONOCHROME1), C.7.5.1.1.2 (padding).
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.pixels.decoding import ImagePixel
from ingestion.dicom.rendering.header_values import (
    ReadBulkData,
    first_item,
    functional_group,
    items,
    number,
    text,
)
from ingestion.dicom.rendering.lookup_table import lookup_table
from ingestion.dicom.rendering.windows import Floats, Window, WindowFunction

_PIXEL_VALUE_TRANSFORMATION, _FRAME_VOI_LUT = "00289145", "00289132"
_RESCALE_INTERCEPT, _RESCALE_SLOPE = "00281052", "00281053"
_MODALITY_LUT, _VOI_LUT = "00283000", "00283010"
_WINDOW_CENTER, _WINDOW_WIDTH, _VOI_LUT_FUNCTION = "00281050", "00281051", "00281056"
_PADDING_VALUE, _PADDING_RANGE_LIMIT = "00280120", "00280121"

_SAMPLED_PIXELS = 1 << 16
_SPREAD_PERCENT = (0.5, 99.5)
_BLOCK_PIXELS = 1 << 22

_Transform = Callable[[Floats], Floats]


def grey_levels(
    pixels: NDArray[Any],
    image: ImagePixel,
    *,
    data_set: JsonDataSet,
    frame_number: int,
    window: Window | None,
    read_bulk_data: ReadBulkData,
) -> NDArray[np.uint8]:
    """Brightness `(rows, columns)` uint8 of stored values; `window` goes before the header's."""
    # Absurd headers overflow and divide infinities; what comes of it is clipped.
    with np.errstate(all="ignore"):
        modality = _modality(data_set, frame_number, image=image, read_bulk_data=read_bulk_data)
        voi = (
            (window.apply if window else None)
            or _told_voi(data_set, frame_number, image=image, read_bulk_data=read_bulk_data)
            or _found_voi(modality, pixels, data_set=data_set, image=image)
        )
        is_inverse = image.photometric_interpretation == "MONOCHROME1"
        black, white = (255, 0) if is_inverse else (0, 255)

        def shown(stored: NDArray[Any]) -> NDArray[np.uint8]:
            brightness = np.nan_to_num(voi(modality(np.nan_to_num(stored.astype(np.float64)))))
            return np.rint(black + (white - black) * np.clip(brightness, 0, 1)).astype(np.uint8)

        return _each(pixels, shown)


def _each(
    pixels: NDArray[Any], shown: Callable[[NDArray[Any]], NDArray[np.uint8]]
) -> NDArray[np.uint8]:
    """Apply to each pixel: by a table of all values where they are few, else row by row."""
    if pixels.dtype.kind in "ui" and pixels.dtype.itemsize <= 2:
        pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
        unsigned = np.dtype(f"u{pixels.dtype.itemsize}")
        every_value = np.arange(256**pixels.dtype.itemsize, dtype=unsigned)
        table = shown(every_value.view(pixels.dtype))
        return np.take(table, np.ascontiguousarray(pixels).view(unsigned))
    result = np.empty(pixels.shape, dtype=np.uint8)
    step = max(1, _BLOCK_PIXELS // pixels.shape[1])
    for row in range(0, len(pixels), step):
        result[row : row + step] = shown(pixels[row : row + step])
    return result


def _modality(
    data_set: JsonDataSet, frame_number: int, *, image: ImagePixel, read_bulk_data: ReadBulkData
) -> _Transform:
    """Stored values to those of the modality (PS3.3 C.11.1)."""
    table = lookup_table(
        first_item(data_set, _MODALITY_LUT),
        read_bulk_data,
        pixel_representation=image.pixel_representation,
    )
    if table is not None:
        return table.apply
    slope, intercept = _rescale(data_set, frame_number)
    return lambda stored: stored * slope + intercept


def _rescale(data_set: JsonDataSet, frame_number: int) -> tuple[float, float]:
    group = functional_group(data_set, frame_number, _PIXEL_VALUE_TRANSFORMATION)
    return number(group, _RESCALE_SLOPE) or 1.0, number(group, _RESCALE_INTERCEPT) or 0.0


def _told_voi(
    data_set: JsonDataSet, frame_number: int, *, image: ImagePixel, read_bulk_data: ReadBulkData
) -> _Transform | None:
    """The first VOI LUT of the header, else its first window; None when it has neither."""
    for item in items(data_set, _VOI_LUT)[:1]:
        table = lookup_table(item, read_bulk_data, pixel_representation=image.pixel_representation)
        if table is not None:
            white = float((1 << table.bits) - 1)
            return lambda inputs: table.apply(inputs) / white
    group = functional_group(data_set, frame_number, _FRAME_VOI_LUT)
    center, width = number(group, _WINDOW_CENTER), number(group, _WINDOW_WIDTH)
    if center is None or width is None:
        return None
    named = text(group, _VOI_LUT_FUNCTION)
    known = named in WindowFunction.__members__
    window = Window(center, width, WindowFunction(named) if known else WindowFunction.LINEAR)
    return window.apply if window.is_usable else None


def _found_voi(
    modality: _Transform, pixels: NDArray[Any], *, data_set: JsonDataSet, image: ImagePixel
) -> _Transform:
    """What shows the most of these pixels."""
    if image.bits_stored <= 8 and not image.pixel_representation:
        ends = modality(np.array([0.0, float((1 << image.bits_stored) - 1)]))
    else:
        ends = _spread(modality, pixels, data_set=data_set)
    low, high = float(ends.min()), float(ends.max())
    width = max(high - low, np.finfo(np.float64).tiny)
    center = low + (high - low) / 2
    if not math.isfinite(width):
        return np.zeros_like
    return Window(center, width, WindowFunction.LINEAR_EXACT).apply


def _spread(modality: _Transform, pixels: NDArray[Any], *, data_set: JsonDataSet) -> Floats:
    """The lowest and the highest value, without padding, of a sample of the pixels."""
    step = max(1, math.isqrt(pixels.size // _SAMPLED_PIXELS))
    stored = pixels[::step, ::step].astype(np.float64).ravel()
    stored = stored[np.isfinite(stored)]
    if (padding := number(data_set, _PADDING_VALUE)) is not None:
        limit = number(data_set, _PADDING_RANGE_LIMIT)
        low, high = sorted((padding, padding if limit is None else limit))
        image_values = stored[(stored < low) | (stored > high)]
        stored = image_values if image_values.size else stored
    shown = modality(stored)
    shown = shown[np.isfinite(shown)]
    return np.percentile(shown, _SPREAD_PERCENT) if shown.size else np.zeros(2)
