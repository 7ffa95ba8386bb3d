"""A data set in the DICOM JSON Model as a tree that people read. Source: PS3.18 F.2, PS3.6 6."""

from collections.abc import Iterator
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from pydicom.datadict import dictionary_description, dictionary_has_tag

from ingestion.admin.display_values import date_text, person_name_text, time_text
from ingestion.dicom.json_model import JsonDataSet

ELEMENTS_MAX = 1000
ITEMS_MAX = 100  # of one sequence
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_TEXTS = {"DA": date_text, "TM": time_text}


def data_set_tree(data_set: JsonDataSet) -> SafeString:
    """The attributes by name with their values; of very long ones the beginning."""
    return _tree(data_set, _Budget(ELEMENTS_MAX))


class _Budget:
    """How many elements may still be shown."""

    def __init__(self, elements: int) -> None:
        self._left = elements

    def take(self) -> bool:
        self._left -= 1
        return self._left >= 0


def _tree(data_set: JsonDataSet, budget: _Budget) -> SafeString:
    rows = [
        (_name(tag), _value(data_set[tag], budget)) for tag in sorted(data_set) if budget.take()
    ]
    if len(rows) < len(data_set):
        rows.append(("…", format_html("{} more", len(data_set) - len(rows))))
    return format_html(
        '<dl class="pl-4">{}</dl>',
        format_html_join(
            "", '<div class="flex gap-2"><dt class="font-medium">{}</dt><dd>{}</dd></div>', rows
        ),
    )


def _name(tag: str) -> str:
    number = int(tag, 16)
    shown = f"({tag[:4]},{tag[4:]})"
    return f"{shown} {dictionary_description(number)}" if dictionary_has_tag(number) else shown


def _value(attribute: dict[str, Any], budget: _Budget) -> SafeString:
    values = attribute.get("Value", ())
    if attribute["vr"] != "SQ":
        return format_html("{}", "\\".join(_texts(attribute["vr"], values)))
    items = [(_tree(item or {}, budget),) for item in values[:ITEMS_MAX]]
    if len(values) > ITEMS_MAX:
        items.append((format_html("{} more items", len(values) - ITEMS_MAX),))
    return format_html(
        '<ol class="list-decimal">{}</ol>', format_html_join("", "<li>{}</li>", items)
    )


def _texts(vr: str, values: list[Any]) -> Iterator[str]:
    for value in values:
        if isinstance(value, dict):  # PN
            names = (person_name_text(value[group]) for group in _GROUPS if value.get(group))
            yield " = ".join(names)
        else:
            yield _TEXTS.get(vr, str)("" if value is None else str(value))
