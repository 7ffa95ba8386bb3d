"""DICOM values and units as people read them (PS3.5 6.2)."""

import re

from django.template.defaultfilters import filesizeformat

_DATE = re.compile(r"(\d{4})(\d{2})(\d{2})")
_TIME = re.compile(r"(\d{2})(\d{2})(\d{2})?.*")


def date_text(value: str) -> str:
    """A DA value as year-month-day; anything else as it stands."""
    match = _DATE.fullmatch(value)
    return "-".join(match.groups()) if match else value


def time_text(value: str) -> str:
    """A TM value as hours:minutes:seconds; anything else as it stands."""
    match = _TIME.fullmatch(value)
    return ":".join(part for part in match.groups() if part) if match else value


def person_name_text(value: str) -> str:
    """The first component group of a PN value, family name first."""
    family, _, given = value.split("=", maxsplit=1)[0].partition("^")
    given = " ".join(part for part in given.split("^") if part)
    return ", ".join(part for part in (family, given) if part)


def size_text(size_bytes: int) -> str:
    """Bytes in the unit that keeps the number short; number and unit stay on one line."""
    return filesizeformat(size_bytes)
