"""What pydicom makes of a data set, with our named differences from it.

The differences are those of PS3.18 Annex F, and places where pydicom cannot answer at all.
"""

import base64
import math
import warnings
from collections.abc import Callable
from typing import Any

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

Attribute = dict[str, Any]

PYDICOM_FAILS: Attribute = {"vr": "pydicom raises"}
_PIXEL_DATA = {0x7FE00008, 0x7FE00009, 0x7FE00010}
_WORD_BYTES = {"OD": 8, "OF": 4, "OL": 4, "OV": 8, "OW": 2}
_TEXT = {"AE", "AS", "CS", "DA", "DT", "LO", "SH", "TM", "UC", "UI"}


def _group_length_is_left_out(attribute: Attribute, element: DataElement, _: str) -> Attribute:
    """PS3.18 F.2.2: Group Length (gggg,0000) shall not be included."""
    return {} if element.tag.element == 0 else attribute


def _empty_sequence_has_no_value(attribute: Attribute, _: DataElement, __: str) -> Attribute:
    """PS3.18 F.2.5: an empty value has neither Value, BulkDataURI nor InlineBinary."""
    return {"vr": "SQ"} if attribute == {"vr": "SQ", "Value": []} else attribute


def _empty_value_among_several_is_null(attribute: Attribute, _: DataElement, __: str) -> Attribute:
    """PS3.18 F.2.5: empty values of a multi-valued attribute are null."""
    if attribute["vr"] in _TEXT and "Value" in attribute:
        return attribute | {"Value": [value or None for value in attribute["Value"]]}
    return attribute


def _empty_component_groups_are_left_out(
    attribute: Attribute, _: DataElement, __: str
) -> Attribute:
    """PS3.18 F.2.2: the non-empty name components are encoded."""
    if attribute["vr"] != "PN" or "Value" not in attribute:
        return attribute
    names = [{k: v for k, v in name.items() if v} for name in attribute["Value"]]
    return attribute | {"Value": [name or None for name in names]}


def _special_numbers_are_strings(attribute: Attribute, _: DataElement, __: str) -> Attribute:
    """JSON has no NaN and no infinity."""
    if attribute["vr"] not in {"FL", "FD"} or "Value" not in attribute:
        return attribute
    values = [v if math.isfinite(v) else str(v) for v in attribute["Value"]]
    return attribute | {"Value": values}


def _long_binary_is_bulk_data(attribute: Attribute, element: DataElement, path: str) -> Attribute:
    """Ours: Pixel Data always, other binary values over 2048 bytes and fragments."""
    is_long = "InlineBinary" in attribute and (
        element.tag in _PIXEL_DATA or element.is_undefined_length or len(element.value) > 2048
    )
    uri = f"bulkdata/{path}{element.tag:08X}"
    return {"vr": attribute["vr"], "BulkDataURI": uri} if is_long else attribute


def _retired_ambiguous_vr_is_other_word(attribute: Attribute, _: DataElement, __: str) -> Attribute:
    """PS3.5 6.2 knows no VR `US or SS or OW`."""
    return attribute | {"vr": "OW"} if attribute["vr"] == "US or SS or OW" else attribute


DIFFERENCES: tuple[Callable[[Attribute, DataElement, str], Attribute], ...] = (
    _empty_sequence_has_no_value,
    _empty_value_among_several_is_null,
    _empty_component_groups_are_left_out,
    _special_numbers_are_strings,
    _long_binary_is_bulk_data,
    _retired_ambiguous_vr_is_other_word,
    _group_length_is_left_out,
)


def reference_json(dataset: Dataset, path: str = "") -> dict[str, Attribute]:
    """Return the DICOM JSON of `dataset` by pydicom; PYDICOM_FAILS where it raises."""
    is_big_endian = dataset.original_encoding[1] is False
    document = {}
    for tag in sorted(dataset.keys()):
        attribute = _attribute(dataset, tag, path, is_big_endian=is_big_endian)
        if attribute:
            document[f"{tag:08X}"] = attribute
    return document


def _attribute(dataset: Dataset, tag: int, path: str, *, is_big_endian: bool) -> Attribute:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            element = dataset[tag]
            if element.VR == "SQ":
                items = [
                    reference_json(item, f"{path}{tag:08X}/{number}/")
                    for number, item in enumerate(element.value)
                ]
                attribute: Attribute = {"vr": "SQ", "Value": items}
            else:
                attribute = element.to_json_dict(None, 0)
        except Exception:  # noqa: BLE001 - whatever it raises, it has no answer
            return PYDICOM_FAILS
    if is_big_endian and "InlineBinary" in attribute:
        attribute["InlineBinary"] = _swapped(attribute)
    for difference in DIFFERENCES:
        attribute = difference(attribute, element, path)
    return attribute


def _swapped(attribute: Attribute) -> str:
    """PS3.18 F.2.7 and PS3.5 A: what leaves over the web is in little endian."""
    value = base64.b64decode(attribute["InlineBinary"])
    size = _WORD_BYTES.get(attribute["vr"], 1)
    words = [value[i : i + size][::-1] for i in range(0, len(value), size)]
    return base64.b64encode(b"".join(words)).decode()
