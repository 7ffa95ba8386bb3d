"""Parameters of WADO-URI: what is required, refused, and how they are told to the renderer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.wado_uri_parameters import Region, UriParameters, parse_uri
from ingestion.dicom.rendering.viewport import Viewport
from ingestion.dicom.rendering.windows import Window
from ingestion.errors import InvalidQuery

REQUIRED = {"requestType": "WADO", "studyUID": "1.2", "seriesUID": "1.3", "objectUID": "1.4"}


def parsed(**query: str) -> UriParameters:
    return parse_uri(REQUIRED | query)


def test_identifiers_and_nothing_else() -> None:
    assert parsed() == UriParameters("1.2", "1.3", "1.4")


def test_who_asks_for_no_anonymity_asks_for_nothing() -> None:
    assert parsed(anonymize="no") == parsed()


@pytest.mark.parametrize("value", ["WADO", "wado", " WADO "])
def test_request_type_is_taken_in_any_case(value: str) -> None:
    assert parsed(requestType=value).sop_instance_uid == "1.4"


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("value", [None, "", " "])
def test_what_is_required_must_be_there(name: str, value: str | None) -> None:
    query = {key: text for key, text in REQUIRED.items() if key != name}
    with pytest.raises(InvalidQuery, match=name):
        parse_uri(query if value is None else query | {name: value})


@pytest.mark.parametrize(
    "query",
    [
        {"requestType": "IID"},
        {"anonymize": "yes"},
        {"anonymize": "maybe"},
        {"transferSyntax": "JPEG"},
        {"transferSyntax": "1.2.840.10008.1.2,1.2.840.10008.1.2.1"},
        {"presentationUID": "1.2"},
        {"presentationSeriesUID": "1.2"},
        {"frameNumber": "0"},
        {"frameNumber": "-1"},
        {"frameNumber": "1,2"},
        {"rows": "0"},
        {"rows": "1.5"},
        {"columns": "8193"},
        {"region": "0,0,1"},
        {"region": "0,0,1,1,1"},
        {"region": "0.5,0,0.5,1"},
        {"region": "0,0,1.5,1"},
        {"region": "-0.1,0,1,1"},
        {"region": "nan,0,1,1"},
        {"windowCenter": "40"},
        {"windowWidth": "400"},
        {"windowCenter": "x", "windowWidth": "1"},
        {"windowCenter": "40", "windowWidth": "0"},
        {"imageQuality": "0"},
        {"imageQuality": "101"},
        {"annotation": "logo"},
    ],
)
def test_nonsense_and_what_is_not_supported_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(InvalidQuery):
        parsed(**query)


def test_empty_and_unknown_parameters_say_nothing() -> None:
    empty = dict.fromkeys(
        ("frameNumber", "rows", "region", "windowCenter", "windowWidth", "anonymize"), ""
    )
    assert parsed(**empty, charset="UTF-8", nonsense="1") == parsed()


def test_window_quality_and_frame() -> None:
    asked = parsed(windowCenter="40", windowWidth="400", imageQuality="75", frameNumber="3")
    assert asked.rendering.window == Window(40, 400)
    assert asked.rendering.quality == 75
    assert asked.frame_number == 3


def test_rows_and_columns_are_the_largest_height_and_width() -> None:
    viewport = parsed(rows="100", columns="200").rendering_of(50, 50).viewport
    assert viewport == Viewport(200, 100, 0, 0, 50, 50)
    only_rows = parsed(rows="100").rendering_of(50, 50).viewport
    assert only_rows is not None
    assert (only_rows.height, only_rows.width) == (100, 8192)


def test_region_is_a_part_of_the_image_in_its_own_size() -> None:
    asked = parsed(region="0.25,0.5,0.75,1")
    assert asked.region == Region(0.25, 0.5, 0.75, 1)
    viewport = asked.rendering_of(rows=100, columns=200).viewport
    assert viewport is not None
    assert (viewport.left, viewport.top) == (50, 50)
    assert (viewport.region_width, viewport.region_height) == (100, 50)
    assert not viewport.may_enlarge


NAMES = [*REQUIRED, "anonymize", "frameNumber", "rows", "columns", "region", "windowCenter",
         "windowWidth", "imageQuality", "annotation", "transferSyntax", "contentType"]  # fmt: skip


@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=30) | st.just("0,0,1e-9,1")))
def test_whatever_comes_is_understood_or_refused(query: dict[str, str]) -> None:
    try:
        asked = parse_uri(REQUIRED | query)
    except InvalidQuery:
        return
    assert asked.rendering_of(1, 1).quality >= 1
