"""A search finds what the matcher of data sets says of each object, whatever serves it: columns,
headers or both, page by page. Source: PS3.4 C.2.2.2, PS3.18 8.3.4."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from ingestion.dicom.document_matching import matches_all, parse_document_key, with_combined_times
from ingestion.dicom.match_keys import LITERAL, MatchingOption
from ingestion.errors import InvalidQuery
from tests.builders import build_ct
from tests.integration.dicomweb.web_client import WebClient, value


def _request(step: str, procedure: str, description: str) -> Dataset:
    request = Dataset()
    request.ScheduledProcedureStepID, request.RequestedProcedureID = step, procedure
    request.ScheduledProcedureStepDescription = description
    return request


REQUESTS: tuple[list[Dataset], ...] = (
    [_request("S1", "R1", "head"), _request("S2", "R2", "neck")],
    [_request("S1", "R2", "head")],
    [_request("S2", "", "Head")],
    [],
)
NAMES = ("Doe^Jane", "Müller^Zoë=漢字", "doe^john^x", "")
DATES, TIMES = ("20260101", "20260102", ""), ("101530.25", "2359", "")
MOMENTS = ("20260101", "20260102101530.5+0100", "20260103000000-0500", None)
AGES, WEIGHTS = ("045Y", "046Y", None), ("71.5", "72", "-0", "")
IMAGE_TYPES = (["ORIGINAL", "PRIMARY", "AXIAL"], ["DERIVED", "PRIMARY"], None)

OPTIONS = {
    MatchingOption.FUZZY_NAMES: "fuzzymatching",
    MatchingOption.EMPTY_VALUES: "emptyvaluematching",
    MatchingOption.MULTIPLE_VALUES: "multiplevaluematching",
}
EMPTY = '""'
KEYS = {
    "PatientName": ["doe*", "Doe^Jane", "j", "zoe 漢", "*", EMPTY],
    "PatientID": ["P-1", "P-?", "P-1\\P-2", EMPTY],
    "StudyDate": ["20260101", "20260101-", "20260101-20260102", "-20260101", EMPTY],
    "StudyTime": ["10", "1015-", "1100-1000", "-2358", "0000-1016", EMPTY],
    "SeriesNumber": ["1", "2,3", EMPTY],
    "AcquisitionDateTime": ["2026", "20260102-", "20260102091530.5+0000", "-20260102", EMPTY],
    "PatientAge": ["045Y", "045Y,046Y", EMPTY],
    "PatientWeight": ["71.50", "0", EMPTY],
    "ImageType": ["PRIMARY", "PRIMARY\\AXIAL", "DERIVED,AXIAL", "*ARY", EMPTY],
    "RequestAttributesSequence.ScheduledProcedureStepID": ["S1", "S?", EMPTY],
    "RequestAttributesSequence.RequestedProcedureID": ["R1", "R2", EMPTY],
    "RequestAttributesSequence.ScheduledProcedureStepDescription": ["head", "*e*", EMPTY],
}


@pytest.fixture
def stored(web: WebClient) -> dict[str, dict[str, Any]]:
    """Objects by SOP Instance UID, as pydicom tells them in JSON."""
    data_sets = [_made(number) for number in range(12)]
    web.store(*data_sets)
    return {item.SOPInstanceUID: item.to_json_dict(1024, lambda _: "x") for item in data_sets}


def _made(number: int) -> Dataset:
    """Values vary with the number, each list at its own pace."""
    moment, age = MOMENTS[number % 4], AGES[number % 3]
    return build_ct(
        character_set="ISO_IR 192",
        extra=[
            (0x00100010, "PN", NAMES[number % 4]),
            (0x00100020, "LO", f"P-{number % 5}"),
            (0x00080020, "DA", DATES[number % 3]),
            (0x00080030, "TM", TIMES[number // 3 % 3]),
            (0x00200011, "IS", number % 4 or ""),
            (0x0008002A, "DT", moment),
            (0x00101010, "AS", age),
            (0x00101030, "DS", WEIGHTS[number // 2 % 4]),
            (0x00080008, "CS", IMAGE_TYPES[number // 4 % 3]),
            (0x00400275, "SQ", REQUESTS[number // 3]),
        ],
    )


@st.composite
def queries(draw: st.DrawFn) -> tuple[dict[str, str], MatchingOption]:
    names = draw(st.lists(st.sampled_from(sorted(KEYS)), min_size=1, max_size=3, unique=True))
    options = LITERAL
    for option in draw(st.sets(st.sampled_from(list(MatchingOption)))):
        options |= option
    return {name: draw(st.sampled_from(KEYS[name])) for name in names}, options


@settings(max_examples=60)
@given(query=queries(), limit=st.integers(1, 5))
def test_a_search_finds_what_matches(
    web: WebClient,
    stored: dict[str, dict[str, Any]],
    query: tuple[dict[str, str], MatchingOption],
    limit: int,
) -> None:
    pairs, options = query
    text = urlencode(pairs | {name: "true" for one, name in OPTIONS.items() if one in options})
    try:
        keys = with_combined_times(
            [parse_document_key(name, wanted, options=options) for name, wanted in pairs.items()]
        )
    except InvalidQuery:
        assert web.get(f"/dicomweb/instances?{text}").status_code == 400
        return
    expected = {uid for uid, data_set in stored.items() if matches_all(keys, data_set)}
    whole = [value(item, "00080018") for item in web.json(f"/dicomweb/instances?{text}")]
    assert sorted(whole) == sorted(expected), text
    paged: list[str] = []
    while True:
        response = web.get(f"/dicomweb/instances?{text}&limit={limit}&offset={len(paged)}")
        page = [value(item, "00080018") for item in json.loads(response.content)]
        paged += page
        if "next" not in response.headers.get("Link", ""):
            break
    assert paged == whole, text
