"""What is kept of a data set beside its bytes, read in bounded memory however many arrive.

A header takes many times its size in memory while it is read. Nearly all are small and read at
once; whoever meets a large one begins again when its turn comes.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import zstandard
from django.conf import settings

from ingestion.dicom.attributes import IndexedAttributes
from ingestion.dicom.header import DataSetReader, HeaderLimits, read_header
from ingestion.dicom.recollection import Recollection
from ingestion.errors import ObjectTooComplex

SMALL_HEADER_BYTES = 1 << 20
SMALL_HEADER_ELEMENTS = 20_000
LARGE_HEADERS_AT_ONCE = 2

_Result = TypeVar("_Result")


class _Own(threading.local):
    """What threads must not share."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=1)
        self.recollection = Recollection()


_own = _Own()
_large_headers = threading.BoundedSemaphore(LARGE_HEADERS_AT_ONCE)


@dataclass(frozen=True, slots=True)
class Description:
    """The indexed attributes of a data set and its zstd-compressed DICOM JSON, without bulk data.

    `pixel_data_offset` is where the Pixel Data element begins in the (inflated) data set.
    """

    attributes: IndexedAttributes
    document: bytes
    pixel_data_offset: int | None


def describe_data_set(reader: DataSetReader, transfer_syntax_uid: str) -> Description:
    """Read a complete data set's header; waits while others of this process read large ones.

    Raises `InvalidInstance` and its kinds, `ObjectTooComplex`.
    """
    return within_limits(lambda limits: _describe(reader, transfer_syntax_uid, limits))


def within_limits(read: Callable[[HeaderLimits], _Result]) -> _Result:
    """What `read` makes of a header; waits while others of this process read large ones.

    It is called again when the header is not small. Raises what it raises.
    """
    limits = _limits()
    try:
        return read(_small(limits))
    except ObjectTooComplex:
        with _large_headers:
            return read(limits)


def _describe(reader: DataSetReader, transfer_syntax_uid: str, limits: HeaderLimits) -> Description:
    header = read_header(reader, transfer_syntax_uid, limits, recollection=_own.recollection)
    document = bytes(_own.compressor.compress(header.document))
    return Description(header.attributes, document, header.pixel_data_offset)


def _limits() -> HeaderLimits:
    limits = settings.LIMITS
    return HeaderLimits(
        header_bytes_max=limits.header_bytes_max,
        depth_max=limits.sequence_depth_max,
        elements_max=limits.header_elements_max,
        inflated_bytes_max=limits.inflated_bytes_max,
    )


def _small(limits: HeaderLimits) -> HeaderLimits:
    return replace(
        limits,
        header_bytes_max=min(limits.header_bytes_max, SMALL_HEADER_BYTES),
        elements_max=min(limits.elements_max, SMALL_HEADER_ELEMENTS),
    )
