"""Finds the values that a data set's JSON only names, by the tag paths of their URIs.

The same reader that wrote the URIs finds them again, so that every one of them leads somewhere.
Source: PS3.18 F.2.6.
"""

from collections.abc import Mapping

from ingestion.dicom.data_set import BulkDataLocation
from ingestion.dicom.inflating import DataSetReader
from ingestion.dicom.scanning import DataSetScanner, HeaderLimits
from ingestion.dicom.transfer_syntaxes import transfer_syntax


def bulk_data_locations(
    reader: DataSetReader, transfer_syntax_uid: str, limits: HeaderLimits
) -> Mapping[str, BulkDataLocation]:
    """All bulk data of an (inflated) data set, in its order, by paths like `00880200/0/7FE00010`.

    Raises TruncatedDataSet, MalformedDataSet, ObjectTooComplex.
    """
    syntax = transfer_syntax(transfer_syntax_uid)
    scanner = DataSetScanner(reader, limits)
    scanner.scan(is_explicit=syntax.is_explicit, is_little_endian=syntax.is_little_endian)
    return scanner.bulk_data
