"""Knows under which media type the frames of each transfer syntax travel.

Source: PS3.18 Table 8.7.3-4 (uncompressed) and 8.7.3-5 (compressed bulk data).
"""

OCTET_STREAM = "application/octet-stream"


def _syntaxes(*numbers: str) -> tuple[str, ...]:
    return tuple(f"1.2.840.10008.1.2.{number}" for number in numbers)


# The first one is the default of its media type.
_SYNTAXES = {
    "image/jpeg": _syntaxes("4.70", "4.50", "4.51", "4.57"),
    "image/dicom-rle": _syntaxes("5"),
    "image/jls": _syntaxes("4.80", "4.81"),
    "image/jp2": _syntaxes("4.90", "4.91"),
    "image/jpx": _syntaxes("4.92", "4.93"),
    "image/jphc": _syntaxes("4.201", "4.202", "4.203"),
    "image/jxl": _syntaxes("4.110", "4.111", "4.112"),
    "video/mpeg2": _syntaxes("4.101", "4.100", "4.100.1", "4.101.1"),
    "video/mp4": _syntaxes(
        *("4.102", "4.102.1", "4.103", "4.103.1", "4.104", "4.104.1", "4.105", "4.105.1"),
        *("4.106", "4.106.1", "4.107", "4.108"),
    ),
}

FRAME_MEDIA_TYPES = (OCTET_STREAM, *_SYNTAXES)

# Names of earlier editions and of clients in the field.
_ALSO_KNOWN_AS = {
    "image/x-dicom-rle": "image/dicom-rle",
    "image/x-jls": "image/jls",
    "image/j2c": "image/jp2",
    "image/jph": "image/jphc",
    "video/mpeg": "video/mpeg2",
}

_MEDIA_TYPES = {uid: name for name, syntaxes in _SYNTAXES.items() for uid in syntaxes}


def media_type_of(transfer_syntax_uid: str) -> str:
    """Return the media type of a frame in this syntax: octets, unless a type is made for it."""
    return _MEDIA_TYPES.get(transfer_syntax_uid, OCTET_STREAM)


def transfer_syntaxes_of(media_type: str) -> tuple[str, ...]:
    """Return the syntaxes of a media type, its default first; () for octets and unknown types."""
    return _SYNTAXES.get(_ALSO_KNOWN_AS.get(media_type, media_type), ())
