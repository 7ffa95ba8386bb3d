"""Query strings of the worklist: searches, UIDs that stand alone, filters of subscriptions."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.parameters import PageLimits
from dicomweb.worklist_parameters import (
    TRANSACTION_NAMES,
    WORKITEM_NAMES,
    deletion_lock,
    filter_keys,
    parse_worklist_search,
    uid_parameter,
)
from ingestion.dicom.matching import SingleValue, UIDList, ValueList
from ingestion.errors import InvalidQuery
from ingestion.use_cases.search_manifest import Scope
from ingestion.use_cases.search_workitems import WorkitemQuery

LIMITS = PageLimits(results_max=100, offset_max=1000)


def parse(query_string: str) -> WorkitemQuery:
    return parse_worklist_search(query_string, scope=Scope((1,)), limits=LIMITS)


@pytest.mark.parametrize(
    ("query_string", "names", "uid"),
    [
        ("", WORKITEM_NAMES, ""),
        ("1.2.840.1", WORKITEM_NAMES, "1.2.840.1"),
        ("workitem=1.2.840.1", WORKITEM_NAMES, "1.2.840.1"),
        ("AffectedSOPInstanceUID=1.2.840.1", WORKITEM_NAMES, "1.2.840.1"),
        ("accept=application/dicom%2Bjson&1.2.840.1", WORKITEM_NAMES, "1.2.840.1"),
        ("other=1.2.840.1", WORKITEM_NAMES, ""),
        ("1.2.3.4", TRANSACTION_NAMES, "1.2.3.4"),
        ("transaction-uid=1.2.3.4", TRANSACTION_NAMES, "1.2.3.4"),
        ("transaction=1.2.3.4", TRANSACTION_NAMES, "1.2.3.4"),
    ],
)
def test_uids_are_named_or_stand_alone(query_string: str, names: frozenset[str], uid: str) -> None:
    assert uid_parameter(query_string, names) == uid


@pytest.mark.parametrize("query_string", ["workitem=x", "1.2.x", "workitem=" + "1." * 40 + "1"])
def test_what_should_be_a_uid_and_is_none_is_refused(query_string: str) -> None:
    with pytest.raises(InvalidQuery):
        uid_parameter(query_string, WORKITEM_NAMES)


def test_search_of_everything_asked() -> None:
    query = parse(
        "ProcedureStepState=SCHEDULED,IN PROGRESS&00100020=P1&includefield=WorklistLabel"
        "&includefield=00404021.0020000D,0040A370&limit=7&offset=3"
        "&ScheduledStationNameCodeSequence.CodeValue=A&SOPInstanceUID=1.2,1.3"
    )
    assert [key.match for key in query.keys] == [
        ValueList(("SCHEDULED", "IN PROGRESS")),
        SingleValue("P1"),
        SingleValue("A"),
        UIDList(("1.2", "1.3")),
    ]
    assert query.keys[2].path == (0x00404025, 0x00080100)
    assert query.tags == frozenset({"00741202", "00404021", "0040A370"})
    assert (query.limit, query.offset) == (7, 3)


def test_include_all_and_limits() -> None:
    assert parse("includefield=all&includefield=PatientID").tags is None
    assert parse("limit=100000").limit == 100
    assert parse("").limit == 100


@pytest.mark.parametrize(
    "query_string",
    [
        "limit=-1",
        "limit=x",
        "offset=1001",
        "fuzzymatching=perhaps",
        "NoSuchAttribute=1",
        "includefield=NoSuchAttribute",
        "PatientID=1&PatientID=2",
        "ScheduledStationNameCodeSequence=x",
        "PatientID.CodeValue=x",
        "ScheduledProcedureStepStartDateTime=soon",
        "&".join(f"x{number}=1" for number in range(300)),
    ],
)
def test_what_cannot_be_searched_is_refused(query_string: str) -> None:
    with pytest.raises(InvalidQuery):
        parse(query_string)


@given(st.text(max_size=80) | st.from_regex(r"([A-Za-z0-9.=&,%-]){0,80}", fullmatch=True))
def test_any_query_string_is_understood_or_refused(query_string: str) -> None:
    for read in (parse, deletion_lock, filter_keys):
        with suppress(InvalidQuery):
            read(query_string)
    with suppress(InvalidQuery):
        uid_parameter(query_string, WORKITEM_NAMES)


@pytest.mark.parametrize(
    ("query_string", "keys"),
    [
        ("filter=PatientID=P1", "PatientID=P1"),
        (
            "deletionlock=true&filter=PatientID=P1,ProcedureStepState=SCHEDULED",
            "PatientID=P1&ProcedureStepState=SCHEDULED",
        ),
        ("filter=SOPInstanceUID=1.2,1.3", "SOPInstanceUID=1.2%2C1.3"),
        ("PatientID=P1&deletionlock=false", "PatientID=P1"),
    ],
)
def test_filters_of_subscriptions(query_string: str, keys: str) -> None:
    assert filter_keys(query_string) == keys


@pytest.mark.parametrize("query_string", ["", "deletionlock=true", "filter=PatientID"])
def test_filters_that_are_none(query_string: str) -> None:
    with pytest.raises(InvalidQuery):
        filter_keys(query_string)


def test_deletion_locks() -> None:
    assert deletion_lock("deletionlock=true")
    assert not deletion_lock("deletionlock=false")
    assert not deletion_lock("")
    with pytest.raises(InvalidQuery):
        deletion_lock("deletionlock=1")
