"""Reads data sets of the DICOM JSON Model that anyone may have written.

An array is taken apart before any of it is parsed: objects take many times the memory of their
text, and one that is wrong must not spoil the others. Values are checked when they are encoded.
Source: PS3.18 F.2.
"""

import re
from collections.abc import Iterator
from typing import Any

import orjson

from ingestion.dicom.elements import KNOWN_VRS, known_vr
from ingestion.dicom.json_model import JsonDataSet
from ingestion.errors import InvalidDocument, ObjectTooComplex

DEPTH_MAX = 64

_TAG = re.compile(r"[0-9A-F]{8}")
_VALUE_FIELDS = {"Value": list, "InlineBinary": str, "BulkDataURI": str}
# A string up to its end or to the end of everything, or a bracket.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.?[^"\\]*+)*+"?|[{}\[\]]', re.DOTALL)
_BETWEEN = re.compile(rb"\s*,\s*|\s*")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def split_data_sets(document: bytes) -> Iterator[bytes]:
    """The texts of the objects in an array; of one that stands alone, too.

    Raises `InvalidDocument` where the array breaks off; what came before is good. The objects
    are to be parsed, each by `parse_data_set`.
    """
    text = document.removeprefix(_BYTE_ORDER_MARK).strip()
    if text[:1] == b"{":
        yield text
        return
    if text[:1] != b"[":
        raise InvalidDocument("the metadata is no array of JSON objects")
    depth, start, after = 0, 0, 1
    for token in _TOKEN.finditer(text, 1):
        kind = token[0]
        if kind in (b"{", b"["):
            if not depth:
                start = token.start()
                _check_between(text[after:start], is_first=after == 1)
            depth += 1
        elif kind in (b"}", b"]") and depth:
            depth -= 1
            if not depth:
                after = token.end()
                yield text[start:after]
        elif kind == b"]" and not text[after : token.start()].strip() and token.end() == len(text):
            return
        elif not depth:
            raise InvalidDocument("the metadata has something that is no JSON object")
    raise InvalidDocument("the metadata ends before its array does")


def _check_between(text: bytes, *, is_first: bool) -> None:
    if _BETWEEN.fullmatch(text) is None or is_first == (b"," in text):
        raise InvalidDocument("the metadata has something that is no JSON object")


def parse_data_set(text: bytes, *, depth_max: int = DEPTH_MAX) -> JsonDataSet:
    """Return one data set as the model has it: tags in capitals, each attribute with its VR.

    Raises `InvalidDocument`, and `ObjectTooComplex` for depth.
    """
    try:
        parsed = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidDocument("the metadata is no JSON") from error
    return _data_set(parsed, depth_max)


def _data_set(parsed: object, depth_left: int) -> JsonDataSet:
    if not isinstance(parsed, dict):
        raise InvalidDocument("a data set is no JSON object")
    data_set = {name.upper(): _attribute(name, value, depth_left) for name, value in parsed.items()}
    if len(data_set) < len(parsed):
        raise InvalidDocument("an attribute is there twice")
    return data_set


def _attribute(name: str, parsed: object, depth_left: int) -> dict[str, Any]:
    tag = name.upper()
    if not _TAG.fullmatch(tag):
        raise InvalidDocument("the name of an attribute is no tag of 8 hexadecimal digits")
    if not isinstance(parsed, dict):
        raise InvalidDocument(f"the attribute {tag} is no JSON object")
    vr = parsed.get("vr") or known_vr(int(tag, 16))
    if not isinstance(vr, str) or vr not in KNOWN_VRS:
        raise InvalidDocument(f"the attribute {tag} has no VR of the Standard")
    fields = [field for field in _VALUE_FIELDS if parsed.get(field) is not None]
    if len(fields) > 1 or any(not isinstance(parsed[f], _VALUE_FIELDS[f]) for f in fields):
        raise InvalidDocument(
            f"the attribute {tag} has more than one kind of value, or a wrong one"
        )
    if not fields:
        return {"vr": vr}
    value = parsed[fields[0]]
    if vr == "SQ":
        value = _items(tag, fields[0], value=value, depth_left=depth_left)
    return {"vr": vr, fields[0]: value}


def _items(tag: str, field: str, *, value: list[object], depth_left: int) -> list[JsonDataSet]:
    if field != "Value":
        raise InvalidDocument(f"the sequence {tag} has no items but a value")
    if not depth_left:
        raise ObjectTooComplex("sequences are nested too deep")
    return [_data_set({} if item is None else item, depth_left - 1) for item in value]
