"""QIDO-RS through the views (PS3.18 10.6); queries are those that clients send."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pydicom.dataset import Dataset

from ingestion.models import Series, StorageSpace, Study
from tests.builders import build_ct, new_uid
from tests.integration.dicomweb.paths import study_path
from tests.integration.dicomweb.web_client import WebClient, content, make_token, value

APPENDED_BY_OHIF = (
    "application/dicom+json, multipart/related; type=application/octet-stream; transfer-syntax=*"
)
OHIF_STUDIES = (
    "limit=101&offset=0&fuzzymatching=false&includefield=00081030%2C00080060%2C00080090%2C00100030"
)


def study_uids(web: WebClient, query: str, path: str = "/dicomweb/studies") -> set[str]:
    return {value(item, "0020000D") for item in web.json(f"{path}?{query}")}


@pytest.fixture
def jane(web: WebClient) -> Dataset:
    dataset = build_ct(
        extra=[
            (0x00100010, "PN", "Doe^Jane"),
            (0x00100020, "LO", "P-1"),
            (0x00080020, "DA", "20260102"),
            (0x00080030, "TM", "101530.25"),
            (0x00080050, "SH", "A-1"),
            (0x00081030, "LO", "CT 50% abdomen"),
            (0x00081048, "PN", "Physician^Record"),
        ]
    )
    web.store(dataset)
    return dataset


@pytest.fixture
def zoe(web: WebClient) -> Dataset:
    dataset = build_ct(
        character_set="ISO_IR 192",
        extra=[
            (0x00100010, "PN", "Müller^Zoë=漢字"),
            (0x00100020, "LO", "P-2"),
            (0x00080020, "DA", "20260301"),
            (0x00080030, "TM", "2359"),
            (0x00080050, "SH", "A-2"),
            (0x00081030, "LO", "CT 500 head"),
            (0x00080060, "CS", "MR"),
            (0x00200011, "IS", "9"),
        ],
    )
    web.store(dataset)
    return dataset


@pytest.fixture
def both(jane: Dataset, zoe: Dataset) -> dict[str, str]:
    return {jane.StudyInstanceUID: "jane", zoe.StudyInstanceUID: "zoe"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "jane zoe"),
        (OHIF_STUDIES, "jane zoe"),
        ("PatientID=P-1", "jane"),
        ("00100020=P-1", "jane"),
        ("PatientID=p-1", ""),
        ("PatientID=P-*", "jane zoe"),
        ("PatientID=P-?", "jane zoe"),
        ("PatientID=P_1", ""),
        ("PatientID=", "jane zoe"),
        ("PatientID=*", "jane zoe"),
        ("PatientName=Doe^Jane", "jane"),
        ("PatientName=doe^jane", "jane"),
        ("PatientName=*muller*", "zoe"),
        ("PatientName=*M%C3%BCller*", "zoe"),
        ("PatientName=D?e*", "jane"),
        ("PatientName=jane", ""),
        ("PatientName=jane&fuzzymatching=true", "jane"),
        ("PatientName=zo%20mul&fuzzymatching=true", "zoe"),
        ("PatientName=oe&fuzzymatching=true", ""),
        ("AccessionNumber=A-2", "zoe"),
        ("PatientID=P-1&AccessionNumber=A-2", ""),
        ("PatientID=P-1&AccessionNumber=A-1&StudyDate=20260102", "jane"),
        ("StudyDate=20260102", "jane"),
        ("StudyDate=20260101-20260131", "jane"),
        ("StudyDate=20260201-", "zoe"),
        ("StudyDate=-20260201", "jane"),
        ("StudyTime=10", "jane"),
        ("StudyTime=1015-1015", "jane"),
        ("StudyTime=101530.25-101530.25", "jane"),
        ("StudyTime=101531-", "zoe"),
        ("StudyTime=-2358", "jane"),
        ("StudyDescription=CT%2050%25*", "jane"),
        ("StudyDescription=CT%2050*", "jane zoe"),
        ("ModalitiesInStudy=CT", "jane"),
        ("ModalitiesInStudy=CT,MR", "jane zoe"),
        ("ModalitiesInStudy=CT%2CMR", "jane zoe"),
        ("ModalitiesInStudy=CT%5CMR", "jane zoe"),
        ("ModalitiesInStudy=M*", "zoe"),
        ("00080061=mr", ""),
        ("ReferringPhysicianName=roe*", "jane zoe"),
        ("SOPClassesInStudy=1.2.840.10008.5.1.4.1.1.2", "jane zoe"),
        ("0020000d=1.2.3", ""),
        ("emptyvaluematching=false", "jane zoe"),
        ("PatientID=%22%22", ""),
        ("PatientID=%22%22&emptyvaluematching=true", ""),
        ("IssuerOfPatientID=%22%22&emptyvaluematching=true", "jane zoe"),
        ("ModalitiesInStudy=%22%22&emptyvaluematching=true", ""),
        ("ModalitiesInStudy=CT%5CMR&multiplevaluematching=true", ""),
        ("ModalitiesInStudy=CT&multiplevaluematching=true", "jane"),
        ("PatientName=%E6%BC%A2&fuzzymatching=true", "zoe"),
        ("StudyDate=20260101-20260301&StudyTime=2300-2200", "jane"),
        ("StudyDate=20260102-20260301&StudyTime=1015-2359", "jane zoe"),
        ("StudyDate=20260102-20260301&StudyTime=1016-2358", ""),
        ("StudyDate=20260102-&StudyTime=1016-", "zoe"),
        ("PhysiciansOfRecord=physician^record", "jane"),
        ("00081048=Phys*", "jane"),
        ("PhysiciansOfRecord=rec&fuzzymatching=true", "jane"),
        ("PhysiciansOfRecord=%22%22&emptyvaluematching=true", "zoe"),
        ("PhysiciansOfRecord=", "jane zoe"),
        ("PatientID=P-2&PhysiciansOfRecord=Phys*", ""),
    ],
)
def test_studies_are_found_by_their_keys(
    web: WebClient, both: dict[str, str], query: str, expected: str
) -> None:
    assert {both[uid] for uid in study_uids(web, query)} == set(expected.split())


@pytest.mark.parametrize("separator", [",", "\\", "%2C", "%5C"])
def test_lists_of_uids_are_split_after_decoding(
    web: WebClient, both: dict[str, str], separator: str
) -> None:
    assert study_uids(web, f"StudyInstanceUID={separator.join([*both, '1.2'])}") == set(both)


@pytest.mark.parametrize(
    ("path", "query", "expected"),
    [
        ("series", "Modality=MR", "zoe"),
        ("series", "SeriesNumber=9", "zoe"),
        ("series", "SeriesNumber=99999999999", ""),
        ("series", "PatientID=P-1", "jane"),
        ("series", "ModalitiesInStudy=CT", "jane"),
        ("series", "SeriesDescription=Portal*", "jane zoe"),
        ("instances", "InstanceNumber=7", "jane zoe"),
        ("instances", "InstanceNumber=8", ""),
        ("instances", "Modality=MR", "zoe"),
        ("instances", "SOPClassUID=1.2.840.10008.5.1.4.1.1.2&StudyDate=20260301", "zoe"),
        ("instances", "Rows=8", "jane zoe"),
        ("instances", "AvailableTransferSyntaxUID=1.2.840.10008.1.2.1", "jane zoe"),
        ("series", "SeriesNumber=%22%22&emptyvaluematching=true", ""),
        ("series", "PhysiciansOfRecord=Phys*", "jane"),
        ("instances", "PhysiciansOfRecord=Phys*&ImageType=AXIAL", "jane"),
        ("instances", "ImageType=AXIAL%5CPRIMARY&multiplevaluematching=true", "jane zoe"),
        ("instances", "ImageType=AXIAL%5CMPR&multiplevaluematching=true", ""),
        ("instances", "ImageType=AXIAL%2CMPR", "jane zoe"),
        ("instances", "RescaleIntercept=-1024.0&Modality=MR", "zoe"),
        ("instances", "00090010=ACME", ""),
        ("instances", "NumberOfFrames=%22%22&emptyvaluematching=true", "jane zoe"),
    ],
)
def test_keys_of_upper_levels_hold_below(
    web: WebClient, both: dict[str, str], path: str, query: str, expected: str
) -> None:
    found = study_uids(web, query, f"/dicomweb/{path}")
    assert {both[uid] for uid in found} == set(expected.split())


@pytest.mark.parametrize(
    "query",
    [
        "NoSuchKeyword=1",
        "(0010,0020)=P-1",
        "001000=1",
        "Modality=CT",
        "SOPInstanceUID=1.2",
        "ProtocolName=x",
        "RequestAttributesSequence.ScheduledProcedureStepID=1",
        "NumberOfStudyRelatedInstances=1",
        "StudyDate=yesterday",
        "StudyDate=20260231",
        "StudyInstanceUID=abc",
        "limit=-1",
        "limit=many",
        "offset=1000001",
        "fuzzymatching=perhaps",
        "includefield=NoSuchKeyword",
        "PatientID=P%00x",
        "PixelData=x",
        "InstanceAvailability=ONLINE",
        "eachspace=perhaps",
        "patientid=P-1",
        "&".join(["PatientID=x"] * 201),
    ],
)
def test_what_cannot_be_understood_is_400_and_quotes_no_value(web: WebClient, query: str) -> None:
    response = web.get(f"/dicomweb/studies?{query}")
    assert response.status_code == 400
    problem = json.loads(response.content)
    assert problem["code"] == "invalid-query"
    assert "yesterday" not in problem["detail"]


def test_none_found_is_an_empty_list(web: WebClient) -> None:
    response = web.get("/dicomweb/studies?PatientID=nobody")
    assert (response.status_code, response.content) == (200, b"[]")
    assert response["Content-Type"] == "application/dicom+json"


def test_a_study_is_described_as_the_standard_asks(web: WebClient, zoe: Dataset) -> None:
    (study,) = web.json("/dicomweb/studies")
    assert study["00100010"] == {
        "vr": "PN",
        "Value": [{"Alphabetic": "Müller^Zoë", "Ideographic": "漢字"}],
    }
    assert study["00080005"]["Value"] == ["ISO_IR 192"]
    assert study["00080056"] == {"vr": "CS", "Value": ["ONLINE"]}
    assert study["00080061"] == {"vr": "CS", "Value": ["MR"]}
    assert study["00201206"] == {"vr": "IS", "Value": [1]}
    assert study["00201208"] == {"vr": "IS", "Value": [1]}
    assert value(study, "00081190") == (
        f"http://testserver/dicomweb/spaces/main/studies/{zoe.StudyInstanceUID}"
    )
    # Table 10.6.3-3
    assert {"00080020", "00080030", "00080050", "00080090", "00100020", "00100030", "00100040",
            "0020000D", "00200010"} <= set(study)  # fmt: skip
    assert list(study) == sorted(study)


def test_elements_without_a_value_have_none(web: WebClient) -> None:
    web.store(build_ct(extra=[(0x00080050, "SH", ""), (0x00081030, "LO", None)]))
    (study,) = web.json("/dicomweb/studies")
    assert study["00080050"] == {"vr": "SH"}
    assert "00081030" not in study
    assert "null" not in json.dumps(study)


def test_a_study_without_modalities_does_not_name_them(web: WebClient) -> None:
    web.store(build_ct(extra=[(0x00080060, "CS", None)]))
    (study,) = web.json("/dicomweb/studies?includefield=ModalitiesInStudy")
    assert "00080061" not in study


def test_a_series_is_described_with_its_study_where_the_path_leaves_it_open(
    web: WebClient, jane: Dataset
) -> None:
    (series,) = web.json("/dicomweb/series")
    assert value(series, "00100020") == "P-1"
    path = f"{study_path(jane)}/series"
    (series,) = web.json(f"{path}?includefield=0008103E,00080021")
    assert "00100020" not in series
    assert value(series, "0020000D") == jane.StudyInstanceUID
    assert value(series, "0020000E") == jane.SeriesInstanceUID
    assert value(series, "00080060") == "CT"
    assert series["00200011"] == {"vr": "IS", "Value": [3]}
    assert series["00201209"] == {"vr": "IS", "Value": [1]}
    assert value(series, "0008103E") == "Portal venous"
    assert value(series, "00081190").endswith(f"/series/{jane.SeriesInstanceUID}")


def test_an_instance_is_described(web: WebClient, jane: Dataset) -> None:
    path = f"{study_path(jane)}/series/{jane.SeriesInstanceUID}/instances"
    (instance,) = web.json(f"{path}?includefield=00080016,00080018,00200013&offset=0&limit=10")
    assert value(instance, "00080018") == jane.SOPInstanceUID
    assert value(instance, "00080016") == jane.SOPClassUID
    assert instance["00200013"] == {"vr": "IS", "Value": [7]}
    assert value(instance, "00280010") == 8
    assert value(instance, "00280011") == 8
    assert value(instance, "00280100") == 16
    assert value(instance, "00083002") == "1.2.840.10008.1.2.1"
    assert "00080060" not in instance
    (instance,) = web.json(f"{study_path(jane)}/instances")
    assert value(instance, "00080060") == "CT"


def test_included_attributes_come_from_the_stored_header(web: WebClient, jane: Dataset) -> None:
    (study,) = web.json("/dicomweb/studies?includefield=PhysiciansOfRecord,00080060")
    assert value(study, "00081048") == {"Alphabetic": "Physician^Record"}
    assert "00080060" not in study, "an attribute of series is not one of the study"
    (instance,) = web.json("/dicomweb/instances?includefield=RescaleSlope&includefield=ImageType")
    assert value(instance, "00281053") == 1
    assert instance["00080008"]["Value"] == ["ORIGINAL", "PRIMARY", "AXIAL"]


def test_all_includes_what_is_true_of_the_level(web: WebClient, jane: Dataset) -> None:
    (study,) = web.json("/dicomweb/studies?includefield=all")
    assert "00081048" in study
    assert "00280010" not in study
    (instance,) = web.json("/dicomweb/instances?includefield=all")
    assert {"00081048", "00280010", "00080008"} <= set(instance)
    assert "7FE00010" not in instance


def test_what_is_never_matched_is_said(web: WebClient, jane: Dataset) -> None:
    response = web.get("/dicomweb/studies?SpecificCharacterSet=ISO_IR%20100")
    assert len(json.loads(response.content)) == 1
    assert "SpecificCharacterSet" in response["Warning"]


def test_parameters_of_others_are_ignored_and_told(web: WebClient, jane: Dataset) -> None:
    # PS3.18 8.3: what is not supported is ignored. Keywords begin in upper case.
    response = web.get("/dicomweb/studies?orderby=-StudyDate&_=1700000000000&PatientID=P-1")
    assert len(json.loads(response.content)) == 1
    assert response["Warning"].count("299 http://testserver/dicomweb ") == 2
    assert '"The parameter orderby is not supported and was ignored"' in response["Warning"]


def test_the_offset_from_utc_is_told_at_every_level(web: WebClient) -> None:
    # PS3.18 Tables 10.6.3-3 to 10.6.3-5: "shall be present if known".
    instance = build_ct(extra=[(0x00080201, "SH", "+0100")])
    web.store(instance)
    study = f"studies/{instance.StudyInstanceUID}"
    series = f"{study}/series/{instance.SeriesInstanceUID}"
    paths = ("studies", "series", "instances", f"{study}/series", f"{series}/instances")
    for path in paths:
        (found,) = web.json(f"/dicomweb/{path}")
        assert value(found, "00080201") == "+0100"
    web.store(build_ct(study_instance_uid="1.2.7"))
    (found,) = web.json("/dicomweb/studies/1.2.7/series")
    assert "00080201" not in found


@pytest.mark.parametrize("option", ["fuzzymatching", "emptyvaluematching", "multiplevaluematching"])
def test_options_are_supported_so_nothing_is_said(web: WebClient, option: str) -> None:
    assert "Warning" not in web.get(f"/dicomweb/studies?{option}=true&PatientName=x")


@pytest.mark.parametrize("level", ["studies", "series", "instances"])
def test_a_space_never_shows_another_ones_data(
    web: WebClient, other_space: StorageSpace, level: str
) -> None:
    shared = new_uid()
    web.store(build_ct(study_instance_uid=shared), path="/dicomweb/spaces/main/studies")
    web.store(build_ct(study_instance_uid=shared), path="/dicomweb/spaces/other/studies")
    assert len(web.json(f"/dicomweb/spaces/main/{level}")) == 1
    expected = {"studies": 1, "series": 2, "instances": 2}[level]
    assert len(web.json(f"/dicomweb/{level}")) == expected
    assert len(web.json(f"/dicomweb/{level}?eachspace=true")) == 2
    one = WebClient(make_token(spaces=[other_space]))
    (found,) = one.json(f"/dicomweb/{level}?StudyInstanceUID={shared}")
    assert "/spaces/other/" in value(found, "00081190")
    assert WebClient(make_token()).json(f"/dicomweb/{level}") == []


def test_deleted_entities_do_not_show(web: WebClient, jane: Dataset) -> None:
    Series.objects.update(deleted_at="2026-01-01T00:00:00Z")
    assert web.json("/dicomweb/instances") == web.json("/dicomweb/series") == []
    Study.objects.update(deleted_at="2026-01-01T00:00:00Z")
    assert web.json("/dicomweb/studies") == []


@pytest.mark.parametrize(
    "query",
    [
        "/dicomweb/studies",
        f"/dicomweb/studies?{OHIF_STUDIES}",
        "/dicomweb/studies?includefield=all&PatientName=*e*",
        "/dicomweb/series?includefield=all",
        "/dicomweb/instances?includefield=all",
    ],
)
def test_a_page_is_one_statement_beside_the_space(
    web: WebClient, both: dict[str, str], query: str
) -> None:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert len(web.json(query)) == 2
    assert len(captured) == 2, [item["sql"][:200] for item in captured]


@pytest.mark.parametrize(
    "accept",
    [
        "application/dicom+json",
        "application/dicom+json, application/json",
        "*/*",
        "application/json; charset=utf-8",
        APPENDED_BY_OHIF,
    ],
)
def test_clients_accept_json_in_many_words(web: WebClient, accept: str) -> None:
    assert web.get("/dicomweb/studies", accept=accept).status_code == 200


def test_head_tells_the_length_without_the_body(web: WebClient, jane: Dataset) -> None:
    response = web.get("/dicomweb/studies", method="HEAD")
    assert content(response) == b""
    assert response["Content-Length"] == str(len(content(web.get("/dicomweb/studies"))))
