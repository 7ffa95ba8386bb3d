"""Builds small data sets in the DICOM JSON Model, for answers that are made and not stored.

Source: PS3.18 F.2.
"""

from collections.abc import Mapping
from typing import Any

import orjson

JsonDataSet = dict[str, Any]

_COMPONENT_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


def element(vr: str, *values: object) -> dict[str, Any]:
    """Return an attribute object; without a value other than None it has only its VR (F.2.5)."""
    if values.count(None) == len(values):
        return {"vr": vr}
    return {"vr": vr, "Value": list(values)}


def person_name(name: str) -> dict[str, Any]:
    """Return an attribute object of VR PN from `alphabetic=ideographic=phonetic` (F.2.2)."""
    groups = zip(_COMPONENT_GROUPS, name.split("="), strict=False)
    return element("PN", {group: text for group, text in groups if text} or None)


def dumps(data_set: Mapping[str, Any]) -> bytes:
    """Return a data set as UTF-8 JSON, its names in ascending order (F.2.2)."""
    return orjson.dumps(data_set, option=orjson.OPT_SORT_KEYS)
