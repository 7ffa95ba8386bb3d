"""Matching keys as operators type them: `PatientName=DOE*`, `StudyDate`, sequences by points.

Source: PS3.4 C.2.2.2 (matching), PS3.6 6 (keywords), PS3.18 F.2.
"""

import re
from collections.abc import Iterable
from typing import Any

from ingestion.dicom.attribute_names import Path, name_of, parse_path, vr_of
from ingestion.dicom.json_encoding import SHORT_LENGTH_MAX, encode_value
from ingestion.dicom.json_model import JsonDataSet, element
from ingestion.errors import InvalidQuery, MalformedDataSet

_NUMBERS = frozenset(("FD", "FL", "SL", "SS", "SV", "UL", "US", "UV"))
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_TAG_WITH_COMMA = re.compile(r"\(?([0-9A-Fa-f]{4}),([0-9A-Fa-f]{4})\)?")


def identifier_of(keys: Iterable[str]) -> JsonDataSet:
    """The identifier that these keys make. A key without a value asks for the attribute.

    Tags may be written as DCMTK has them, too: `(0010,0010)=DOE*`.

    Several values stand between backslashes. Raises `InvalidQuery`.
    """
    identifier: JsonDataSet = {}
    for key in keys:
        name, _, value = key.partition("=")
        path = _path(name)
        _innermost(identifier, path)[_json_tag(path[-1])] = _attribute(path[-1], value, key=name)
    return identifier


def paths_of(keys: Iterable[str]) -> list[Path]:
    """The attributes that are asked for, in their order, each once."""
    return list(dict.fromkeys(_path(key.partition("=")[0]) for key in keys))


def shown(data_set: JsonDataSet, path: Path) -> str:
    """The value of an attribute as text on a line; of several items those of each."""
    attribute = data_set.get(_json_tag(path[0]), {})
    values = attribute.get("Value", ())
    if len(path) > 1:
        return ", ".join(text for item in values if (text := shown(item or {}, path[1:])))
    if attribute.get("vr") == "SQ":
        return f"{len(values)} items" if values else ""
    return "\\".join(_text(value) for value in values)


def _path(name: str) -> Path:
    """Raises `InvalidQuery`."""
    if not name:
        raise InvalidQuery("a key is NAME or NAME=VALUE")
    return parse_path(_TAG_WITH_COMMA.sub(r"\1\2", name))


def _innermost(identifier: JsonDataSet, path: Path) -> JsonDataSet:
    """The item that the last attribute of the path belongs to, made where it is not yet."""
    for tag in path[:-1]:
        sequence = identifier.setdefault(_json_tag(tag), {"vr": "SQ", "Value": [{}]})
        identifier = sequence["Value"][0]
    return identifier


def _attribute(tag: int, value: str, *, key: str) -> dict[str, Any]:
    vr = vr_of(tag)
    if vr == "SQ":
        if value:
            raise InvalidQuery(f"{key} is a sequence: name an attribute of it after a point")
        return {"vr": "SQ", "Value": [{}]}
    if not value:
        return element(vr)
    values = value.split("\\")
    try:
        return key_attribute(tag, vr, *(map(float, values) if vr in _NUMBERS else values))
    except ValueError as error:
        raise InvalidQuery(f"{key} wants a number") from error


def key_attribute(tag: int, vr: str, *values: object) -> dict[str, Any]:
    """A key with these values. Raises `InvalidQuery` for what its VR cannot have.

    Sent empty, as the data sets of others are, it would match everything.
    """
    attribute = element(vr, *values)
    try:
        encoded = encode_value(_json_tag(tag), attribute)
    except MalformedDataSet as error:
        raise InvalidQuery(f"{name_of(tag)} cannot have such a value") from error
    if len(encoded) > SHORT_LENGTH_MAX:
        raise InvalidQuery(f"{name_of(tag)} is longer than {SHORT_LENGTH_MAX} bytes")
    return attribute


def _json_tag(tag: int) -> str:
    return f"{tag:08X}"


def _text(value: object) -> str:
    if isinstance(value, dict):
        text = "=".join(value.get(group, "") for group in _GROUPS).rstrip("=")
    else:
        text = "" if value is None else str(value)
    # Lines of a text, and what would steer the terminal.
    return "".join(character if character.isprintable() else " " for character in text)
