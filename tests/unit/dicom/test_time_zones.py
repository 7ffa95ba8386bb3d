"""Dates and times of a data set in another zone. Source: PS3.4 C.2.2.2.5, PS3.3 C.12.1.1.8."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.matching import DateRange, DateTimeRange, Match, SingleValue, Universal
from ingestion.dicom.time_zones import in_zone, offset_text, range_in_any_zone

DATE, TIME, OFFSET = "00080020", "00080030", "00080201"
MINUTES = st.integers(-12 * 60, 14 * 60)


def study(date: str, time: str, offset: str = "+0100") -> JsonDataSet:
    values = {DATE: ("DA", date), TIME: ("TM", time), OFFSET: ("SH", offset)}
    return {tag: {"vr": vr, "Value": [value]} for tag, (vr, value) in values.items() if value}


@pytest.mark.parametrize(
    ("moment", "minutes", "moved"),
    [
        (("20260101", "003000"), 0, ("20251231", "233000")),
        (("20260101", "003000.25"), -300, ("20251231", "183000.25")),
        (("20260228", "23"), 180, ("20260301", "01")),
        (("20260101", "10"), 345, ("20260101", "1445")),
        (("20260101", "1015"), 60, ("20260101", "1015")),
        (("99991231", "2359"), 840, ("99991231", "2359")),
        (("20260101", "235960"), 0, ("20260101", "235960")),
        (("20261399", "1000"), 0, ("20261399", "1000")),
    ],
)
def test_a_date_with_its_time_is_moved(
    moment: tuple[str, str], minutes: int, moved: tuple[str, str]
) -> None:
    found = in_zone(study(*moment), minutes)
    assert (found[DATE]["Value"][0], found[TIME]["Value"][0]) == moved
    assert found[OFFSET]["Value"] == [offset_text(minutes)]


@pytest.mark.parametrize(
    "data_set",
    [study("20260101", "1000", ""), study("20260101", "1000", "CEST"), study("20260101", "1000")],
)
def test_nothing_moves_where_the_zone_is_unknown_or_the_same(data_set: JsonDataSet) -> None:
    assert in_zone(data_set, 60) == data_set


def test_a_date_alone_stays() -> None:
    assert in_zone(study("20260101", ""), 0)[DATE]["Value"] == ["20260101"]
    assert in_zone(study("", "1000"), 0)[TIME]["Value"] == ["1000"]


def test_items_of_sequences_move_with_their_data_set() -> None:
    item = {
        "00400002": {"vr": "DA", "Value": ["20260101"]},
        "00400003": {"vr": "TM", "Value": ["0000"]},
    }
    data_set = study("20260101", "1200") | {"00400100": {"vr": "SQ", "Value": [item, {}]}}
    moved = in_zone(data_set, 0)["00400100"]["Value"]
    assert moved[0]["00400002"]["Value"] == ["20251231"]
    assert moved[0]["00400003"]["Value"] == ["2300"]
    assert moved[1] == {}


@given(
    st.datetimes(datetime(1900, 1, 2), datetime(2100, 1, 1)),  # noqa: DTZ001  # zones are given below
    MINUTES,
    MINUTES,
)
def test_the_moment_stays_the_same(local: datetime, own: int, other: int) -> None:
    data_set = study(f"{local:%Y%m%d}", f"{local:%H%M%S.%f}", offset_text(own))
    found = in_zone(data_set, other)
    text = found[DATE]["Value"][0] + found[TIME]["Value"][0]
    there = datetime.strptime(text, "%Y%m%d%H%M%S.%f").replace(tzinfo=_zone(other))
    assert there == local.replace(tzinfo=_zone(own))


def _zone(minutes: int) -> timezone:
    return timezone(timedelta(minutes=minutes))


@pytest.mark.parametrize(
    ("match", "span"),
    [
        (SingleValue("20260101"), DateRange("20251231", "20260102")),
        (DateRange("20260101", ""), DateRange("20251231", "")),
        (DateRange("", "20260131"), DateRange("", "20260201")),
        (
            DateTimeRange("20260101120000.000000", "20260102120000.000000"),
            DateRange("20251231", "20260103"),
        ),
        (Universal(), DateRange("", "")),
    ],
)
def test_dates_may_be_a_day_off_elsewhere(match: Match, span: DateRange) -> None:
    assert range_in_any_zone(match) == span
