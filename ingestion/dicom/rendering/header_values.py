"""Reads values of a DICOM JSON header for rendering; what is not as it should be counts as absent.

Source: PS3.18 F.2; PS3.3 C.7.6.16 (functional groups).
"""

import math
from base64 import b64decode
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingestion.dicom.json_model import JsonDataSet

ReadBulkData = Callable[[str], bytes]

BULK_DATA_PREFIX = "bulkdata/"
_SHARED_FUNCTIONAL_GROUPS = "52009229"
_PER_FRAME_FUNCTIONAL_GROUPS = "52009230"


def values(data_set: JsonDataSet, tag: str) -> list[Any]:
    """All values of an element, [] without any."""
    found = data_set.get(tag, {}).get("Value")
    return found if isinstance(found, list) else []


def text(data_set: JsonDataSet, tag: str) -> str:
    """The first value as text; '' without one."""
    found = values(data_set, tag)
    return str(found[0]).strip() if found and isinstance(found[0], str | int | float) else ""


def numbers(data_set: JsonDataSet, tag: str) -> list[float]:
    """The values that are finite numbers."""
    found = (_number(value) for value in values(data_set, tag))
    return [value for value in found if value is not None]


def number(data_set: JsonDataSet, tag: str) -> float | None:
    """The first value that is a finite number."""
    return next(iter(numbers(data_set, tag)), None)


def items(data_set: JsonDataSet, tag: str) -> list[JsonDataSet]:
    """The items of a sequence."""
    return [item for item in values(data_set, tag) if isinstance(item, dict)]


def first_item(data_set: JsonDataSet, tag: str) -> JsonDataSet:
    """The first item of a sequence, an empty data set without one."""
    return next(iter(items(data_set, tag)), {})


def functional_group(data_set: JsonDataSet, frame_number: int, tag: str) -> JsonDataSet:
    """What a macro's sequence says of a frame, for it alone or for all; else the data set itself.

    An image that is not enhanced has the same attributes at its top (PS3.3 C.7.6.16.2.9, .10).
    """
    frames = items(data_set, _PER_FRAME_FUNCTIONAL_GROUPS)
    of_frame = frames[frame_number - 1] if 0 < frame_number <= len(frames) else {}
    shared = first_item(data_set, _SHARED_FUNCTIONAL_GROUPS)
    return first_item(of_frame, tag) or first_item(shared, tag) or data_set


def words(data_set: JsonDataSet, tag: str, read_bulk_data: ReadBulkData) -> NDArray[np.uint16]:
    """An element of US or OW as unsigned words, wherever its value is; empty without one."""
    element = data_set.get(tag, {})
    if found := values(data_set, tag):
        whole = [int(value) & 0xFFFF for value in found if isinstance(value, int)]
        return np.array(whole, dtype=np.uint16)
    return np.frombuffer(_bytes(element, read_bulk_data), dtype="<u2")


def _bytes(element: dict[str, Any], read_bulk_data: ReadBulkData) -> bytes:
    """The value in little endian, of an even length."""
    found = b""
    if "InlineBinary" in element:
        found = b64decode(element["InlineBinary"])
    elif "BulkDataURI" in element:
        found = read_bulk_data(str(element["BulkDataURI"]).removeprefix(BULK_DATA_PREFIX))
    return found[: len(found) // 2 * 2]


def _number(value: Any) -> float | None:
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None
