"""What a part of a Store request is, by its headers. Source: PS3.18 8.6.1.2, 8.7.3, 10.5.1.4."""

from dataclasses import dataclass
from enum import Enum, auto

from dicomweb.media_types import MediaType, parse_media_type
from dicomweb.multipart import Part
from dicomweb.negotiation import DICOM_FILE, DICOM_JSON, DICOM_XML

OCTET_STREAM = MediaType("application/octet-stream")

_IDENTITY_ENCODINGS = ("binary", "8bit", "7bit")


class PartKind(Enum):
    """How a part is stored."""

    FILE = auto()
    JSON = auto()
    XML = auto()
    BULK_DATA = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class PartRole:
    """What a part is; `location` names bulk data."""

    kind: PartKind
    media_type: MediaType = OCTET_STREAM
    location: str = ""


_DICOM_KINDS = {
    DICOM_FILE.content_type: PartKind.FILE,
    DICOM_JSON.content_type: PartKind.JSON,
    DICOM_XML.content_type: PartKind.XML,
}
# Without a location these can only be metadata, or a file that the client knows no type of, as
# curl does; with one they may be a document to keep.
_PLAIN_KINDS = {
    OCTET_STREAM.name: PartKind.FILE,
    "application/json": PartKind.JSON,
    "application/xml": PartKind.XML,
    "text/xml": PartKind.XML,
}
STORED_TYPES = frozenset(_DICOM_KINDS)


def role_of(part: Part, *, default_type: str) -> PartRole:
    """Tell what a part is. One without a type is taken at the word of the request's own type."""
    encoding = part.headers.get("content-transfer-encoding", "binary").lower()
    if encoding not in _IDENTITY_ENCODINGS:
        return PartRole(PartKind.UNKNOWN)
    location = part.headers.get("content-location", "").strip()
    default = OCTET_STREAM.name if location else default_type
    media_type = parse_media_type(part.headers.get("content-type") or default)
    if media_type is None:
        return PartRole(PartKind.UNKNOWN)
    kind = _DICOM_KINDS.get(media_type.name)
    if kind is None and location:
        return PartRole(PartKind.BULK_DATA, media_type, location)
    kind = kind or _PLAIN_KINDS.get(media_type.name, PartKind.UNKNOWN)
    return PartRole(kind, media_type)
