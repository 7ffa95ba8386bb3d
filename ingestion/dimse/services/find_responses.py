"""Encodes the matches of a C-FIND as identifiers, from column values straight to bytes.

Source: PS3.4 C.4.1.1.3.2 (response identifier), PS3.5 7.1.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Any

from ingestion.dicom.json_model import JsonDataSet, element, person_name
from ingestion.dicom.transfer_syntaxes import TransferSyntax, transfer_syntax
from ingestion.dimse.protocol.identifiers import element_header, encode_identifier
from ingestion.use_cases.find_entities import FoundEntity
from ingestion.use_cases.find_query import FindQuery
from ingestion.use_cases.find_returned import FoundColumn

QUERY_RETRIEVE_LEVEL = 0x00080052
RETRIEVE_AE_TITLE = 0x00080054
INSTANCE_AVAILABILITY = 0x00080056

_Piece = bytes | tuple[int, Callable[[Any], bytes]]


class ResponseWriter:
    """Writes the identifiers of one query's responses."""

    def __init__(self, asked: FindQuery, transfer_syntax_uid: str, *, ae_title: str) -> None:
        """Work out once what is the same in every response."""
        self._asked = asked
        self._syntax = transfer_syntax(transfer_syntax_uid)
        self._constants = {
            QUERY_RETRIEVE_LEVEL: ("CS", asked.level.value),
            RETRIEVE_AE_TITLE: ("AE", ae_title),
            INSTANCE_AVAILABILITY: ("CS", "ONLINE"),
        }
        self._pieces = self._planned()
        self._is_plain = not asked.returned.header and not self._syntax.is_deflated

    def write(self, found: FoundEntity) -> bytes:
        """The identifier of a match."""
        if self._is_plain:
            try:
                return self._plain(found.values)
            except UnicodeEncodeError:
                pass  # it needs a character set, and an element that says which
        return encode_identifier(
            self._data_set(found),
            self._syntax.uid,
            character_set=self._asked.character_set,
        )

    def _plain(self, values: Sequence[Any]) -> bytes:
        """ASCII all through. Raises UnicodeEncodeError."""
        return b"".join(
            [
                piece if isinstance(piece, bytes) else piece[1](values[piece[0]])
                for piece in self._pieces
            ]
        )

    def _planned(self) -> list[_Piece]:
        """Bytes, and what makes them of the value of a column, in the order of tags."""
        pieces: dict[int, _Piece] = {
            tag: _text_writer(self._syntax, tag, vr)(text)
            for tag, (vr, text) in self._constants.items()
        }
        for index, column in enumerate(self._asked.returned.columns):
            pieces[column.tag] = (index, _column_writer(self._syntax, column))
        return [pieces[tag] for tag in sorted(pieces)]

    def _data_set(self, found: FoundEntity) -> JsonDataSet:
        data_set = {f"{tag:08X}": element(vr, text) for tag, (vr, text) in self._constants.items()}
        for name, asked in self._asked.returned.header.items():
            data_set[name] = _restricted((found.header or {}).get(name), asked)
        for column, value in zip(self._asked.returned.columns, found.values, strict=True):
            if column.is_sent_empty or value not in ("", None):
                data_set[f"{column.tag:08X}"] = _element(column, value)
        if self._asked.offset_minutes is not None and found.header:
            adjusted = found.header.get(TIMEZONE_OFFSET)
            data_set |= {TIMEZONE_OFFSET: adjusted} if adjusted else {}
        return data_set


TIMEZONE_OFFSET = "00080201"


def _restricted(held: dict[str, Any] | None, asked: dict[str, Any]) -> dict[str, Any]:
    """The element that is held; of a sequence whose item was asked with keys, only these."""
    if held is None:
        return {"vr": asked["vr"]}
    keys = next(iter(asked.get("Value", ())), None) if asked["vr"] == "SQ" else None
    if not keys or held["vr"] != "SQ":
        return held
    items = [
        {tag: _restricted(item.get(tag), nested) for tag, nested in keys.items()}
        for item in held.get("Value", ())
    ]
    return element("SQ", *items)


def _element(column: FoundColumn, value: Any) -> dict[str, Any]:
    if isinstance(value, list):
        return element(column.vr, *sorted(value))
    if column.vr == "PN":
        return person_name(value)
    return element(column.vr, None if value == "" else value)


def _column_writer(syntax: TransferSyntax, column: FoundColumn) -> Callable[[Any], bytes]:
    write_text = _text_writer(syntax, column.tag, column.vr)
    if column.vr == "US":
        return _number_writer(syntax, column.tag)
    if column.vr == "IS":
        return lambda value: write_text("" if value is None else str(value))
    if not column.is_sent_empty:
        return lambda value: write_text(value) if value else b""
    return lambda value: write_text(value if isinstance(value, str) else "\\".join(sorted(value)))


def _text_writer(syntax: TransferSyntax, tag: int, vr: str) -> Callable[[str], bytes]:
    header = element_header(syntax, vr)
    padding = b"\0" if vr == "UI" else b" "

    def write(text: str) -> bytes:
        value = text.encode("ascii")
        if len(value) % 2:
            value += padding
        return header(tag, len(value)) + value

    return write


def _number_writer(syntax: TransferSyntax, tag: int) -> Callable[[int | None], bytes]:
    header = element_header(syntax, "US")
    pack = struct.Struct("<H" if syntax.is_little_endian else ">H").pack

    def write(number: int | None) -> bytes:
        value = b"" if number is None else pack(number)
        return header(tag, len(value)) + value

    return write
