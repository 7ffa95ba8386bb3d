"""Reads an object's header: what is indexed, and its DICOM JSON, ready to be stored and streamed.

This runs for every instance that arrives. The whole object is checked for completeness too, by
lengths alone; pixels are never read.
Source: PS3.5 7, PS3.18 Annex F.
"""

from dataclasses import dataclass

from ingestion.dicom.attributes import IndexedAttributes, indexed_attributes
from ingestion.dicom.inflating import DataSetReader, InflatingReader
from ingestion.dicom.recollection import Recollection
from ingestion.dicom.scanning import DataSetScanner, HeaderLimits
from ingestion.dicom.transfer_syntaxes import transfer_syntax

__all__ = ["DataSetReader", "Header", "HeaderLimits", "read_header"]

_DEFAULT_LIMITS = HeaderLimits()


@dataclass(frozen=True, slots=True)
class Header:
    """What is kept of a data set besides its bytes.

    `document` is DICOM JSON in UTF-8 without bulk data, whose URIs are `bulkdata/<tag path>`.
    `pixel_data_offset` is where the Pixel Data element begins in the (inflated) data set.
    """

    attributes: IndexedAttributes
    document: bytes
    pixel_data_offset: int | None


def read_header(
    reader: DataSetReader,
    transfer_syntax_uid: str,
    limits: HeaderLimits = _DEFAULT_LIMITS,
    *,
    recollection: Recollection | None = None,
) -> Header:
    """Return the header of a complete data set; whoever reads many lends a `recollection`.

    Raises TruncatedDataSet, MalformedDataSet, ObjectTooComplex, MissingIdentifier or
    InvalidIdentifier, and nothing else, however broken the bytes are.
    """
    syntax = transfer_syntax(transfer_syntax_uid)
    if syntax.is_deflated:
        reader = InflatingReader(reader, limits.inflated_bytes_max)
    scanner = DataSetScanner(reader, limits, recollection)
    data_set = scanner.scan(
        is_explicit=syntax.is_explicit, is_little_endian=syntax.is_little_endian
    )
    return Header(
        attributes=indexed_attributes(
            data_set.values,
            data_set.encodings,
            is_little_endian=syntax.is_little_endian,
            requests=[(item.values, item.encodings) for item in data_set.requests],
        ),
        document=data_set.json().encode("utf-8", "replace"),
        pixel_data_offset=scanner.pixel_data_offset,
    )
