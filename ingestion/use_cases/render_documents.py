"""Gives back documents and films that rest in instances in a form that browsers show.

They are streamed as they are; nothing is converted. Source: PS3.3 C.24.2 (Encapsulated Document),
PS3.5 8.2.5 to 8.2.8 (video); PS3.18 Table 8.7.4-1.
"""

from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from ingestion.dicom.rendering.header_values import number, text
from ingestion.errors import UnreadablePixelData
from ingestion.use_cases.read_data_set import header_of
from ingestion.use_cases.retrieve_bulk_data import bulk_data_of
from ingestion.use_cases.retrieve_frames import open_frames
from ingestion.use_cases.retrieve_instances import HeldInstance

PDF, XML, MP4, MPEG = "application/pdf", "text/xml", "video/mp4", "video/mpeg"

_DOCUMENT, _DOCUMENT_LENGTH, _MIME_TYPE = "00420011", "00420015", "00420012"
_SHOWN_DOCUMENTS = {PDF: PDF, XML: XML, "application/xml": XML}

_MPEG_2 = ("1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.101")
_MP4_BOX = b"ftyp"  # ISO/IEC 14496-12 4.3: what an MP4 file begins with, after a length


class _Read(Protocol):
    def __call__(self, offset: int, length: int) -> Iterator[bytes]: ...


@dataclass(frozen=True, slots=True)
class Stream:
    """Bytes of a known media type and size, to be read from any offset: `read(offset, length)`."""

    content_type: str
    size_bytes: int
    read: _Read


def encapsulated_document(instance: HeldInstance) -> Stream:
    """The document without its padding. Raises `UnreadablePixelData` if no browser shows it."""
    header = header_of(instance)
    content_type = _SHOWN_DOCUMENTS.get(text(header, _MIME_TYPE).lower())
    element = header.get(_DOCUMENT, {})
    if content_type is None or not element.keys() & {"InlineBinary", "BulkDataURI"}:
        raise UnreadablePixelData("the instance has no document that browsers show")
    read: _Read
    if "InlineBinary" in element:
        body = b64decode(element["InlineBinary"])
        size_bytes, read = len(body), partial(_slice, body)
    else:
        bulk_data = bulk_data_of(instance, _DOCUMENT)
        size_bytes, read = bulk_data.size_bytes, bulk_data.iterate
    told = number(header, _DOCUMENT_LENGTH)
    if told is not None and 0 < told <= size_bytes:
        size_bytes = int(told)
    return Stream(content_type, size_bytes, read)


def film(instance: HeldInstance) -> Stream:
    """The stream of a film; raises `UnreadablePixelData` when it is no file that plays by itself.

    H.264 and H.265 may rest in any container (PS3.5 8.2.6): only MP4 is given.
    """
    frames = open_frames(instance)
    size_bytes = frames.size(1)
    if instance.transfer_syntax_uid in _MPEG_2:
        return Stream(MPEG, size_bytes, partial(frames.iterate, 1))
    if _MP4_BOX not in b"".join(frames.iterate(1, 0, 12)):
        raise UnreadablePixelData("the film is not in an MP4 container")
    return Stream(MP4, size_bytes, partial(frames.iterate, 1))


def _slice(body: bytes, offset: int, length: int) -> Iterator[bytes]:
    yield body[offset : offset + length]
