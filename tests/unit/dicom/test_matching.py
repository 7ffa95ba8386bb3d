"""Keys mean what PS3.4 C.2.2.2 says."""

import fnmatch
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.dicom.attributes import INDEXED, IndexedAttribute
from ingestion.dicom.match_keys import LITERAL, MatchingOption, parse_key
from ingestion.dicom.matching import (
    DateRange,
    FuzzyName,
    Match,
    SingleValue,
    TimeRange,
    UIDList,
    Universal,
    ValueList,
    Wildcard,
    matches,
)
from ingestion.errors import InvalidQuery

BY_KEYWORD = {row.keyword: row for row in INDEXED}


# PS3.4 C.2.2.2.1 to C.2.2.2.5: keyword, key, meaning.
MEANINGS: list[tuple[str, str, Match]] = [
    ("PatientID", "", Universal()),
    ("PatientID", "*", Universal()),
    ("StudyDate", "*", Universal()),
    ("PatientID", '""', SingleValue('""')),
    ("PatientID", "P-1 ", SingleValue("P-1")),
    ("PatientID", "P*1?", Wildcard("P*1?")),
    ("PatientID", "a\\b", ValueList(("a", "b"))),
    ("PatientID", "a,b", SingleValue("a,b")),
    ("PatientName", "DOE^Jane", SingleValue("doe jane", True)),
    ("PatientName", "*Dö**", Wildcard("*do*", True)),
    ("Modality", "CT,MR", ValueList(("CT", "MR"))),
    ("Modality", "CT\\MR", ValueList(("CT", "MR"))),
    ("StudyInstanceUID", "1.2.3", SingleValue("1.2.3")),
    ("StudyInstanceUID", "1.2.3,1.4", UIDList(("1.2.3", "1.4"))),
    ("StudyInstanceUID", "1.2.3\\1.4", UIDList(("1.2.3", "1.4"))),
    ("StudyDate", "20200102", SingleValue("20200102")),
    ("StudyDate", "2020.01.02", SingleValue("20200102")),
    ("StudyDate", "20200102-20200203", DateRange("20200102", "20200203")),
    ("StudyDate", "20200102-", DateRange("20200102", "")),
    ("StudyDate", "-20200203", DateRange("", "20200203")),
    ("StudyTime", "10", TimeRange("100000.000000", "105960.999999", is_single=True)),
    ("StudyTime", "1015-1020", TimeRange("101500.000000", "102060.999999")),
    ("StudyTime", "-1020", TimeRange("", "102060.999999")),
    ("StudyTime", "101530.5-", TimeRange("101530.500000", "")),
    ("InstanceNumber", "07", SingleValue("7")),
    ("InstanceNumber", "1,2", ValueList(("1", "2"))),
    ("PatientName", "^", Universal()),
    ("PatientName", "*^", Universal()),
    ("PatientID", "*\\", Universal()),
    ("TimezoneOffsetFromUTC", "+0100", Universal()),
]

LONG_UIDS = tuple(f"1.2.{10**53 + number}.{10**4}" for number in range(1001))

NONSENSE = [
    ("StudyDate", "20201399"),
    ("StudyDate", "20200230"),
    ("StudyDate", "2020"),
    ("StudyDate", "-"),
    ("StudyDate", "2020-01-02"),
    ("StudyDate", "20200203-20200102"),
    ("StudyDate", "2020*"),
    ("StudyTime", "25"),
    ("StudyTime", "1060"),
    ("StudyTime", "-"),
    ("StudyTime", "noon"),
    ("StudyInstanceUID", "1.2.*"),
    ("StudyInstanceUID", "abc"),
    ("StudyInstanceUID", ","),
    ("StudyInstanceUID", "1.2-1.3"),
    ("InstanceNumber", "1-5"),
    ("InstanceNumber", "one"),
    ("Rows", "*5"),
    ("PatientID", "a*\\b"),
    ("PatientID", "a\0b"),
    ("PatientID", "x" * 8193),
    ("StudyInstanceUID", "\\".join(LONG_UIDS)),
]

JAPANESE = "Yamada^Tarou=山田^太郎=やまだ^たろう"  # PS3.5 H.3.1

MATCHING = [
    ("PatientName", "muller^j*", "Müller^Jürgen", True),
    ("PatientName", "MULLER", "Müller^Jürgen", False),
    ("PatientName", "yamada^tarou", JAPANESE, True),
    ("PatientName", "山田^太郎", JAPANESE, True),
    ("PatientName", "=山田^太郎", JAPANESE, True),
    ("PatientName", "Yamada^Tarou=山田^太郎", JAPANESE, True),
    ("PatientName", "山田*", JAPANESE, True),
    ("PatientName", "*^tarou", JAPANESE, True),
    ("PatientName", "?amada^Tarou", JAPANESE, True),
    ("PatientName", "Yamada", JAPANESE, False),
    ("PatientName", "太郎*", JAPANESE, False),
    ("PatientName", "tarou=山田", JAPANESE, False),
    ("PatientID", "p-1", "P-1", False),
    ("PatientID", "?-1", "P-1", True),
    ("PatientID", "*", "", True),
    ("PatientID", '""', "", False),
    ("StudyDate", "-20200203", "", False),
    ("StudyDate", "20200101-", "20200101", True),
    ("StudyDate", "-20200101", "20200102", False),
    ("StudyTime", "10", "1059", True),
    ("StudyTime", "10-11", "115959.9", True),
    ("StudyTime", "10-11", "12", False),
    ("StudyTime", "10-", "", False),
    ("StudyInstanceUID", "1.2,1.3", "1.3", True),
    ("StudyInstanceUID", "1.2,1.3", "1.33", False),
    ("Modality", "CT,MR", "MR", True),
    ("InstanceNumber", "007", "7", True),
]


@pytest.mark.parametrize(("keyword", "text", "meaning"), MEANINGS)
def test_a_key_means(keyword: str, text: str, meaning: Match) -> None:
    assert parse_key(BY_KEYWORD[keyword], text) == meaning


def test_a_list_may_have_a_thousand_uids_of_full_length() -> None:
    uids = LONG_UIDS[:1000]
    assert {len(uid) for uid in uids} == {64}
    assert parse_key(BY_KEYWORD["StudyInstanceUID"], "\\".join(uids)) == UIDList(uids)


@pytest.mark.parametrize(("keyword", "text"), NONSENSE)
def test_nonsense_is_an_invalid_query(keyword: str, text: str) -> None:
    with pytest.raises(InvalidQuery, match=keyword):
        parse_key(BY_KEYWORD[keyword], text)


@pytest.mark.parametrize(("keyword", "text", "value", "expected"), MATCHING)
def test_a_key_matches(keyword: str, text: str, value: str, expected: bool) -> None:
    assert matches(parse_key(BY_KEYWORD[keyword], text), value) is expected


@given(pattern=st.text("ab*?.[", min_size=1, max_size=6), value=st.text("ab.[\n", max_size=6))
def test_wild_cards_match_as_in_file_names(pattern: str, value: str) -> None:
    key = parse_key(BY_KEYWORD["StudyDescription"], pattern)
    escaped = pattern.replace("[", "[[]")
    assert matches(key, value) is fnmatch.fnmatchcase(value, escaped)


@given(row=st.sampled_from(INDEXED), text=st.text(max_size=40))
def test_any_text_is_understood_or_an_invalid_query(row: IndexedAttribute, text: str) -> None:
    with suppress(InvalidQuery):
        assert matches(parse_key(row, text), "") in {True, False}


@given(first=st.dates(), last=st.dates(), day=st.dates())
def test_a_range_holds_the_days_between_its_ends(first: object, last: object, day: object) -> None:
    first_text, last_text, text = (str(d).replace("-", "") for d in (first, last, day))
    if first_text <= last_text:
        match = parse_key(BY_KEYWORD["StudyDate"], f"{first_text}-{last_text}")
        assert matches(match, text) is (first_text <= text <= last_text)


@pytest.mark.parametrize(
    ("keyword", "text", "option", "meaning"),
    [
        ("PatientID", '""', MatchingOption.EMPTY_VALUES, SingleValue("")),
        ("StudyDate", '""', MatchingOption.EMPTY_VALUES, SingleValue("")),
        ("InstanceNumber", '""', MatchingOption.EMPTY_VALUES, SingleValue("")),
        ("PatientName", "Jane^Dö", MatchingOption.FUZZY_NAMES, FuzzyName(("jane do",))),
        ("PatientName", "Jane*", MatchingOption.FUZZY_NAMES, Wildcard("jane*", True)),
        ("PatientName", "^=", MatchingOption.FUZZY_NAMES, Universal()),
        # Modality has one value, so that a list is no matter of PS3.4 C.2.2.2.8.
        ("Modality", "CT,MR", MatchingOption.MULTIPLE_VALUES, ValueList(("CT", "MR"))),
    ],
)
def test_options_change_what_a_key_means(
    keyword: str, text: str, option: MatchingOption, meaning: Match
) -> None:
    assert parse_key(BY_KEYWORD[keyword], text, options=option) == meaning
    assert parse_key(BY_KEYWORD[keyword], "*", options=option) == Universal()


@pytest.mark.parametrize("keyword", ["StudyDate", "StudyTime", "InstanceNumber", "SOPClassUID"])
def test_without_the_option_two_quotes_are_no_value_of_these(keyword: str) -> None:
    with pytest.raises(InvalidQuery):
        parse_key(BY_KEYWORD[keyword], '""', options=LITERAL)


@pytest.mark.parametrize(
    ("key", "name", "expected"),
    [
        ("ja do", "Doe^Jane", True),
        ("DO^JÁ", "Doe^Jane", True),
        ("oe", "Doe^Jane", False),
        ("do x", "Doe^Jane", False),
        ("漢", "Zoe=漢字=かんじ", True),
        ("かん", "Zoe=漢字=かんじ", True),
        ("x\\zo", "Zoe", True),
    ],
)
def test_fuzzy_names_match_beginnings_of_components_in_any_order(
    key: str, name: str, expected: bool
) -> None:
    match = parse_key(BY_KEYWORD["PatientName"], key, options=MatchingOption.FUZZY_NAMES)
    assert matches(match, name) is expected
