"""The content tree of a structured report or key object selection, ready to be written.

Source: PS3.3 C.17.3 (SR Document Content Module), Table C.17.3-7 (value types).
"""

from collections.abc import Callable
from dataclasses import dataclass

from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.rendering.header_values import first_item, items, text, values

DEPTH_MAX = 60
ITEMS_MAX = 50_000

_VALUE_TYPE, _CONTENT_SEQUENCE = "0040A040", "0040A730"
_CONCEPT_NAME, _CONCEPT_CODE = "0040A043", "0040A168"
_CODE_MEANING, _CODE_VALUE = "00080104", "00080100"
_MEASURED_VALUE, _NUMERIC_VALUE, _UNITS = "0040A300", "0040A30A", "004008EA"
_REFERENCED, _REFERENCED_SOP_INSTANCE = "00081199", "00081155"
_GRAPHIC_TYPE, _TEMPORAL_RANGE_TYPE = "00700023", "0040A130"
_PERSON_NAME_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


@dataclass(frozen=True, slots=True)
class ContentItem:
    """One item: what it is called, its value as text, and what is below it."""

    name: str
    value: str
    children: tuple["ContentItem", ...]


@dataclass(frozen=True, slots=True)
class ContentTree:
    """A document: its title, facts of its header by their names, and the items below the root."""

    title: str
    facts: tuple[tuple[str, str], ...]
    children: tuple[ContentItem, ...]


def content_tree(data_set: JsonDataSet) -> ContentTree:
    """The document of a header. Beyond `ITEMS_MAX` items it ends, and says so."""
    reader = _Reader()
    children = reader.children(data_set, depth=1)
    if reader.is_full:
        children += (ContentItem("Note", f"only the first {ITEMS_MAX} items are shown", ()),)
    facts = ((name, _shown(data_set, tag)) for name, tag in _FACTS)
    return ContentTree(
        title=_meaning(data_set, _CONCEPT_NAME) or "Structured report",
        facts=tuple((name, value) for name, value in facts if value),
        children=children,
    )


_FACTS = (
    ("Patient", "00100010"),
    ("Patient ID", "00100020"),
    ("Birth date", "00100030"),
    ("Study date", "00080020"),
    ("Accession number", "00080050"),
    ("Study", "00081030"),
    ("Content date", "00080023"),
    ("Content time", "00080033"),
    ("Completion", "0040A491"),
    ("Verification", "0040A493"),
)


class _Reader:
    """Counts what it reads."""

    def __init__(self) -> None:
        self._left = ITEMS_MAX

    @property
    def is_full(self) -> bool:
        return self._left <= 0

    def children(self, parent: JsonDataSet, *, depth: int) -> tuple[ContentItem, ...]:
        found = []
        for item in items(parent, _CONTENT_SEQUENCE) if depth <= DEPTH_MAX else ():
            if self.is_full:
                break
            self._left -= 1
            found.append(
                ContentItem(
                    name=_meaning(item, _CONCEPT_NAME),
                    value=_value(item),
                    children=self.children(item, depth=depth + 1),
                )
            )
        return tuple(found)


def _value(item: JsonDataSet) -> str:
    """What an item says, by its value type; '' for one that only holds others."""
    read = _VALUES.get(text(item, _VALUE_TYPE))
    return read(item) if read else ""


def _meaning(item: JsonDataSet, tag: str) -> str:
    code = first_item(item, tag)
    return text(code, _CODE_MEANING) or text(code, _CODE_VALUE)


def _shown(item: JsonDataSet, tag: str) -> str:
    """All values of an element, person names with their component groups."""
    return ", ".join(filter(None, (_one(value) for value in values(item, tag))))


def _one(value: object) -> str:
    if isinstance(value, dict):
        groups = (str(value.get(group, "")) for group in _PERSON_NAME_GROUPS)
        names = (" ".join(group.replace("^", " ").split()) for group in groups)
        return " / ".join(name for name in names if name)
    return "" if value is None else str(value)


def _measured(item: JsonDataSet) -> str:
    measured = first_item(item, _MEASURED_VALUE)
    return f"{_shown(measured, _NUMERIC_VALUE)} {_meaning(measured, _UNITS)}".strip()


def _referenced(item: JsonDataSet) -> str:
    found = (text(one, _REFERENCED_SOP_INSTANCE) for one in items(item, _REFERENCED))
    return ", ".join(uid for uid in found if uid)


def _element(tag: str) -> Callable[[JsonDataSet], str]:
    return lambda item: _shown(item, tag)


_VALUES: dict[str, Callable[[JsonDataSet], str]] = {
    "TEXT": _element("0040A160"),
    "NUM": _measured,
    "CODE": lambda item: _meaning(item, _CONCEPT_CODE),
    "DATETIME": _element("0040A120"),
    "DATE": _element("0040A121"),
    "TIME": _element("0040A122"),
    "UIDREF": _element("0040A124"),
    "PNAME": _element("0040A123"),
    "SCOORD": _element(_GRAPHIC_TYPE),
    "SCOORD3D": _element(_GRAPHIC_TYPE),
    "TCOORD": _element(_TEMPORAL_RANGE_TYPE),
    "COMPOSITE": _referenced,
    "IMAGE": _referenced,
    "WAVEFORM": _referenced,
}
