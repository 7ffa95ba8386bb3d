"""Renders arrays as if they were decoded frames, with headers written by hand."""

from base64 import b64encode
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ingestion.dicom.pixels.decoding import Decoded, ImagePixel
from ingestion.dicom.rendering.picture import picture_of
from ingestion.dicom.rendering.windows import Window


def element(*values: Any) -> dict[str, Any]:
    return {"Value": list(values)}


def words(*values: int) -> dict[str, Any]:
    """An element of OW."""
    content = np.array(values, dtype="<u2").tobytes()
    return {"vr": "OW", "InlineBinary": b64encode(content).decode()}


def no_bulk_data(path: str) -> bytes:
    raise AssertionError(f"nothing is at {path}")


def rendered(
    pixels: NDArray[Any],
    header: dict[str, Any] | None = None,
    *,
    photometric_interpretation: str = "MONOCHROME2",
    bits_stored: int = 0,
    frame_number: int = 1,
    window: Window | None = None,
    bulk_data: dict[str, bytes] | None = None,
) -> NDArray[np.uint8]:
    """The levels of the picture of a frame `(rows, columns[, samples])`."""
    is_float = pixels.dtype.kind == "f"
    bits = pixels.dtype.itemsize * 8
    told = ImagePixel(
        rows=pixels.shape[0],
        columns=pixels.shape[1],
        samples_per_pixel=pixels.shape[2] if pixels.ndim == 3 else 1,
        photometric_interpretation=photometric_interpretation,
        bits_allocated=bits,
        bits_stored=bits_stored or bits,
        pixel_representation=int(pixels.dtype.kind == "i"),
        planar_configuration=0,
        number_of_frames=1,
        pixel_keyword="FloatPixelData" if is_float else "PixelData",
    )
    picture: Image.Image = picture_of(
        Decoded(pixels, photometric_interpretation),
        told,
        data_set=header or {},
        frame_number=frame_number,
        window=window,
        read_bulk_data=bulk_data.__getitem__ if bulk_data else no_bulk_data,
    )
    return np.asarray(picture)
