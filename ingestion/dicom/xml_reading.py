"""Turns the Native DICOM Model into the DICOM JSON Model, for clients that write XML.

What is written here comes from anyone: no document type, no entities, bounded depth and numbers.
Names are read with and without their namespace, because dcm4che leaves it out.
Source: PS3.19 A.1.
"""

import math
import re
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from ingestion.dicom.elements import KNOWN_VRS, known_vr
from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.private_blocks import PrivateBlocks
from ingestion.errors import InvalidDocument, ObjectTooComplex

DEPTH_MAX = 64
GAPS_MAX = 100

_ROOT = "NativeDicomModel"
_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_NUMBER = re.compile(r"[0-9]{1,7}")
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_COMPONENTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")
_INTEGER_VRS = frozenset(("IS", "SL", "SS", "SV", "UL", "US", "UV"))
_DECIMAL_VRS = frozenset(("DS", "FD", "FL"))


def from_xml(document: bytes, *, depth_max: int = DEPTH_MAX) -> JsonDataSet:
    """Return the data set that a document of the Native DICOM Model holds.

    Numbers become numbers where nothing is lost by it and stay text otherwise; private elements
    of block 00 are given a block. Raises `InvalidDocument`, and `ObjectTooComplex` for depth.
    """
    try:
        root = fromstring(document, forbid_dtd=True)
    except (DefusedXmlException, ParseError, ValueError, LookupError) as error:
        raise InvalidDocument(f"the document is no XML that is read: {_reason(error)}") from error
    if _name(root) != _ROOT:
        raise InvalidDocument(f"the root of the document is not {_ROOT}")
    return _data_set(root, depth_max)


def _reason(error: Exception) -> str:
    """Why, without a word of the document: it may name a patient."""
    if isinstance(error, ParseError):
        line, column = error.position
        return f"not well-formed at line {line}, column {column}"
    return type(error).__name__


def _name(node: Element) -> str:
    """The local name; comments and instructions are not in the tree."""
    return node.tag.rpartition("}")[2]


def _data_set(node: Element, depth_left: int) -> JsonDataSet:
    data_set: JsonDataSet = {}
    private: list[tuple[str, str, JsonDataSet]] = []
    for child in _children(node, "DicomAttribute"):
        tag = child.get("tag", "").upper()
        if not _TAG.fullmatch(tag):
            raise InvalidDocument("a DicomAttribute has no tag of 8 hexadecimal digits")
        attribute = _attribute(child, tag, depth_left=depth_left)
        creator = child.get("privateCreator", "")
        if creator:
            private.append((tag, creator, attribute))
        else:
            _add(data_set, tag, attribute)
    blocks = PrivateBlocks(data_set)
    private.sort(key=lambda named: named[0][4:6] == "00")  # a block that was named is kept
    for tag, creator, attribute in private:
        _add(data_set, blocks.place(tag, creator), attribute)
    return data_set


def _add(data_set: JsonDataSet, tag: str, attribute: JsonDataSet) -> None:
    if tag in data_set:
        raise InvalidDocument(f"the attribute {tag} is there twice")
    data_set[tag] = attribute


def _attribute(node: Element, tag: str, *, depth_left: int) -> JsonDataSet:
    vr = node.get("vr") or known_vr(int(tag, 16))
    if vr not in KNOWN_VRS:
        raise InvalidDocument(f"the attribute {tag} has no VR of the Standard")
    names = {_name(child) for child in node}
    if len(names) > 1:
        raise InvalidDocument(f"the attribute {tag} mixes values of different kinds")
    if "BulkData" in names:
        return {"vr": vr, "BulkDataURI": node[0].get("uri") or node[0].get("uuid") or ""}
    if "InlineBinary" in names:
        return {"vr": vr, "InlineBinary": "".join((node[0].text or "").split())}
    values = _values(node, tag, vr=vr, depth_left=depth_left)
    return {"vr": vr, "Value": values} if values else {"vr": vr}


def _values(node: Element, tag: str, *, vr: str, depth_left: int) -> list[object]:
    if vr == "SQ":
        if len(node) and not depth_left:
            raise ObjectTooComplex("sequences are nested too deep")
        items = _in_order(_children(node, "Item"), tag)
        return [{} if item is None else _data_set(item, depth_left - 1) for item in items]
    if vr == "PN":
        names = _in_order(_children(node, "PersonName"), tag)
        return [None if name is None else _person_name(name) for name in names]
    values = _in_order(_children(node, "Value"), tag)
    return [None if value is None else _value(value.text or "", vr) for value in values]


def _children(node: Element, name: str) -> list[Element]:
    """The children, which must all be of that name."""
    children = list(node)
    if any(_name(child) != name for child in children):
        raise InvalidDocument(f"{_name(node)} holds something that is no {name}")
    return children


def _in_order(nodes: list[Element], tag: str) -> list[Element | None]:
    """By their numbers, which begin with 1; None where a number is left out."""
    by_number: dict[int, Element] = {}
    for position, node in enumerate(nodes, start=1):
        text = node.get("number", str(position))
        number = int(text) if _NUMBER.fullmatch(text) else 0
        if number in by_number or not 1 <= number <= len(nodes) + GAPS_MAX:
            raise InvalidDocument(f"the values of {tag} are not numbered 1, 2, 3, …")
        by_number[number] = node
    return [by_number.get(number) for number in range(1, max(by_number, default=0) + 1)]


def _person_name(node: Element) -> dict[str, str] | None:
    groups: dict[str, str] = {}
    for group in node:
        name = _name(group)
        if name not in _GROUPS or name in groups:
            raise InvalidDocument(f"a PersonName has another group than {', '.join(_GROUPS)}")
        parts = {_name(part): part.text or "" for part in group}
        if not parts.keys() <= set(_COMPONENTS):
            raise InvalidDocument(f"{name} has a component that is not of PS3.19")
        text = "^".join(parts.get(component, "") for component in _COMPONENTS).rstrip("^")
        if text:
            groups[name] = text
    return groups or None


def _value(text: str, vr: str) -> object:
    """The value in the type that PS3.18 Table F.2.3-1 gives to the VR."""
    if vr in _INTEGER_VRS and _INTEGER.fullmatch(text.strip()):
        return int(text)
    if vr in _DECIMAL_VRS and _DECIMAL.fullmatch(text.strip()):
        number = int(text) if _INTEGER.fullmatch(text.strip()) else float(text)
        is_lossless = vr != "DS" or str(number) == text.strip()
        return number if is_lossless and math.isfinite(number) else text.strip()
    return text or None
