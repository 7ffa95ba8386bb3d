"""Turns the DICOM JSON Model into the Native DICOM Model, for clients that read XML.

Source: PS3.19 A.1, PS3.18 10.5.3 (Store Instances Response Payload).
"""

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

from pydicom.datadict import keyword_for_tag

NAMESPACE = "http://dicom.nema.org/PS3.19/models/NativeDICOM"

_COMPONENT_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_COMPONENTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
# XML 1.0 2.2: characters that no document can hold.
_NOT_XML = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF))


def to_xml(json_data_set: Mapping[str, Any]) -> bytes:
    """Return a data set of the DICOM JSON Model as a UTF-8 document of the Native DICOM Model."""
    root = ET.Element("NativeDicomModel", {"xmlns": NAMESPACE, "xml:space": "preserve"})
    _add_attributes(root, json_data_set)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    # A reader would take it for a line feed (XML 1.0 2.11); only text can hold one as it is.
    return document.replace(b"\r", b"&#13;")


def _add_attributes(parent: ET.Element, data_set: Mapping[str, Any]) -> None:
    for tag in sorted(data_set):
        attribute = data_set[tag]
        names = {"tag": tag, "vr": attribute["vr"]}
        keyword = keyword_for_tag(int(tag, 16))
        if keyword:
            names["keyword"] = keyword
        creator = _private_creator(data_set, tag)
        if creator:
            names["privateCreator"] = creator
        _add_values(ET.SubElement(parent, "DicomAttribute", names), attribute)


def _add_values(node: ET.Element, attribute: Mapping[str, Any]) -> None:
    if "InlineBinary" in attribute:
        ET.SubElement(node, "InlineBinary").text = attribute["InlineBinary"]
    if "BulkDataURI" in attribute:
        ET.SubElement(node, "BulkData", {"uri": attribute["BulkDataURI"]})
    for number, value in enumerate(attribute.get("Value", ()), start=1):
        if attribute["vr"] == "SQ":
            _add_attributes(ET.SubElement(node, "Item", {"number": str(number)}), value or {})
        elif value is None:
            continue  # an empty value leaves a gap in the numbers (PS3.19 Table A.1.5-2)
        elif attribute["vr"] == "PN":
            _add_person_name(ET.SubElement(node, "PersonName", {"number": str(number)}), value)
        else:
            _add_text(node, "Value", str(value)).set("number", str(number))


def _add_person_name(node: ET.Element, name: Mapping[str, str]) -> None:
    for group in _COMPONENT_GROUPS:
        if not name.get(group):
            continue
        group_node = ET.SubElement(node, group)
        texts = name[group].split("^", len(_COMPONENTS) - 1)  # what is too many stays in the last
        for component, text in zip(_COMPONENTS, texts, strict=False):
            if text:
                _add_text(group_node, component, text)


def _add_text(parent: ET.Element, name: str, text: str) -> ET.Element:
    node = ET.SubElement(parent, name)
    node.text = text.translate(_NOT_XML)
    return node


def _private_creator(data_set: Mapping[str, Any], tag: str) -> str:
    """Return the creator of a private element's block (PS3.5 7.8.1), '' for other elements."""
    is_private = int(tag[3], 16) % 2 == 1 and tag[4:6] != "00"
    creator = data_set.get(f"{tag[:4]}00{tag[4:6]}", {}) if is_private else {}
    values = creator.get("Value") or [None]
    return str(values[0] or "").translate(_NOT_XML)
