"""A DataSetReader over bytes, and the DICOM files that pydicom carries."""

import json
from pathlib import Path
from typing import Any

import pydicom

from ingestion.dicom.inflating import InflatingReader
from ingestion.dicom.part10 import read_file_meta
from ingestion.dicom.scanning import DataSetScanner, HeaderLimits
from ingestion.dicom.transfer_syntaxes import transfer_syntax

_DATA = Path(pydicom.__file__).parent / "data"
FILES = sorted(
    path
    for folder in ("test_files", "charset_files")
    for path in (_DATA / folder).rglob("*")
    if path.is_file() and path.suffix in {".dcm", ""} and not path.name.startswith("README")
)


class BytesReader:
    """Reads from bytes and counts what it gave."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.size_bytes = len(content)
        self.given_bytes = 0

    def read_at(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset`; fewer only at the end."""
        piece = self.content[offset : offset + length]
        self.given_bytes += len(piece)
        return piece


def split(content: bytes) -> tuple[BytesReader, str]:
    """Return the data set of a DICOM file and its transfer syntax."""
    meta = read_file_meta(content)
    assert meta is not None
    return BytesReader(content[meta.data_set_offset :]), meta.transfer_syntax_uid


def scanned_json(
    content: bytes, transfer_syntax_uid: str, limits: HeaderLimits | None = None
) -> dict[str, Any]:
    """Return the JSON of a bare data set, whether it has identifiers or not."""
    limits = limits or HeaderLimits()
    syntax = transfer_syntax(transfer_syntax_uid)
    reader = BytesReader(content)
    scanner = DataSetScanner(
        InflatingReader(reader, limits.inflated_bytes_max) if syntax.is_deflated else reader, limits
    )
    data_set = scanner.scan(
        is_explicit=syntax.is_explicit, is_little_endian=syntax.is_little_endian
    )
    document: dict[str, Any] = json.loads(data_set.json(), parse_constant=_refuse_constant)
    return document


def _refuse_constant(name: str) -> None:
    raise AssertionError(f"JSON has no {name}")
