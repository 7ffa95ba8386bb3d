"""Encodes the pixels of one frame, always without loss; says which pixels a codec can take.

The codecs are pydicom's plugins (OpenJPEG, CharLS, RLE) and, for JPEG Lossless, GDCM.
Source: PS3.5 8.2 (native or encapsulated format), A.4 (encapsulated transfer syntaxes).
"""

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gdcm  # type: ignore[import-untyped]  # it comes without types
import numpy as np
from numpy.typing import NDArray
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import UID, JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless, RLELossless

from ingestion.dicom.pixels.decoding import Decoded, ImagePixel
from ingestion.errors import UnreadablePixelData

_Encoder = Callable[[Decoded, ImagePixel], bytes]

_PHOTOMETRICS = frozenset(("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_FULL"))
_ENCODER_ERRORS = (ArithmeticError, AttributeError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Codec:
    """What one transfer syntax can hold. `ybr_bits_allocated` is for YBR_FULL."""

    encode: _Encoder
    bits_stored: range
    bits_allocated: tuple[int, ...]
    ybr_bits_allocated: tuple[int, ...]
    side_min: int = 1
    takes_odd_lengths: bool = True


def encode_frame(decoded: Decoded, image: ImagePixel, transfer_syntax_uid: str) -> bytes:
    """The code stream of one frame; raises `UnreadablePixelData` when these pixels have none."""
    if not can_encode(image, decoded.photometric_interpretation, transfer_syntax_uid):
        raise UnreadablePixelData(f"transfer syntax {transfer_syntax_uid} has no such pixels")
    try:
        return CODECS[transfer_syntax_uid].encode(decoded, image)
    except _ENCODER_ERRORS as error:
        raise UnreadablePixelData(
            f"the frame cannot be encoded as {transfer_syntax_uid}"
        ) from error


def can_encode(image: ImagePixel, photometric: str, transfer_syntax_uid: str) -> bool:
    """Whether the codec of a transfer syntax takes decoded pixels of such colours."""
    codec = CODECS.get(transfer_syntax_uid)
    if codec is None or image.pixel_keyword != "PixelData":
        return False
    is_ybr = photometric == "YBR_FULL"
    return (
        photometric in _PHOTOMETRICS
        and image.bits_allocated in (codec.ybr_bits_allocated if is_ybr else codec.bits_allocated)
        and image.bits_stored in codec.bits_stored
        and (photometric.startswith("MONOCHROME") or not image.pixel_representation)
        and min(image.rows, image.columns) >= codec.side_min
        and (codec.takes_odd_lengths or not _frame_bytes(image) % 2)
    )


def _frame_bytes(image: ImagePixel) -> int:
    return image.rows * image.columns * image.samples_per_pixel * image.bits_allocated // 8


def photometric_once_encoded(photometric: str, transfer_syntax_uid: str) -> str:
    """What Photometric Interpretation becomes: JPEG 2000 transforms RGB (PS3.5 8.2.4)."""
    is_transformed = photometric == "RGB" and transfer_syntax_uid == JPEG2000Lossless
    return "YBR_RCT" if is_transformed else photometric


def native_bytes(decoded: Decoded, image: ImagePixel) -> bytes:
    """The frame in native format: little endian, colour by pixel, in Bits Allocated each."""
    return _in_container(decoded.pixels, image).tobytes()


def require_only_pixels(frame: bytes, decoded: Decoded, image: ImagePixel) -> None:
    """Raise `UnreadablePixelData` when a native frame, little endian, holds more than its pixels.

    Overlays once stood in the bits beyond Bits Stored (PS3.5 8.1.2, retired): they are not
    decoded, and shall not be lost silently.
    """
    if image.bits_stored == image.bits_allocated or decoded.pixels.dtype.kind == "f":
        return
    unsigned = np.dtype(f"<u{image.bits_allocated // 8}")
    stored = np.frombuffer(frame, unsigned, count=image.frame_bits // image.bits_allocated)
    pixels = _in_container(decoded.pixels, image)
    if image.planar_configuration and image.samples_per_pixel > 1:
        pixels = pixels.transpose(2, 0, 1)
    expected = np.ascontiguousarray(pixels).reshape(-1).view(unsigned)
    cleared = expected & unsigned.type((1 << image.bits_stored) - 1)
    if not (np.array_equal(stored, expected) or np.array_equal(stored, cleared)):
        raise UnreadablePixelData("bits that are not of pixels are in use, and would be lost")


def _in_container(pixels: NDArray[Any], image: ImagePixel) -> NDArray[Any]:
    """Pixels of the size that Bits Allocated says, little endian."""
    kind = "f" if pixels.dtype.kind == "f" else "ui"[image.pixel_representation]
    return pixels.astype(f"<{kind}{math.ceil(image.bits_allocated / 8)}", copy=False)


def _by_pydicom(transfer_syntax_uid: str, plugin: str) -> _Encoder:
    encoder = get_encoder(UID(transfer_syntax_uid))
    is_rle = transfer_syntax_uid == RLELossless
    turn = threading.Lock()  # OpenJPEG's encoder corrupts memory in several threads at once

    def encode(decoded: Decoded, image: ImagePixel) -> bytes:
        pixels = np.ascontiguousarray(_in_container(decoded.pixels, image))
        with turn:
            return encoder.encode(
                pixels,
                encoding_plugin=plugin,
                rows=image.rows,
                columns=image.columns,
                number_of_frames=1,
                samples_per_pixel=image.samples_per_pixel,
                bits_allocated=image.bits_allocated,
                # Segments of RLE are whole bytes, whatever of them is in use (PS3.5 G.2).
                bits_stored=image.bits_allocated if is_rle else image.bits_stored,
                pixel_representation=image.pixel_representation,
                photometric_interpretation=photometric_once_encoded(
                    decoded.photometric_interpretation, transfer_syntax_uid
                ),
                planar_configuration=0,
            )

    return encode


def _by_gdcm(decoded: Decoded, image: ImagePixel) -> bytes:
    """JPEG Lossless, first-order prediction (PS3.5 8.2.1)."""
    # The image belongs to the writer, which must live as long.
    writer = gdcm.ImageWriter()
    source = writer.GetImage()
    source.SetNumberOfDimensions(2)
    source.SetDimensions((image.columns, image.rows, 1))
    colours = gdcm.PhotometricInterpretation.GetPIType(decoded.photometric_interpretation)
    source.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(colours))
    source.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.ExplicitVRLittleEndian))
    # All bits allocated count as stored: GDCM spoils signed values of fewer bits.
    source.SetPixelFormat(
        gdcm.PixelFormat(
            image.samples_per_pixel,
            image.bits_allocated,
            image.bits_allocated,
            image.bits_allocated - 1,
            0,
        )
    )
    if image.samples_per_pixel > 1:
        source.SetPlanarConfiguration(0)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetByteStringValue(native_bytes(decoded, image))
    source.SetDataElement(element)
    change = gdcm.ImageChangeTransferSyntax()
    wanted = gdcm.TransferSyntax.GetTSType(JPEGLosslessSV1)
    change.SetTransferSyntax(gdcm.TransferSyntax(wanted))
    change.SetInput(source)
    if not change.Change():
        raise ValueError("GDCM does not encode such pixels")
    fragments = change.GetOutput().GetDataElement().GetSequenceOfFragments()
    parts = (
        fragments.GetFragment(index).GetByteValue().GetBuffer()
        for index in range(fragments.GetNumberOfFragments())
    )
    return b"".join(part.encode("utf-8", "surrogateescape") for part in parts)


# PS3.5 8.2.1 to 8.2.4, and as far as the codecs were found to give back what they got: OpenJPEG
# halves an image five times and refuses what is smaller, GDCM refuses frames of odd length.
CODECS: dict[str, Codec] = {
    RLELossless: Codec(_by_pydicom(RLELossless, "pylibjpeg"), range(1, 17), (8, 16), (8,)),
    JPEGLosslessSV1: Codec(_by_gdcm, range(2, 17), (8, 16), (8, 16), takes_odd_lengths=False),
    JPEGLSLossless: Codec(_by_pydicom(JPEGLSLossless, "pyjpegls"), range(2, 17), (8, 16), (8,)),
    JPEG2000Lossless: Codec(
        _by_pydicom(JPEG2000Lossless, "pylibjpeg"), range(2, 25), (8, 16, 32), (8, 16, 32), 32
    ),
}
