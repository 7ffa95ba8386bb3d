"""Query strings: understood as PS3.18 8.3.4 says, refused with a typed error, never a crash."""

from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicomweb.parameters import PageLimits, Resource, SearchParameters, bind_search, parse_search
from ingestion.dicom.attributes import Level
from ingestion.dicom.matching import FuzzyName, SingleValue, UIDList
from ingestion.errors import InvalidQuery, NotFound
from ingestion.use_cases.search_query import AcrossSpaces, HeaderLimits, Query, Scope

LIMITS = PageLimits(results_max=100, offset_max=1000)
HEADER_LIMITS = HeaderLimits(500, seconds_max=3.0)


def bound(
    query_string: str, level: Level = Level.STUDY, *, study: str = "", series: str = ""
) -> Query:
    resource = Resource(level, study, series)
    parameters = parse_search(query_string)
    return bind_search(
        parameters, resource, scope=Scope((1,)), limits=LIMITS, header_limits=HEADER_LIMITS
    )


@given(
    pairs=st.lists(
        st.tuples(
            st.one_of(
                st.text(max_size=12),
                st.sampled_from(
                    ["limit", "offset", "includefield", "fuzzymatching", "StudyDate", "PatientName",
                     "00100020", "0020000d", "StudyTime", "SeriesNumber", "ModalitiesInStudy",
                     "emptyvaluematching", "multiplevaluematching", "eachspace", "PatientAge",
                     "00091001", "AcquisitionDateTime", "PatientWeight", "00400275.00400009",
                     "00081115.00081199.00081155", "FrameIncrementPointer", "PixelData"]
                ),
            ),
            st.one_of(st.text(max_size=20), st.text('0123456789-+*?,\\:."Y ', max_size=20)),
        ),
        max_size=6,
    ),
    level=st.sampled_from([Level.STUDY, Level.SERIES, Level.IMAGE]),
    is_encoded=st.booleans(),
)  # fmt: skip
@settings(max_examples=200)
def test_any_query_string_gives_a_query_or_a_typed_error(
    pairs: list[tuple[str, str]], level: Level, is_encoded: bool
) -> None:
    text = "&".join(
        f"{quote(name)}={quote(value)}" if is_encoded else f"{name}={value}"
        for name, value in pairs
    )
    try:
        query = bound(text, level)
    except InvalidQuery:
        return
    assert 0 <= query.limit <= LIMITS.results_max
    assert query.scope == Scope((1,))


@pytest.mark.parametrize("text", ["", "&&", "limit=5&limit=7"])
def test_little_is_enough(text: str) -> None:
    assert isinstance(parse_search(text), SearchParameters)


def test_without_a_limit_a_page_is_as_long_as_it_may_be() -> None:
    assert bound("").limit == 100
    assert bound("limit=1000000").limit == 100
    assert bound("limit=7").limit == 7


@pytest.mark.parametrize(
    "text",
    [
        "includefield=00081030,00080060",
        "includefield=00081030%2C00080060",
        "includefield=00081030&includefield=00080060",
        "includefield=StudyDescription&IncludeField=0008-0060".replace("-", ""),
        "includefield=studydescription".replace("studyd", "StudyD") + ",Modality",
    ],
)
def test_included_fields_are_listed_in_every_way(text: str) -> None:
    assert bound(text).include.tags == {"00081030", "00080060"}


def test_of_a_path_the_whole_sequence_is_included() -> None:
    text = "includefield=RequestAttributesSequence.ScheduledProcedureStepID"
    assert bound(text).include.tags == {"00400275"}
    assert bound("includefield=00400275.00400009").include.tags == {"00400275"}


@pytest.mark.parametrize(
    "name",
    [
        "RequestAttributesSequence.ScheduledProcedureStepID",
        "00400275.00400009",
        "00400275.ScheduledProcedureStepID",
        "RequestAttributesSequence.00400009",
        "ScheduledProcedureStepID",
        "00400009",
    ],
)
def test_attributes_of_requests_are_named_in_every_way(name: str) -> None:
    query = bound(f"{name}=SPS-1", Level.SERIES)
    ((attribute, match),) = query.matches
    assert attribute.keyword == "ScheduledProcedureStepID"
    assert match == SingleValue("SPS-1")
    assert query.include.tags == {"00400275"}


@pytest.mark.parametrize(
    "name",
    [
        "RequestAttributesSequence",
        "00000000.PatientID",
        "MediaStorageSOPClassUID",
        "00020010",
        "PatientID.RequestedProcedureID",
        "RequestAttributesSequence.",
        ".RequestedProcedureID",
    ],
)
def test_other_paths_cannot_be_matched(name: str) -> None:
    with pytest.raises(InvalidQuery):
        bound(f"{name}=1", Level.SERIES)


@pytest.mark.parametrize("name", ["NoSuchKeyword", "patientid", "0008FFF1", "includefield=Name"])
def test_what_the_data_dictionary_does_not_have_is_told(name: str) -> None:
    with pytest.raises(InvalidQuery, match=name.rpartition("=")[2]):
        bound(f"PatientID=P&{name}=x" if "=" not in name else name)


def test_names_that_are_none_are_not_repeated() -> None:
    with pytest.raises(InvalidQuery, match="names an attribute, which"):
        bound("Doe^Jane%22=x")


def test_all_includes_everything() -> None:
    assert bound("includefield=all").include.everything


def test_private_tags_are_included_with_their_creator() -> None:
    # PS3.18 10.6.3.3
    for text in ("includefield=00091002", "00091002=x", "00091002="):
        assert bound(text, Level.IMAGE).include.tags == {"00091002", "00090010"}
    assert bound("includefield=00090010", Level.IMAGE).include.tags == {"00090010"}


def test_a_tag_that_no_dictionary_knows_may_be_included_and_not_matched() -> None:
    assert bound("includefield=0008FFF1").include.tags == {"0008FFF1"}
    with pytest.raises(InvalidQuery, match="data dictionary"):
        bound("0008FFF1=x")


def test_what_no_column_holds_is_matched_in_documents() -> None:
    query = bound("PatientAge=045Y&PatientID=P")
    ((attribute, _),) = query.matches
    assert attribute.keyword == "PatientID"
    (key,) = query.document_keys
    assert key.name == "PatientAge"
    assert query.header_limits == HEADER_LIMITS
    assert "00101010" in query.include.tags


def test_keys_of_one_sequence_are_matched_together_in_documents() -> None:
    one = bound("ScheduledProcedureStepID=S", Level.SERIES)
    assert (len(one.matches), one.document_keys) == (1, ())
    two = bound("ScheduledProcedureStepID=S&RequestedProcedureID=R", Level.SERIES)
    assert (len(two.matches), len(two.document_keys)) == (2, 2)
    mixed = bound("ScheduledProcedureStepID=S&00400275.AccessionNumber=A", Level.SERIES)
    assert (len(mixed.matches), len(mixed.document_keys)) == (1, 2)
    open_ended = bound("ScheduledProcedureStepID=S&RequestedProcedureID=", Level.SERIES)
    assert (len(open_ended.matches), open_ended.document_keys) == (1, ())


@pytest.mark.parametrize(
    ("text", "columns", "documents"),
    [
        ("StudyDate=20260101-20260102&StudyTime=10-09", 1, 0),
        ("StudyTime=10-11&StudyDate=20260101-20260102", 1, 0),
        ("StudyDate=20260101&StudyTime=10-11", 2, 0),
        ("StudyDate=20260101-&StudyTime=-11", 2, 0),
        ("PatientBirthDate=19700101-&PatientBirthTime=10-", 0, 1),
    ],
)
def test_ranges_of_a_date_and_its_time_are_one(text: str, columns: int, documents: int) -> None:
    query = bound(text)
    assert (len(query.matches), len(query.document_keys)) == (columns, documents)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Rows=1", "IMAGE level"),
        ("ProtocolName=x", "SERIES level"),
        ("ImageType=x", "IMAGE level"),
        ("InstanceAvailability=ONLINE", "made for each answer"),
        ("NumberOfStudyRelatedInstances=1", "made for each answer"),
        ("StudyTime=11-10", "ends before it begins"),
    ],
)
def test_what_would_match_nothing_or_all_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidQuery, match=reason):
        bound(text)


def test_a_key_without_a_value_only_asks_for_its_attribute() -> None:
    query = bound(
        "NumberOfStudyRelatedInstances=&Modality=&PatientAge=*&RequestAttributesSequence="
    )
    assert (query.matches, query.document_keys) == ((), ())
    assert query.include.tags == {"00201208", "00080060", "00101010", "00400275"}


def test_options_hold_for_keys_before_them_too() -> None:
    for text in ("PatientName=x&fuzzymatching=true", "FuzzyMatching=true&PatientName=x"):
        ((_, match),) = bound(text).matches
        assert match == FuzzyName(("x",))
    ((_, match),) = bound("fuzzymatching=true&fuzzymatching=false&PatientName=x").matches
    assert match == SingleValue("x", is_normalized=True)


def test_attributes_that_say_how_keys_are_written_are_told_and_not_matched() -> None:
    parameters = parse_search("SpecificCharacterSet=ISO_IR%20192&TimezoneOffsetFromUTC=")
    assert parameters.unmatched == ("SpecificCharacterSet",)


def test_spaces_are_merged_unless_each_is_asked_for() -> None:
    assert bound("").across_spaces is AcrossSpaces.MERGED
    assert bound("eachspace=true").across_spaces is AcrossSpaces.EACH


def test_the_path_binds_study_and_series() -> None:
    query = bound("", Level.IMAGE, study="1.2", series="1.3")
    assert [attribute.keyword for attribute, _ in query.matches] == [
        "StudyInstanceUID",
        "SeriesInstanceUID",
    ]
    assert query.shown == (Level.IMAGE,)


def test_a_path_that_can_name_nothing_is_not_found() -> None:
    with pytest.raises(NotFound):
        bound("", Level.SERIES, study="abc")


@pytest.mark.parametrize(
    ("level", "study", "series", "shown"),
    [
        (Level.STUDY, "", "", (Level.STUDY,)),
        (Level.SERIES, "", "", (Level.STUDY, Level.SERIES)),
        (Level.SERIES, "1", "", (Level.SERIES,)),
        (Level.IMAGE, "", "", (Level.STUDY, Level.SERIES, Level.IMAGE)),
        (Level.IMAGE, "1", "", (Level.SERIES, Level.IMAGE)),
        (Level.IMAGE, "1", "2", (Level.IMAGE,)),
    ],
)
def test_levels_shown_are_those_that_the_path_leaves_open(
    level: Level, study: str, series: str, shown: tuple[Level, ...]
) -> None:
    assert Resource(level, study, series).shown == shown


def test_a_plus_sign_is_a_space_and_a_list_is_split_after_decoding() -> None:
    (key,) = parse_search("StudyInstanceUID=1.2%2C1.3%5C1.4").keys
    assert key.match == UIDList(("1.2", "1.3", "1.4"))


def test_keys_below_the_level_are_refused() -> None:
    with pytest.raises(InvalidQuery, match="SERIES level"):
        bound("Modality=CT")
