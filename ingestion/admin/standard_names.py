"""Columns are named on screens as the Standard names their attributes (PS3.6 6)."""

import re
from collections.abc import Iterable

from django.db.models import Field, Model
from pydicom.datadict import dictionary_description, tag_for_keyword

_ABBREVIATIONS = {
    word.lower(): word for word in ("AE", "ID", "SOP", "UID", "URL", "UUID", "UTC", "WADO")
}
_WORD = re.compile(r"[a-z0-9]+")


def use_standard_names(models: Iterable[type[Model]]) -> None:
    """Give every column of these models, unless its model named it, its name for people."""
    for model in models:
        for field in model._meta.get_fields():
            if isinstance(field, Field) and field.verbose_name == field.name.replace("_", " "):
                field.verbose_name = standard_name(field.name)


def standard_name(column: str) -> str:
    """The Standard's name of an attribute, else the column's words, abbreviations in capitals."""
    keyword = "".join(_ABBREVIATIONS.get(word, word.capitalize()) for word in column.split("_"))
    tag = tag_for_keyword(keyword)
    if tag is not None:
        return dictionary_description(tag)
    words = column.replace("_", " ")
    return _WORD.sub(lambda match: _ABBREVIATIONS.get(match[0], match[0]), words)
