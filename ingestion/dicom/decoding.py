"""Decodes one frame of Pixel Data into an array, whatever its transfer syntax.

The codecs are pydicom's plugins (GDCM, OpenJPEG, CharLS, Pillow, RLE). Nothing is handed to them
that declares another size than its data set does, and all that they raise becomes one error.
Source: PS3.3 C.7.6.3 (Image Pixel Module), PS3.5 8 (encoding of pixel data).
"""

import math
import struct
from dataclasses import asdict, dataclass
from typing import Any

from numpy.typing import NDArray
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    UID,
    JPEG2000TransferSyntaxes,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
)

from ingestion.dicom.code_streams import read_code_stream
from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN, transfer_syntax
from ingestion.errors import UnreadablePixelData

FRAME_BYTES_MAX = 1 << 29
FRAMES_MAX = 2**31 - 1

# pydicom keeps 12 bit samples of JPEG Extended from GDCM, which reads them as DCMTK does when it
# is told of JPEG Lossless: it goes by the stream.
_READ_AS: dict[str, str] = {
    "1.2.840.10008.1.2.1.98": EXPLICIT_VR_LITTLE_ENDIAN,
    JPEGExtended12Bit: JPEGLossless,
}
_CODE_STREAMS = frozenset(
    (*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes, *JPEG2000TransferSyntaxes)
)
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

# What pydicom, NumPy and the plugins raise of frames that are not what they should be.
_DECODER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)


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


@dataclass(frozen=True, slots=True)
class Decoded:
    """One frame: `(rows, columns)` or `(rows, columns, samples)`, of the dtype that its bits need.

    `photometric_interpretation` is that of `pixels`: RGB where the codec made it so.
    """

    pixels: NDArray[Any]
    photometric_interpretation: str


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


def decode_frame(
    frame: bytes,
    image: ImagePixel,
    *,
    transfer_syntax_uid: str,
    bytes_max: int = FRAME_BYTES_MAX,
) -> Decoded:
    """The pixels of one frame: native bytes from a byte boundary, or one frame's code stream.

    Unused bits are cleared (PS3.5 8.1.1), signs are extended, planes become samples of pixels,
    YBR_FULL_422 gets its chrominance for each pixel. Raises `UnreadablePixelData`, and nothing
    else, when there is no decoder, when the frame is larger than `bytes_max` once decoded, or
    when it is not what the data set says.
    """
    if image.decoded_bytes > bytes_max:
        raise UnreadablePixelData(f"a decoded frame would have more than {bytes_max} bytes")
    options = asdict(image) | {"number_of_frames": 1}
    if transfer_syntax_uid in _CODE_STREAMS:
        options["photometric_interpretation"] = _checked_photometric(frame, image)
    if transfer_syntax_uid in JPEGTransferSyntaxes:
        options |= _bits_of_stream(frame, image)
    read_as = _READ_AS.get(transfer_syntax_uid, transfer_syntax_uid)
    is_encapsulated = transfer_syntax(read_as).is_encapsulated
    if not is_encapsulated and len(frame) < math.ceil(image.frame_bits / 8):
        raise UnreadablePixelData("the frame has fewer bytes than its pixels need")
    source = encapsulate([frame], has_bot=False) if is_encapsulated else frame
    try:
        pixels, described = get_decoder(UID(read_as)).as_array(
            source,
            raw=True,
            validate=False,
            allow_excess_frames=False,  # type: ignore[arg-type]  # the annotation is of the dict
            **options,
        )
    except BaseException as error:
        if not _is_of_a_codec(error):
            raise
        raise UnreadablePixelData(
            f"the frame cannot be decoded from transfer syntax {transfer_syntax_uid}"
        ) from error
    if transfer_syntax_uid in JPEGTransferSyntaxes:
        pixels = _as_stored(pixels, image)
    return Decoded(pixels, str(described["photometric_interpretation"]))


def _is_of_a_codec(error: BaseException) -> bool:
    """Whether a codec raised it. A panic of the one in Rust is no `Exception`."""
    return isinstance(error, _DECODER_ERRORS) or type(error).__name__ == "PanicException"


def _bits_of_stream(frame: bytes, image: ImagePixel) -> dict[str, int]:
    """The bits that a JPEG stream has itself: told of others, GDCM ends the whole process."""
    stream = read_code_stream(frame)
    bits = 8 if stream is not None and stream.precision <= 8 else 16
    if bits > image.bits_allocated:
        raise UnreadablePixelData("the frame has more bits than the data set says")
    return {"bits_allocated": bits, "bits_stored": bits}


def _as_stored(pixels: NDArray[Any], image: ImagePixel) -> NDArray[Any]:
    """Pixels in a container of Bits Allocated, signs extended, unused bits cleared."""
    kind = "ui"[image.pixel_representation]
    unused_bits = image.bits_allocated - image.bits_stored
    widened = pixels.astype(f"{kind}{image.bits_allocated // 8}", copy=False)
    return (widened << unused_bits) >> unused_bits if unused_bits else widened


def _checked_photometric(frame: bytes, image: ImagePixel) -> str:
    """The colours of a code stream that is as large as its data set says, no larger.

    What a JPEG stream says of its own colours is true more often than what its data set says.
    """
    stream = read_code_stream(frame)
    if stream is None:
        raise UnreadablePixelData("the frame is no JPEG, JPEG-LS or JPEG 2000 code stream")
    found = (stream.rows, stream.columns, stream.samples_per_pixel)
    if found != (image.rows, image.columns, image.samples_per_pixel):
        raise UnreadablePixelData("the frame has other dimensions than the data set says")
    if stream.is_ybr is None or image.samples_per_pixel == 1:
        return image.photometric_interpretation
    if not stream.is_ybr:
        return "RGB"
    said = image.photometric_interpretation
    return said if said.startswith("YBR") else "YBR_FULL"


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
