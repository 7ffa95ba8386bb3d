"""Checks that a data set of the DICOM JSON Model holds what its VRs allow, and nothing else.

What a client wrote is kept as it is read here: with the VRs of the data dictionary, values in
their JSON types, no attribute of a file or a message, no character that no database holds.
Source: PS3.18 F.2; PS3.5 7.1 (groups that are in no data set).
"""

import math
import re
from typing import Any

from ingestion.dicom.elements import KNOWN_VRS, known_vr
from ingestion.dicom.json_model import JsonDataSet
from ingestion.errors import InvalidDocument

_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_GROUPS = frozenset(("Alphabetic", "Ideographic", "Phonetic"))
_CONTENTS = ("Value", "InlineBinary", "BulkDataURI")
_LAST_GROUP_OF_FILES = 0x0007  # command sets, file meta information, directories

# PS3.18 Table F.2.3-1: the JSON types of a value. Numbers may stand in strings (F.2.3, note).
_BINARY_VRS = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))
_NUMBER_VRS = frozenset(("DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"))


def checked_data_set(read: JsonDataSet) -> JsonDataSet:
    """Return what is right of a data set that was read as JSON or XML.

    Raises `InvalidDocument` for a value that its VR cannot have, and for bulk data.
    """
    return {
        tag: _attribute(tag, attribute)
        for tag, attribute in read.items()
        if int(tag[:4], 16) > _LAST_GROUP_OF_FILES and tag[4:] != "0000"
    }


def _attribute(tag: str, attribute: dict[str, Any]) -> dict[str, Any]:
    vr = _vr(tag, attribute["vr"])
    present = [name for name in _CONTENTS if attribute.get(name) not in (None, [], "")]
    if not present:
        return {"vr": vr}
    content = attribute[present[0]]
    if present == ["Value"] and vr not in _BINARY_VRS:
        return {"vr": vr, "Value": _values(tag, vr, content)}
    if present == ["InlineBinary"] and vr in _BINARY_VRS and _BASE64.fullmatch(content):
        return {"vr": vr, "InlineBinary": content}
    raise InvalidDocument(f"the attribute {tag} must have values that are here and of its VR")


def _vr(tag: str, given: str) -> str:
    """The VR of the data dictionary; the given one where the dictionary leaves it open."""
    known = known_vr(int(tag, 16)).split(" or ")
    vr = given if given in known or known == ["UN"] else known[0]
    if vr not in KNOWN_VRS or (vr == "SQ") != (given == "SQ"):
        raise InvalidDocument(f"the attribute {tag} has a VR that it cannot have")
    return vr


def _values(tag: str, vr: str, content: list[object]) -> list[Any]:
    if vr != "SQ":
        return [_value(tag, vr, item) for item in content]
    items = [{} if item is None else item for item in content]
    if not all(isinstance(item, dict) for item in items):
        raise InvalidDocument(f"the sequence {tag} has an item that is no data set")
    return [checked_data_set(item) for item in items if isinstance(item, dict)]


def _value(tag: str, vr: str, content: object) -> object:
    """One value in the JSON type of its VR; None for an empty one."""
    match content:
        case None | "":
            return None
        case str() if "\0" not in content:
            # Departs from PS3.18 F.2.2: a name may come as plain text, as some clients send it.
            return {"Alphabetic": content} if vr == "PN" else content
        case bool():
            pass
        case int() | float() if vr in _NUMBER_VRS and math.isfinite(content):
            return content
        case dict() if vr == "PN" and _is_person_name(content):
            return {group: text for group, text in content.items() if text} or None
    raise InvalidDocument(f"the attribute {tag} has a value that its VR cannot have")


def _is_person_name(content: dict[Any, Any]) -> bool:
    return content.keys() <= _GROUPS and all(
        isinstance(text, str) and "\0" not in text for text in content.values()
    )
