"""Decodes one frame of Pixel Data into an array, whatever its transfer syntax.

Nothing is handed to a codec that declares another size than its data set does, and all that codecs
do to us becomes one error. Source: PS3.5 8 (encoding of pixel data); PS3.3 C.7.6.3.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

from numpy.typing import NDArray
from pydicom.uid import (
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
)

from ingestion.dicom.pixels.code_streams import CodeStream, read_code_stream
from ingestion.dicom.pixels.codec_process import run_codec_apart
from ingestion.dicom.pixels.codecs import NOT_TRUSTED, CodecCall, run_codec
from ingestion.dicom.pixels.image_pixel import ImagePixel, image_pixel
from ingestion.dicom.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN, transfer_syntax
from ingestion.errors import UnreadablePixelData

__all__ = ["Decoded", "ImagePixel", "decode_frame", "image_pixel"]

FRAME_BYTES_MAX = 1 << 29

_ENCAPSULATED_UNCOMPRESSED = "1.2.840.10008.1.2.1.98"
_CODE_STREAMS = frozenset(
    (*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes, *JPEG2000TransferSyntaxes)
)


@dataclass(frozen=True, slots=True)
class Decoded:
    """One frame: `(rows, columns)` or `(rows, columns, samples)`, of the dtype that its bits need.

    `photometric_interpretation` is that of `pixels`: RGB where the codec made it so.
    """

    pixels: NDArray[Any]
    photometric_interpretation: str


def require_readable(size_bytes: int) -> None:
    """Raise `UnreadablePixelData` for an encoded frame that is larger than any may be decoded."""
    if size_bytes > FRAME_BYTES_MAX:
        raise UnreadablePixelData(f"an encoded frame has more than {FRAME_BYTES_MAX} bytes")


def decode_frame(
    frame: bytes,
    image: ImagePixel,
    *,
    transfer_syntax_uid: str,
    bytes_max: int = FRAME_BYTES_MAX,
) -> Decoded:
    """The pixels of one frame: native bytes from a byte boundary, or one frame's code stream.

    Unused bits are cleared (PS3.5 8.1.1), signs are extended, planes become samples of pixels,
    YBR_FULL_422 gets its chrominance for each pixel. Raises `UnreadablePixelData` when there is no
    decoder, when the frame is larger than `bytes_max` once decoded, or when it is not what the data
    set says; `Unavailable` when the codecs are busy with others for too long; and nothing else.
    """
    if image.decoded_bytes > bytes_max:
        raise UnreadablePixelData(f"a decoded frame would have more than {bytes_max} bytes")
    call = _codec_call(frame, image, transfer_syntax_uid)
    run = run_codec_apart if call.plugin in NOT_TRUSTED else run_codec
    pixels, photometric_interpretation = run(frame, call)
    if transfer_syntax_uid in JPEGTransferSyntaxes:
        pixels = _as_stored(pixels, image)
    return Decoded(pixels, photometric_interpretation)


def _codec_call(frame: bytes, image: ImagePixel, transfer_syntax_uid: str) -> CodecCall:
    """Which codec reads the frame, and what it is told."""
    options: dict[str, Any] = asdict(image) | {"number_of_frames": 1}
    if transfer_syntax_uid == _ENCAPSULATED_UNCOMPRESSED:
        transfer_syntax_uid = EXPLICIT_VR_LITTLE_ENDIAN
    elif transfer_syntax_uid in _CODE_STREAMS:
        stream = _checked(read_code_stream(frame), image)
        if transfer_syntax_uid in JPEGTransferSyntaxes:
            options |= _bits_of_stream(stream, image)
        if transfer_syntax_uid == JPEGExtended12Bit:
            # pydicom keeps 12 bits from GDCM, which reads them as DCMTK does when it is told of
            # JPEG Lossless: it goes by the stream.
            is_byte = stream.precision <= 8
            transfer_syntax_uid = JPEGBaseline8Bit if is_byte else JPEGLossless
        options["photometric_interpretation"] = _photometric(
            stream, image, is_by_pillow=transfer_syntax_uid == JPEGBaseline8Bit
        )
    is_encapsulated = transfer_syntax(transfer_syntax_uid).is_encapsulated
    if not is_encapsulated and len(frame) < math.ceil(image.frame_bits / 8):
        raise UnreadablePixelData("the frame has fewer bytes than its pixels need")
    return CodecCall(transfer_syntax_uid, options)


def _bits_of_stream(stream: CodeStream, image: ImagePixel) -> dict[str, int]:
    """The bits that a JPEG stream has itself: told of others, GDCM ends the whole process."""
    bits = 8 if stream.precision <= 8 else 16
    if bits > image.bits_allocated:
        raise UnreadablePixelData("the frame has more bits than the data set says")
    return {"bits_allocated": bits, "bits_stored": bits}


def _as_stored(pixels: NDArray[Any], image: ImagePixel) -> NDArray[Any]:
    """Pixels in a container of Bits Allocated, signs extended, unused bits cleared."""
    kind = "ui"[image.pixel_representation]
    unused_bits = image.bits_allocated - image.bits_stored
    widened = pixels.astype(f"{kind}{image.bits_allocated // 8}", copy=False)
    return (widened << unused_bits) >> unused_bits if unused_bits else widened


def _checked(stream: CodeStream | None, image: ImagePixel) -> CodeStream:
    """The code stream, when it is as large as its data set says, no larger."""
    if stream is None:
        raise UnreadablePixelData("the frame is no JPEG, JPEG-LS or JPEG 2000 code stream")
    found = (stream.rows, stream.columns, stream.samples_per_pixel)
    if found != (image.rows, image.columns, image.samples_per_pixel):
        raise UnreadablePixelData("the frame has other dimensions than the data set says")
    return stream


def _photometric(stream: CodeStream, image: ImagePixel, *, is_by_pillow: bool) -> str:
    """The colours as the codec gives them.

    What a JPEG stream says of its own is true more often than what its data set says. Pillow makes
    RGB of a stream with Adobe's marker.
    """
    said = image.photometric_interpretation
    if stream.is_ybr is None:
        return said
    if not stream.is_ybr or (stream.is_adobe and is_by_pillow):
        return "RGB"
    return said if said.startswith("YBR") else "YBR_FULL"
