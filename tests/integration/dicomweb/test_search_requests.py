"""Series are found by, and described with, what was requested (PS3.18 10.6.1.2.3, 10.6.3.3.2)."""

import pytest
from pydicom.dataset import Dataset

from tests.builders import build_ct
from tests.integration.dicomweb.web_client import WebClient, value


@pytest.fixture
def requested(web: WebClient) -> dict[str, str]:
    """A series made on two requests and one made on none."""
    first, second = Dataset(), Dataset()
    first.ScheduledProcedureStepID, first.RequestedProcedureID = "SPS-1", "RP 1"
    first.ScheduledProcedureStepDescription = "Abdomen"
    second.RequestedProcedureID = "RP 2"
    dataset = build_ct(extra=[(0x00400275, "SQ", [first, second])])
    other = build_ct()
    web.store(dataset, other)
    return {dataset.StudyInstanceUID: "requested", other.StudyInstanceUID: "other"}


@pytest.mark.parametrize("path", ["series", "instances"])
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("RequestAttributesSequence.ScheduledProcedureStepID=SPS-1", "requested"),
        ("00400275.00400009=SPS-1", "requested"),
        ("ScheduledProcedureStepID=SPS-1", "requested"),
        ("ScheduledProcedureStepID=sps-1", ""),
        ("ScheduledProcedureStepID=SPS", ""),
        ("ScheduledProcedureStepID=S*", "requested"),
        ("ScheduledProcedureStepID=SPS-?", "requested"),
        ("RequestedProcedureID=RP%202", "requested"),
        ("RequestedProcedureID=RP%202%5CRP%203", "requested"),
        ("RequestedProcedureID=RP*RP*", ""),
        ("RequestedProcedureID=%22%22&emptyvaluematching=true", "other"),
        ("RequestedProcedureID=*", "requested other"),
        ("00400275.RequestedProcedureID=RP%201&00400275.00400009=SPS-1", "requested"),
    ],
)
def test_series_are_found_by_what_was_requested(
    web: WebClient, requested: dict[str, str], path: str, query: str, expected: str
) -> None:
    found = web.json(f"/dicomweb/{path}?{query}")
    assert {requested[value(item, "0020000D")] for item in found} == set(expected.split())


def test_a_series_is_described_with_its_requests(web: WebClient, requested: dict[str, str]) -> None:
    # PS3.18 Table 10.6.3-4
    first = {
        "00400009": {"vr": "SH", "Value": ["SPS-1"]},
        "00401001": {"vr": "SH", "Value": ["RP 1"]},
    }
    by_study = {value(item, "0020000D"): item["00400275"] for item in web.json("/dicomweb/series")}
    found = {requested[uid]: element for uid, element in by_study.items()}
    assert found == {
        "requested": {
            "vr": "SQ",
            "Value": [
                first,
                {"00400009": {"vr": "SH"}, "00401001": {"vr": "SH", "Value": ["RP 2"]}},
            ],
        },
        "other": {"vr": "SQ"},
    }
    for asked in ("includefield=RequestAttributesSequence", "RequestedProcedureID=RP%202"):
        items = [item["00400275"] for item in web.json(f"/dicomweb/series?{asked}")]
        (whole,) = [item["Value"][0] for item in items if "Value" in item]
        assert whole == first | {"00400007": {"vr": "LO", "Value": ["Abdomen"]}}
