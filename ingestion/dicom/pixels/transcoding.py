"""Makes of a frame the same pixels in another transfer syntax, and knows what can be made of what.

Always without loss: values of pixels are what they were. What was lossy stays as lossy as it was.
Source: PS3.5 10 and Annex A (transfer syntaxes), 8.2 (encapsulation); PS3.3 C.7.6.3.1.2 (colours).
"""

from collections.abc import Collection

from ingestion.dicom.elements import PIXEL_DATA_TAGS
from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.pixels.decoding import Decoded, ImagePixel, decode_frame, image_pixel
from ingestion.dicom.pixels.frame_encoding import (
    CODECS,
    can_encode,
    encode_frame,
    native_bytes,
    require_only_pixels,
)
from ingestion.dicom.transfer_syntaxes import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    transfer_syntax,
)
from ingestion.errors import UnreadablePixelData

NATIVE = (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
)

# What can be made.
TARGETS: tuple[str, ...] = (*NATIVE, *CODECS)

# What can be read, besides native pixels (PS3.5 A.4).
_DECODABLE = frozenset(
    (
        "1.2.840.10008.1.2.1.98",
        "1.2.840.10008.1.2.4.50",
        "1.2.840.10008.1.2.4.51",
        "1.2.840.10008.1.2.4.57",
        "1.2.840.10008.1.2.4.70",
        "1.2.840.10008.1.2.4.80",
        "1.2.840.10008.1.2.4.81",
        "1.2.840.10008.1.2.4.90",
        "1.2.840.10008.1.2.4.91",
        "1.2.840.10008.1.2.4.201",
        "1.2.840.10008.1.2.4.202",
        "1.2.840.10008.1.2.4.203",
        "1.2.840.10008.1.2.5",
    )
)

# Of these, the ones whose pixels are all there. Others must not be decoded unasked.
_LOSSLESS = _DECODABLE - {
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.4.203",
}

# Instead of a UID: any transfer syntax; none was named (PS3.18 8.7.3.5.2, 8.7.3.4).
ANY_SYNTAX = "*"
DEFAULT_SYNTAX = ""

# Colours of the stored pixels, once they are decoded.
_DECODED_PHOTOMETRICS = {"YBR_RCT": "RGB", "YBR_ICT": "RGB", "YBR_FULL_422": "YBR_FULL"}

_PIXEL_DATA_NAMES = tuple(f"{tag:08X}" for tag in PIXEL_DATA_TAGS)


def goes_as_stored(stored_uid: str, accepted: Collection[str]) -> bool:
    """Whether an instance is sent untouched to who accepts these: UIDs, any, or the default.

    The default is Explicit VR Little Endian, but for what has only lossy pixels (PS3.18 8.7.3.4).
    Big endian, which web services never had, goes only to who names it.
    """
    if stored_uid in accepted:
        return True
    if ANY_SYNTAX in accepted and stored_uid != EXPLICIT_VR_BIG_ENDIAN:
        return True
    has_default = stored_uid in NATIVE or stored_uid in _LOSSLESS
    is_default = not has_default or stored_uid == EXPLICIT_VR_LITTLE_ENDIAN
    return DEFAULT_SYNTAX in accepted and is_default


def can_transcode(from_uid: str, to_uid: str) -> bool:
    """Whether there are codecs for both; a certain image may still be beyond them."""
    if from_uid == to_uid:
        return True
    is_readable = not transfer_syntax(from_uid).is_encapsulated or from_uid in _DECODABLE
    return is_readable and to_uid in TARGETS


def can_transcode_instance(data_set: JsonDataSet, from_uid: str, to_uid: str) -> bool:
    """Whether, by its header, an instance can be made in another transfer syntax."""
    if from_uid == to_uid or not can_transcode(from_uid, to_uid):
        return from_uid == to_uid
    has_pixels = any(name in data_set for name in _PIXEL_DATA_NAMES)
    if to_uid in NATIVE and not (has_pixels and transfer_syntax(from_uid).is_encapsulated):
        return True
    try:
        image = image_pixel(data_set)
    except UnreadablePixelData:
        return False
    if to_uid in NATIVE:
        return image.bits_allocated >= 8
    return can_encode(image, _decoded_photometric(image), to_uid)


def transcode_frame(frame: bytes, *, image: ImagePixel, from_uid: str, to_uid: str) -> bytes:
    """One frame in another transfer syntax; native frames are little endian, colour by pixel.

    `frame` is little endian too, when it is native. Raises `UnreadablePixelData`.
    """
    return encode(decode(frame, image, from_uid), image, to_uid)


def decode(frame: bytes, image: ImagePixel, from_uid: str) -> Decoded:
    """The pixels of a frame, their colours named as what they now are."""
    is_native = not transfer_syntax(from_uid).is_encapsulated
    decoded = decode_frame(
        frame,
        image,
        transfer_syntax_uid=EXPLICIT_VR_LITTLE_ENDIAN if is_native else from_uid,
    )
    if is_native:
        require_only_pixels(frame, decoded, image)
    photometric = decoded.photometric_interpretation
    return Decoded(decoded.pixels, _DECODED_PHOTOMETRICS.get(photometric, photometric))


def _decoded_photometric(image: ImagePixel) -> str:
    photometric = image.photometric_interpretation
    return _DECODED_PHOTOMETRICS.get(photometric, photometric)


def encode(decoded: Decoded, image: ImagePixel, to_uid: str) -> bytes:
    """A frame of what was decoded. Raises `UnreadablePixelData`."""
    if to_uid in CODECS:
        return encode_frame(decoded, image, to_uid)
    if image.bits_allocated < 8:
        raise UnreadablePixelData("frames of single bits are not packed again")
    return native_bytes(decoded, image)
