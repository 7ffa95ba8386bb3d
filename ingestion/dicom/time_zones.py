"""Brings the dates and times of a data set into another time zone.

Source: PS3.4 C.2.2.2.5 and C.4.1.1.3 (timezone query adjustment), PS3.3 C.12.1.1.8 (Timezone
Offset From UTC).
"""

from datetime import datetime, timedelta
from typing import Any

from ingestion.dicom.attributes import normalized_date, normalized_time
from ingestion.dicom.date_times import parse_offset
from ingestion.dicom.document_matching import TIME_OF_DATE
from ingestion.dicom.json_model import JsonDataSet, element
from ingestion.dicom.matching import DateRange, DateTimeRange, Match, SingleValue, filled_time

TIMEZONE_OFFSET = "00080201"
TIMED_VRS = frozenset(("DA", "TM"))

_ONE_DAY = timedelta(days=1)
_FIRST_DATE, _LAST_DATE = "00010101", "99991231"
_PAIRS = {f"{date:08X}": f"{time:08X}" for date, time in TIME_OF_DATE.items()}


def in_zone(data_set: JsonDataSet, offset_minutes: int) -> JsonDataSet:
    """Return the data set with each date that has its time `offset_minutes` from UTC.

    A date without time stays, as nobody knows whether it is another there; so does everything
    in a data set that does not say its own offset.
    """
    values = data_set.get(TIMEZONE_OFFSET, {}).get("Value", [""])
    own_minutes = parse_offset(str(values[0]))
    if own_minutes is None or own_minutes == offset_minutes:
        return data_set
    return _moved(data_set, timedelta(minutes=offset_minutes - own_minutes)) | {
        TIMEZONE_OFFSET: element("SH", offset_text(offset_minutes))
    }


def offset_text(offset_minutes: int) -> str:
    """Return &ZZXX."""
    hours, minutes = divmod(abs(offset_minutes), 60)
    return f"{'-' if offset_minutes < 0 else '+'}{hours:02}{minutes:02}"


def range_in_any_zone(match: Match) -> DateRange:
    """Return the dates that the dates of a key may be elsewhere on earth."""
    match match:
        case SingleValue(value=first):
            last = first
        case DateRange(first=first, last=last) | DateTimeRange(first=first, last=last):
            pass
        case _:
            first = last = ""
    return DateRange(_day(first, -_ONE_DAY), _day(last, _ONE_DAY))


def _moved(data_set: JsonDataSet, shift: timedelta) -> JsonDataSet:
    moved: dict[str, Any] = {}
    for tag, attribute in data_set.items():
        if attribute.get("vr") == "SQ":
            items = [_moved(item, shift) for item in attribute.get("Value", ())]
            moved[tag] = element("SQ", *items)
        elif tag in _PAIRS:
            moved |= _moved_pair(data_set, tag, shift)
    return data_set | moved


def _moved_pair(data_set: JsonDataSet, date_tag: str, shift: timedelta) -> JsonDataSet:
    """The date and the time that goes with it; the time keeps its precision."""
    time_tag = _PAIRS[date_tag]
    date, time = _only_text(data_set, date_tag), _only_text(data_set, time_tag)
    date, time = normalized_date(date), normalized_time(time)
    if not date or not time:
        return {}
    moment = _moment(date + filled_time(time))
    if moment is None:
        return {}
    try:
        there = moment + shift
    except OverflowError:
        return {}
    precision = max(len(time), 4) if shift.seconds % 3600 else len(time)
    return {
        date_tag: element("DA", f"{there:%Y%m%d}".zfill(8)),
        time_tag: element("TM", f"{there:%H%M%S.%f}"[:precision]),
    }


def _only_text(data_set: JsonDataSet, tag: str) -> str:
    values = data_set.get(tag, {}).get("Value", [])
    return str(values[0]) if len(values) == 1 and values[0] else ""


def _moment(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%S.%f")  # noqa: DTZ007  # moved as it is
    except ValueError:  # a leap second, or no date at all
        return None


def _day(date: str, shift: timedelta) -> str:
    """The day before or after; '' and the ends of the calendar stay open."""
    if not date or date[:8] in (_FIRST_DATE, _LAST_DATE):
        return ""
    moment = datetime.strptime(date[:8], "%Y%m%d") + shift  # noqa: DTZ007  # a date has no zone
    return f"{moment:%Y%m%d}".zfill(8)
