"""Query strings: understood as PS3.18 8.3.4 says, refused with a typed error, never a crash."""

from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicomweb.parameters import PageLimits, Resource, SearchParameters, bind_search, parse_search
from ingestion.dicom.attributes import Level
from ingestion.dicom.matching import SingleValue, UIDList
from ingestion.errors import InvalidQuery, NotFound
from ingestion.use_cases.search_manifest import Query, Scope

LIMITS = PageLimits(results_max=100, offset_max=1000)


def bound(
    query_string: str, level: Level = Level.STUDY, *, study: str = "", series: str = ""
) -> Query:
    resource = Resource(level, study, series)
    return bind_search(parse_search(query_string), resource, scope=Scope((1,)), limits=LIMITS)


@given(
    pairs=st.lists(
        st.tuples(
            st.one_of(
                st.text(max_size=12),
                st.sampled_from(
                    ["limit", "offset", "includefield", "fuzzymatching", "StudyDate", "PatientName",
                     "00100020", "0020000d", "StudyTime", "SeriesNumber", "ModalitiesInStudy"]
                ),
            ),
            st.one_of(st.text(max_size=20), st.text("0123456789-*?,\\:. ", max_size=20)),
        ),
        max_size=6,
    ),
    level=st.sampled_from([Level.STUDY, Level.SERIES, Level.IMAGE]),
    is_encoded=st.booleans(),
)  # fmt: skip
@settings(max_examples=200, deadline=None)
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
        "RequestAttributesSequence.AccessionNumber",
        "RequestAttributesSequence.RequestAttributesSequence.RequestedProcedureID",
        "ProcedureCodeSequence.RequestedProcedureID",
        "00000000.PatientID",
        "PatientID.RequestedProcedureID",
        "RequestAttributesSequence.",
        ".RequestedProcedureID",
    ],
)
def test_other_paths_cannot_be_matched(name: str) -> None:
    with pytest.raises(InvalidQuery):
        bound(f"{name}=1", Level.SERIES)


def test_all_includes_everything() -> None:
    assert bound("includefield=all").include.everything


def test_private_tags_may_be_included() -> None:
    assert bound("includefield=00091002", Level.IMAGE).include.tags == {"00091002"}


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
    ((_, match),) = parse_search("StudyInstanceUID=1.2%2C1.3%5C1.4").matches
    assert match == UIDList(("1.2", "1.3", "1.4"))


def test_keys_below_the_level_are_refused() -> None:
    with pytest.raises(InvalidQuery, match="SERIES level"):
        bound("Modality=CT")
