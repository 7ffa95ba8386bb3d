"""Knows, for each media type of Pixel Data, the transfer syntaxes it can be, and who reads it.

Source: PS3.18 8.7.3.3 (media types of bulk data), 10.5.2 (media types to transfer syntaxes).
"""

from collections.abc import Callable
from dataclasses import dataclass

from ingestion.dicom.inflating import DataSetReader
from ingestion.dicom.pixels.image_description import ImageDescription
from ingestion.dicom.pixels.jpeg_2000_images import describe_jpeg_2000
from ingestion.dicom.pixels.jpeg_images import describe_jpeg
from ingestion.dicom.pixels.videos import describe_mpeg_2, describe_mpeg_4
from ingestion.dicom.transfer_syntaxes import KNOWN_TRANSFER_SYNTAXES
from ingestion.errors import UnsupportedTransferSyntax

OCTET_STREAM = "application/octet-stream"

Describe = Callable[[DataSetReader], ImageDescription]


@dataclass(frozen=True, slots=True)
class CompressedMediaType:
    """The first syntax is meant where nothing says another. `describe` is None if none can tell."""

    transfer_syntaxes: tuple[str, ...]
    describe: Describe | None = None
    is_video: bool = False
    has_codestream: bool = False


def compressed_media_type(name: str, *, transfer_syntax_uid: str) -> CompressedMediaType | None:
    """Return what is known of a media type of Pixel Data; None for uncompressed pixels.

    `transfer_syntax_uid` is the parameter of the media type, '' or '*' when it does not say.
    Raises UnsupportedTransferSyntax for a type that is not for pixels, or not of that syntax.
    """
    is_named = transfer_syntax_uid not in ("", "*")
    if name == OCTET_STREAM:
        if not is_named:
            return None
        syntax = KNOWN_TRANSFER_SYNTAXES.get(transfer_syntax_uid)
        if syntax is None:
            raise UnsupportedTransferSyntax("the transfer syntax of a part is not known")
        return CompressedMediaType((transfer_syntax_uid,)) if syntax.is_encapsulated else None
    known = _COMPRESSED.get(name)
    if known is None:
        raise UnsupportedTransferSyntax(f"Pixel Data of type {name} cannot be stored")
    if is_named and transfer_syntax_uid not in known.transfer_syntaxes:
        raise UnsupportedTransferSyntax(f"{name} is not of the transfer syntax that its part names")
    return known


def _syntaxes(*numbers: str) -> tuple[str, ...]:
    return tuple(f"1.2.840.10008.1.2.{number}" for number in numbers)


# Within a family the content decides: senders seldom tell image/jp2 from image/jphc.
_JPEG = CompressedMediaType(
    _syntaxes("4.50", "4.51", "4.53", "4.55", "4.57", "4.70", "4.80", "4.81"), describe_jpeg
)
_JPEG_2000 = CompressedMediaType(
    _syntaxes("4.90", "4.91", "4.92", "4.93", "4.201", "4.202", "4.203"),
    describe_jpeg_2000,
    has_codestream=True,
)
_RLE = CompressedMediaType(_syntaxes("5"))
_JPEG_XL = CompressedMediaType(_syntaxes("4.110", "4.111", "4.112"))
_MPEG_2 = CompressedMediaType(
    _syntaxes("4.100", "4.100.1", "4.101", "4.101.1"), describe_mpeg_2, is_video=True
)
_MPEG_4 = CompressedMediaType(
    _syntaxes(
        *("4.102", "4.102.1", "4.103", "4.103.1", "4.104", "4.104.1"),
        *("4.105", "4.105.1", "4.106", "4.106.1", "4.107", "4.108"),
    ),
    describe_mpeg_4,
    is_video=True,
)

# PS3.18 Table 8.7.3-4 and -5; the names with x- are those of earlier editions.
_COMPRESSED = {
    "image/jpeg": _JPEG,
    "image/jls": _JPEG,
    "image/x-jls": _JPEG,
    "image/jp2": _JPEG_2000,
    "image/j2c": _JPEG_2000,
    "image/jpx": _JPEG_2000,
    "image/jph": _JPEG_2000,
    "image/jphc": _JPEG_2000,
    "image/dicom-rle": _RLE,
    "image/x-dicom-rle": _RLE,
    "image/jxl": _JPEG_XL,
    "video/mpeg": _MPEG_2,
    "video/mpeg2": _MPEG_2,
    "video/mp4": _MPEG_4,
}
