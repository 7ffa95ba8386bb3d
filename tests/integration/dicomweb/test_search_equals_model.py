"""SQL finds exactly what `ingestion.dicom.matching.matches` says, attribute by attribute.

Source: PS3.4 C.2.2.2. Whole searches are in `test_search_equals_documents`.
"""

from itertools import product
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.dicom.attributes import INDEXED, REQUEST_ATTRIBUTES, joined_values
from ingestion.dicom.match_keys import LITERAL, MatchingOption, parse_key
from ingestion.dicom.matching import DateTimeRange, filled_time, matches
from ingestion.dicom.person_names import normalized
from ingestion.errors import InvalidQuery
from ingestion.models import Series, StorageSpace, Study
from ingestion.use_cases.search_conditions import condition
from tests.integration.dicomweb.web_client import WebClient

ATTRIBUTES = {attribute.keyword: attribute for attribute in (*INDEXED, *REQUEST_ATTRIBUTES)}
TEXTS = ["", "a", "A", "ab", "a%b", "a_b", "a\\b", "a*b", "a b", "Ä^b", "ä b", "b^a", "'", "aab"]
ITEMS = [[], [""], ["a"], ["ab", ""], ["a%b", "c"], ["b", "a_b"], ["a*b", "A"], ["a b", "aab"]]
DATES = ["", "20251231", "20260101", "20260131"]
TIMES = ["", "10", "1015", "101500", "101530.25", "101530.250001", "235960"]

pytestmark = pytest.mark.django_db


def found(keyword: str, text: str, options: MatchingOption = LITERAL) -> set[str]:
    attribute = ATTRIBUTES[keyword]
    match = parse_key(attribute, text, options=options)
    wanted = condition(attribute, match, prefix="")
    rows = Study.objects.filter(wanted).values_list(attribute.column, flat=True)
    return set(rows)


def modelled(
    keyword: str, text: str, values: list[str], options: MatchingOption = LITERAL
) -> set[str]:
    match = parse_key(ATTRIBUTES[keyword], text, options=options)
    return {value for value in values if matches(match, value)}


@pytest.fixture
def studies(space: StorageSpace) -> None:
    for number, (text, date, time) in enumerate(zip(TEXTS, DATES * 4, TIMES * 2, strict=False)):
        Study.objects.create(
            storage_space=space,
            study_instance_uid=f"1.2.{number}",
            study_description=text,
            patient_name=text,
            patient_name_normalized=normalized(text),
            study_date=date,
            study_time=time,
        )


@pytest.mark.usefixtures("studies")
@pytest.mark.parametrize("keyword", ["StudyDescription", "PatientName"])
@settings(max_examples=60)
@given(
    text=st.one_of(st.text(alphabet="aAäb^ *?%_'\\", max_size=5), st.just('""')),
    options=st.sampled_from([LITERAL, *MatchingOption]),
)
def test_texts(keyword: str, text: str, options: MatchingOption) -> None:
    try:
        expected = modelled(keyword, text, TEXTS, options)
    except InvalidQuery:
        return
    assert found(keyword, text, options) == expected


@pytest.fixture
def series(studies: None) -> None:
    study = Study.objects.all()[0]
    for number, values in enumerate(ITEMS):
        Series.objects.create(
            study=study,
            series_instance_uid=f"1.3.{number}",
            requested_procedure_ids=joined_values(values),
        )


@pytest.mark.usefixtures("series")
@settings(max_examples=60)
@given(text=st.text(alphabet="aAbc *?%_'\\\"", max_size=4))
def test_values_in_items(text: str) -> None:
    attribute = ATTRIBUTES["RequestedProcedureID"]
    try:
        match = parse_key(attribute, text)
    except InvalidQuery:
        return
    expected = {
        joined_values(values)
        for values in ITEMS
        if any(matches(match, value) for value in values or [""])
    }
    wanted = condition(attribute, match, prefix="")
    rows = Series.objects.filter(wanted).values_list("requested_procedure_ids", flat=True)
    assert set(rows) == expected


@pytest.mark.usefixtures("studies")
def test_dates() -> None:
    for text in [*DATES[1:], *(f"{a}-{b}" for a, b in product(DATES, DATES) if a or b)]:
        try:
            expected = modelled("StudyDate", text, DATES)
        except InvalidQuery:
            continue
        assert found("StudyDate", text) == expected, text


@pytest.mark.usefixtures("studies")
def test_times() -> None:
    keys = ["10", "1015", "101530", "101530.2", "101530.25", "2359"]
    for text in [*keys, *(f"{a}-{b}" for a, b in product(["", *keys], ["", *keys]) if a or b)]:
        try:
            expected = modelled("StudyTime", text, TIMES)
        except InvalidQuery:
            continue
        assert found("StudyTime", text) == expected, text


@pytest.mark.usefixtures("studies")
def test_dates_with_their_times() -> None:
    ends = [f"{date}{time}" for date in DATES[1:] for time in ("000000.000000", "101500.000000")]
    rows = Study.objects.values_list("study_date", "study_time")
    moments = {date + filled_time(time or "00") for date, time in rows if date}
    for first, last in product(ends, ["", *ends]):
        match = DateTimeRange(first, last)
        wanted = condition(ATTRIBUTES["StudyDate"], match, prefix="")
        matched = Study.objects.filter(wanted).values_list("study_date", "study_time")
        expected = {moment for moment in moments if matches(match, moment)}
        assert {date + filled_time(time or "00") for date, time in matched} == expected, match


@pytest.mark.usefixtures("studies")
@settings(max_examples=60)
@given(
    key=st.sampled_from(["PatientName", "StudyDescription", "ModalitiesInStudy", "StudyTime"]),
    text=st.one_of(st.text(max_size=8), st.text("*?[](){}|^$.,\\'%_- 0", max_size=8)),
    is_fuzzy=st.booleans(),
)
def test_no_text_makes_the_database_stumble(
    web: WebClient, key: str, text: str, is_fuzzy: bool
) -> None:
    query = f"{key}={quote(text)}&fuzzymatching={str(is_fuzzy).lower()}"
    assert web.get(f"/dicomweb/studies?{query}").status_code in (200, 400)
