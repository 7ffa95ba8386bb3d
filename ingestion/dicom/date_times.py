"""Reads moments of VR DT, also incomplete ones, into texts that can be compared.

Source: PS3.5 6.2 (DT), PS3.4 C.2.2.2.5.3 (ranges of them).
"""

import calendar
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

_MOMENT = re.compile(
    r"(\d{4})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(\.\d{1,6})?)?)?)?)?)?([+-]\d{4})?",
    re.ASCII,
)
_OFFSET = re.compile(r"[+-]\d{4}", re.ASCII)
_OFFSET_MINUTES = range(-12 * 60, 14 * 60 + 1)
_LEAST = ("0001", "01", "01", "00", "00", "00", ".000000")
_GREATEST = ("9999", "12", "31", "23", "59", "60", ".999999")


@dataclass(frozen=True, slots=True)
class Moment:
    """A date and time as far as it is given: `first` and `last` moment that it can mean.

    Both are YYYYMMDDHHMMSS.FFFFFF in local time; the offset from UTC is None when not given.
    """

    first: str
    last: str
    offset_minutes: int | None

    def first_in_utc(self, default_minutes: int = 0) -> str:
        return _in_utc(self.first, self._offset(default_minutes))

    def last_in_utc(self, default_minutes: int = 0) -> str:
        return _in_utc(self.last, self._offset(default_minutes))

    def _offset(self, default_minutes: int) -> int:
        return default_minutes if self.offset_minutes is None else self.offset_minutes


def parse_moment(text: str) -> Moment | None:
    """The moment that `text` names, None when it is no value of VR DT."""
    found = _MOMENT.fullmatch(text.strip())
    if found is None:
        return None
    *given, offset = found.groups()
    offset_minutes = parse_offset(offset) if offset else None
    if offset and offset_minutes is None:
        return None
    least = [part or least for part, least in zip(given, _LEAST, strict=True)]
    greatest = [part or greatest for part, greatest in zip(given, _GREATEST, strict=True)]
    if not _is_possible(greatest[3:6]) or not _is_date(least[:3]):
        return None
    if not given[2]:
        year, month = int(greatest[0]), int(greatest[1])
        greatest[2] = f"{calendar.monthrange(year, month)[1]:02}"
    if given[6]:
        greatest[6] = given[6].ljust(7, "9")
        least[6] = given[6].ljust(7, "0")
    return Moment("".join(least), "".join(greatest), offset_minutes)


def parse_offset(text: str) -> int | None:
    """Minutes from UTC of &ZZXX (PS3.5 6.2, PS3.3 C.12.1.1.8); None when it is none."""
    if not _OFFSET.fullmatch(text):
        return None
    minutes = int(text[1:3]) * 60 + int(text[3:])
    minutes = -minutes if text[0] == "-" else minutes
    return minutes if minutes in _OFFSET_MINUTES and text[3:] < "60" else None


def _is_possible(time: list[str]) -> bool:
    # PS3.5 6.2: 60 is a leap second.
    return time[0] <= "23" and time[1] <= "59" and time[2] <= "60"


def _is_date(parts: list[str]) -> bool:
    year, month, day = map(int, parts)
    return year >= 1 and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]


def _in_utc(text: str, offset_minutes: int) -> str:
    """The same moment in UTC; one at the very ends of the calendar stays as it is."""
    if not offset_minutes:
        return text
    leap_free = text if text[12:14] != "60" else f"{text[:12]}59.999999"
    try:
        local = datetime.strptime(leap_free, "%Y%m%d%H%M%S.%f")  # noqa: DTZ007  # its zone is applied below
        moved = local - timedelta(minutes=offset_minutes)
    except OverflowError:
        return text
    return f"{moved:%Y%m%d%H%M%S.%f}".zfill(len(text))
