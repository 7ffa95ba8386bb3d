"""What a picture of an image must be, by pydicom's own decoding and PS3.3's formulas."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi

# Levels by which converters of colours may differ: rounding, and the upsampling of chrominance.
COLOUR_TOLERANCE = 2


def reference(dataset: Dataset, frame: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """Levels from 0 to 255 and by how many ours may differ."""
    colours = dataset.PhotometricInterpretation
    if colours == "PALETTE COLOR":
        mapped = apply_color_lut(frame, dataset)
        return (mapped >> 8 if mapped.max() > 255 else mapped).astype(int), 0
    if dataset.SamplesPerPixel == 3:
        return (frame.astype(int) >> max(0, dataset.BitsStored - 8)), COLOUR_TOLERANCE
    levels = np.rint(grey(dataset, frame) * 255)
    return (255 - levels if colours == "MONOCHROME1" else levels), 1


def grey(dataset: Dataset, frame: NDArray[Any]) -> NDArray[Any]:
    """Brightness from 0 to 1."""
    values = np.asarray(apply_modality_lut(frame, transformed(dataset)), dtype=float)
    if "VOILUTSequence" in dataset:
        bits = dataset.VOILUTSequence[0].LUTDescriptor[2]
        white = float(2**bits - 1)
        return np.asarray(apply_voi(frame, dataset), dtype=float) / white
    voi = group(dataset, "FrameVOILUTSequence")
    if voi.get("WindowWidth"):
        center, width = first(voi.WindowCenter), first(voi.WindowWidth)
        if width > 1:
            return np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1)
        return (values > center - 0.5).astype(float)
    if dataset.get("BitsStored", 32) <= 8 and not dataset.get("PixelRepresentation"):
        low, high = 0.0, float(2**dataset.BitsStored - 1)
        if "RescaleSlope" in dataset:
            ends = [end * dataset.RescaleSlope + dataset.RescaleIntercept for end in (low, high)]
            low, high = min(ends), max(ends)
    else:
        every = max(1, math.isqrt(frame.size // 65536))  # not all pixels are asked
        is_image = frame[::every, ::every] != dataset.get("PixelPaddingValue", np.nan)
        shown = values[::every, ::every][is_image]
        low, high = np.percentile(shown, (0.5, 99.5))
    if high == low:
        return np.where(values == low, 0.5, (values > low).astype(float))
    return np.clip((values - low) / (high - low), 0, 1)


def transformed(dataset: Dataset) -> Dataset:
    """Where the rescale of the first frame is."""
    found = group(dataset, "PixelValueTransformationSequence")
    return found if "RescaleSlope" in found else dataset


def group(dataset: Dataset, keyword: str) -> Dataset:
    """What the functional groups say of the first frame."""
    for sequence in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"):
        groups = dataset.get(sequence)
        if groups and keyword in groups[0]:
            found: Dataset = groups[0][keyword].value[0]
            return found
    return dataset


def first(value: Any) -> float:
    return float(value[0] if hasattr(value, "__len__") else value)
