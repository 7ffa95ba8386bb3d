"""Decodes the images of consumer media types that no transfer syntax can hold: PNG and GIF.

Transparency is discarded, as DICOM has none; indexed colours become RGB.
Source: PS3.18 Table 10.5.2-1 and its notes; PNG 11.2.2 (IHDR).
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

from ingestion.dicom.pixels.image_description import ImageDescription
from ingestion.dicom.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from ingestion.errors import LimitExceeded, MalformedDataSet, UnsupportedTransferSyntax

CONSUMER_MEDIA_TYPES = {"image/png": "PNG", "image/gif": "GIF"}  # in Pillow's words
SIDE_MAX = 0xFFFF

_GREY_MODES = frozenset(("1", "L", "LA", "I;16"))
_DEPTH_AND_COLOUR_TYPE = slice(24, 26)  # of a PNG file
_ONLY_GREY = 0

_TOO_MANY_PIXELS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
# What Pillow raises of files that are not what they should be.
_PILLOW_ERRORS = (
    *_TOO_MANY_PIXELS,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True, slots=True)
class ConsumerImage:
    """A file of one image, or of an animation with several."""

    image: Image.Image
    description: ImageDescription

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame in native format."""
        return _frame_bytes(self.description)

    def frames(self) -> Iterator[bytes]:
        """The frames in native format, little endian, colour by pixel.

        Raises MalformedDataSet for a file that is damaged.
        """
        mode = _native_mode(self.description)
        for number in range(max(self.description.frames, 1)):
            try:
                self.image.seek(number)
                frame = _native_bytes(self.image, mode)
            except _PILLOW_ERRORS as error:
                raise MalformedDataSet("the image is damaged") from error
            if len(frame) != self.frame_bytes:
                raise MalformedDataSet("a frame of the image is of another size")
            yield frame


def open_consumer_image(content: bytes, *, media_type: str, frame_bytes_max: int) -> ConsumerImage:
    """Read what the file says of itself; pixels are decoded by `frames`.

    Raises MalformedDataSet, LimitExceeded for frames that are too large, UnsupportedTransferSyntax
    for more bits than can be kept.
    """
    name = CONSUMER_MEDIA_TYPES[media_type]
    try:
        image = Image.open(BytesIO(content), formats=[name])
        frames = getattr(image, "n_frames", 1) if name == "GIF" else 1
        description = _description(image, frames=frames)
    except _TOO_MANY_PIXELS as error:
        raise LimitExceeded("the image has more pixels than are decoded") from error
    except _PILLOW_ERRORS as error:
        raise MalformedDataSet(f"the image is no {name} file, or damaged") from error
    if name == "PNG":
        _require_all_bits(*content[_DEPTH_AND_COLOUR_TYPE])
    if max(image.size) > SIDE_MAX:
        raise MalformedDataSet(f"DICOM has images of at most {SIDE_MAX} pixels a side")
    if _frame_bytes(description) > frame_bytes_max:
        raise LimitExceeded(f"a frame of the image has more than {frame_bytes_max} bytes")
    return ConsumerImage(image, description)


def _description(image: Image.Image, *, frames: int) -> ImageDescription:
    """Frames of an animation may have colours that the first one has not."""
    is_grey = image.mode in _GREY_MODES and frames == 1
    return ImageDescription(
        transfer_syntax_uid=EXPLICIT_VR_LITTLE_ENDIAN,
        rows=image.height,
        columns=image.width,
        samples_per_pixel=1 if is_grey else 3,
        bits_stored=16 if image.mode == "I;16" else 8,
        photometric_interpretation="MONOCHROME2" if is_grey else "RGB",
        frames=frames if frames > 1 else 0,
    )


def _require_all_bits(depth: int, colour_type: int) -> None:
    """Pillow keeps 16 bits of grey only, and the transformation shall be lossless (note 2)."""
    if depth > 8 and colour_type != _ONLY_GREY:
        raise UnsupportedTransferSyntax("a PNG file of colours has at most 8 bits for each here")


def _frame_bytes(description: ImageDescription) -> int:
    samples = description.rows * description.columns * description.samples_per_pixel
    return samples * (2 if description.bits_stored > 8 else 1)


def _native_mode(description: ImageDescription) -> str:
    if description.samples_per_pixel > 1:
        return "RGB"
    return "I;16" if description.bits_stored > 8 else "L"


def _native_bytes(frame: Image.Image, mode: str) -> bytes:
    frame.info.pop("transparency", None)  # which conversions would heed, and warn of
    converted = frame if frame.mode == mode else frame.convert(mode)
    return np.asarray(converted).astype("<u2" if mode == "I;16" else "u1", copy=False).tobytes()
