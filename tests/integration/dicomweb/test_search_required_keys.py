"""Every key that a server must match, at its level and beneath (PS3.18 10.6.1.2.3)."""

import pytest
from pydicom.dataset import Dataset

from tests.builders import build_ct
from tests.integration.dicomweb.web_client import WebClient, value

STUDIES, SERIES, INSTANCES = "studies", "series", "instances"
CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"

# PS3.18 Table 10.6.1-5: level, keyword, tag, a value of the one study and of the other.
REQUIRED = [
    (STUDIES, "StudyDate", "00080020", "20260102", "20260301"),
    (STUDIES, "StudyTime", "00080030", "101530.25", "2359"),
    (STUDIES, "AccessionNumber", "00080050", "A-1", "A-2"),
    (STUDIES, "ModalitiesInStudy", "00080061", "CT", "MR"),
    (STUDIES, "ReferringPhysicianName", "00080090", "Roe^Ann", "Poe^Bob"),
    (STUDIES, "PatientName", "00100010", "Doe^Jane", "Moe^Zoe"),
    (STUDIES, "PatientID", "00100020", "P-1", "P-2"),
    (STUDIES, "StudyInstanceUID", "0020000D", "1.2.1", "1.2.2"),
    (STUDIES, "StudyID", "00200010", "S-1", "S-2"),
    (SERIES, "Modality", "00080060", "CT", "MR"),
    (SERIES, "SeriesInstanceUID", "0020000E", "1.3.1", "1.3.2"),
    (SERIES, "SeriesNumber", "00200011", "3", "9"),
    (SERIES, "PerformedProcedureStepStartDate", "00400244", "20260103", "20260302"),
    (SERIES, "PerformedProcedureStepStartTime", "00400245", "10", "11"),
    (
        SERIES,
        "RequestAttributesSequence.ScheduledProcedureStepID",
        "00400275.00400009",
        "SPS-1",
        "SPS-2",
    ),
    (SERIES, "RequestAttributesSequence.RequestedProcedureID", "00400275.00401001", "R-1", "R-2"),
    (INSTANCES, "SOPClassUID", "00080016", CT, MR),
    (INSTANCES, "SOPInstanceUID", "00080018", "1.4.1", "1.4.2"),
    (INSTANCES, "InstanceNumber", "00200013", "7", "8"),
]  # fmt: skip
LEVELS = [STUDIES, SERIES, INSTANCES]


@pytest.fixture
def held(web: WebClient) -> None:
    web.store(_made(first=True), _made(first=False))


def _made(*, first: bool) -> Dataset:
    values = {keyword: one if first else other for _, keyword, _, one, other in REQUIRED}
    request = Dataset()
    made = build_ct()
    for keyword, text in values.items():
        target = request if "." in keyword else made
        if keyword != "ModalitiesInStudy":
            setattr(target, keyword.rpartition(".")[2], text)
    made.RequestAttributesSequence = [request]
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    return made


@pytest.mark.parametrize(("level", "keyword", "tag", "one", "other"), REQUIRED)
def test_a_required_key_is_matched_at_its_level_and_beneath(
    web: WebClient, held: None, level: str, keyword: str, tag: str, one: str, other: str
) -> None:
    for searched in LEVELS[LEVELS.index(level) :]:
        for name in (keyword, tag, tag.lower()):
            for text, study in ((one, "1.2.1"), (other, "1.2.2")):
                found = web.json(f"/dicomweb/{searched}?{name}={text}")
                assert [value(item, "0020000D") for item in found] == [study], (searched, name)
    for above in LEVELS[: LEVELS.index(level)]:
        assert web.get(f"/dicomweb/{above}?{keyword}={one}").status_code == 400
