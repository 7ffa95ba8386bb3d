"""Makes the DICOMDIR of a set of files of one patient's study, from their headers alone.

Source: PS3.10 8.5 and 8.6 (File IDs, DICOMDIR), PS3.3 Annex F (Basic Directory IOD).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pydicom.datadict import dictionary_VR

from ingestion.dicom.data_set_encoding import encode_data_set
from ingestion.dicom.directory_records import (
    PATIENT,
    PRIVATE,
    SERIES,
    STUDY,
    RecordType,
    record_type,
)
from ingestion.dicom.json_encoding import element_header
from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.part10 import encode_file_meta
from ingestion.dicom.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from ingestion.errors import MalformedDataSet, ObjectTooComplex

MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"
FILES_OF_A_FOLDER_MAX = 1_000_000  # two letters and six digits name each one

_SOP_CLASS, _SOP_INSTANCE, _SERIES_INSTANCE = "00080016", "00080018", "0020000E"
_IN_USE = b"\xff\xff"
_ITEM = struct.Struct("<HHI")


@dataclass(slots=True)
class _Record:
    """A directory record: `content` is what follows its type."""

    type: RecordType
    content: bytes
    lower: "list[_Record]" = field(default_factory=list)

    @property
    def size_bytes(self) -> int:
        return _ITEM.size + len(self.encoded(0, 0))

    def encoded(self, next_offset: int, lower_offset: int) -> bytes:
        """The record without its item header (F.3.2.2)."""
        return (
            _element(0x1400, "UL", struct.pack("<I", next_offset))
            + _element(0x1410, "US", _IN_USE)
            + _element(0x1420, "UL", struct.pack("<I", lower_offset))
            + _element(0x1430, "CS", _padded(self.type.name, b" "))
            + self.content
        )


class DicomDir:
    """Gathers the files of one study, in any order."""

    def __init__(self) -> None:
        """It is empty."""
        self._patient: _Record | None = None
        self._series: dict[str, _Record] = {}
        self._numbers: dict[str, int] = {}

    def add(self, header: JsonDataSet, transfer_syntax_uid: str) -> tuple[str, ...]:
        """The File ID under which to keep the file with this header (PS3.10 8.2).

        Raises `ObjectTooComplex` for more files than a folder may have.
        """
        if self._patient is None:
            study = _Record(STUDY, _keys(header, STUDY))
            self._patient = _Record(PATIENT, _keys(header, PATIENT), [study])
        series_uid = _text(header, _SERIES_INSTANCE)
        if series_uid not in self._series:
            self._series[series_uid] = _Record(SERIES, _keys(header, SERIES))
            self._patient.lower[0].lower.append(self._series[series_uid])
            self._numbers[series_uid] = len(self._numbers)
        series, kind = self._series[series_uid], record_type(_text(header, _SOP_CLASS))
        if max(len(series.lower), len(self._series)) >= FILES_OF_A_FOLDER_MAX:
            raise ObjectTooComplex(f"a folder may have {FILES_OF_A_FOLDER_MAX} files")
        file_id = (
            f"{PATIENT.prefix}000000",
            f"{STUDY.prefix}000000",
            f"{SERIES.prefix}{self._numbers[series_uid]:06}",
            f"{kind.prefix}{len(series.lower):06}",
        )
        reference = _reference(header, kind, file_id, transfer_syntax_uid=transfer_syntax_uid)
        series.lower.append(_Record(kind, reference + _keys(header, kind)))
        return file_id

    def encode(self, sop_instance_uid: str) -> bytes:
        """The DICOMDIR file of all that was added."""
        meta = encode_file_meta(
            sop_class_uid=MEDIA_STORAGE_DIRECTORY,
            sop_instance_uid=sop_instance_uid,
            transfer_syntax_uid=EXPLICIT_VR_LITTLE_ENDIAN,
        )
        roots = [self._patient] if self._patient else []
        first = len(meta) + len(_root(0, 0))
        records = b"".join(_encoded_records(roots, first))
        return meta + _root(first if roots else 0, len(records)) + records


def _encoded_records(siblings: list[_Record], offset: int) -> Iterator[bytes]:
    """Each record and all below it, from `offset` in the file on."""
    for number, record in enumerate(siblings, start=1):
        lower_offset = offset + record.size_bytes
        lower = b"".join(_encoded_records(record.lower, lower_offset))
        next_offset = lower_offset + len(lower)
        is_last = number == len(siblings)
        content = record.encoded(0 if is_last else next_offset, lower_offset if record.lower else 0)
        yield _ITEM.pack(0xFFFE, 0xE000, len(content)) + content + lower
        offset = next_offset


def _root(first_offset: int, records_bytes: int) -> bytes:
    """What comes before the records; the only patient is the first and the last (F.3.2.2)."""
    offset = struct.pack("<I", first_offset)
    return (
        _element(0x1130, "CS", b"")
        + _element(0x1200, "UL", offset)
        + _element(0x1202, "UL", offset)
        + _element(0x1212, "US", b"\0\0")
        + element_header(0x00041220, "SQ", records_bytes)
    )


def _reference(
    header: JsonDataSet, kind: RecordType, file_id: tuple[str, ...], *, transfer_syntax_uid: str
) -> bytes:
    """Which file the record is of."""
    sop_class_uid = _text(header, _SOP_CLASS)
    private = _element(0x1432, "UI", _padded(sop_class_uid, b"\0")) if kind is PRIVATE else b""
    return (
        private
        + _element(0x1500, "CS", _padded("\\".join(file_id), b" "))
        + _element(0x1510, "UI", _padded(sop_class_uid, b"\0"))
        + _element(0x1511, "UI", _padded(_text(header, _SOP_INSTANCE), b"\0"))
        + _element(0x1512, "UI", _padded(transfer_syntax_uid, b"\0"))
    )


def _keys(header: JsonDataSet, kind: RecordType) -> bytes:
    """The keys of a record. What the object lacks is empty, what it has wrong is left out."""
    keys = {name: header[name] for name in kind.keys if name in header}
    for name in kind.keys:
        vr = dictionary_VR(int(name, 16))
        if name not in keys and vr != "SQ":
            keys[name] = {"vr": vr}
    try:
        pieces = encode_data_set(keys)
    except MalformedDataSet:
        pieces = encode_data_set({name: keys[name] for name in keys if _is_right(name, keys[name])})
    return b"".join(piece for piece in pieces if isinstance(piece, bytes))


def _is_right(name: str, attribute: dict[str, Any]) -> bool:
    try:
        encode_data_set({name: attribute})
    except MalformedDataSet:
        return False
    return True


def _element(number: int, vr: str, value: bytes) -> bytes:
    return element_header(0x00040000 | number, vr, len(value)) + value


def _padded(text: str, padding: bytes) -> bytes:
    value = text.encode("ascii", "replace")
    return value + padding * (len(value) % 2)


def _text(header: JsonDataSet, name: str) -> str:
    values = header.get(name, {}).get("Value") or [""]
    return str(values[0])
