"""dicomweb-client 0.61, which 3D Slicer, highdicom and wsidicom use, against the real server."""

from typing import Any

import pytest
import requests
from pydicom.dataset import Dataset

from tests.builders import build_ct, new_uid
from tests.integration.dicomweb.web_process import RunningWeb


@pytest.fixture
def study(client: Any) -> list[Dataset]:
    """Three instances in two series, stored by the client itself."""
    study, series = new_uid(), new_uid()
    datasets = [
        build_ct(
            study_instance_uid=study,
            series_instance_uid=in_series,
            extra=[(0x00200011, "IS", number), (0x00200013, "IS", instance)],
        )
        for in_series, number, instance in ((series, "1", "1"), (series, "1", "2"), ("", "2", "1"))
    ]
    client.store_instances(datasets)
    return datasets


def test_a_store_is_answered_with_a_data_set(client: Any) -> None:
    dataset = build_ct()
    answer = client.store_instances([dataset])
    (reference,) = answer.ReferencedSOPSequence
    assert reference.ReferencedSOPInstanceUID == dataset.SOPInstanceUID
    assert "FailedSOPSequence" not in answer


def test_more_than_a_megabyte_is_sent_chunked_and_stored(client: Any) -> None:
    datasets = [build_ct(rows=600, columns=600) for _ in range(3)]
    answer = client.store_instances(datasets)
    assert len(answer.ReferencedSOPSequence) == 3


def test_an_instance_of_another_study_is_told_as_failed(client: Any) -> None:
    study = new_uid()
    mine, foreign = build_ct(study_instance_uid=study), build_ct()
    answer = client.store_instances([mine, foreign], study_instance_uid=study)
    assert answer.FailedSOPSequence[0].ReferencedSOPInstanceUID == foreign.SOPInstanceUID
    (failed,) = answer.FailedSOPSequence
    assert failed.FailureReason == 0xA900
    assert "another study" in failed.private_block(0x0009, "IMAGING INGESTION")[0x02].value


def test_addresses_have_the_port_that_the_client_leaves_out_of_host(
    client: Any, server: RunningWeb, study: list[Dataset]
) -> None:
    (found,) = client.search_for_studies()
    address = found["00081190"]["Value"][0]
    assert address.startswith(f"{server.url}/dicomweb/")
    answer = client._http_get(f"{address}/metadata", headers={"Accept": "application/dicom+json"})
    assert len(answer.json()) == 3


def test_searches(client: Any, study: list[Dataset]) -> None:
    uid = study[0].StudyInstanceUID
    (found,) = client.search_for_studies(
        search_filters={"PatientName": "Doe*", "00080020": "20260101-20260131"},
        fields=["StudyDescription", "00080061"],
    )
    parsed = Dataset.from_json(found)
    assert parsed.StudyInstanceUID == uid
    assert parsed.NumberOfStudyRelatedInstances == 3
    assert str(parsed.PatientName) == "Doe^Jane"
    series = client.search_for_series(uid)
    assert [item["00200011"]["Value"][0] for item in series] == [1, 2]
    assert len(client.search_for_series(search_filters={"Modality": "CT"})) == 2
    instances = client.search_for_instances(uid, study[0].SeriesInstanceUID, limit=1, offset=1)
    assert [item["00200013"]["Value"][0] for item in instances] == [2]
    assert client.search_for_studies(search_filters={"PatientID": "nobody"}) == []


def test_remaining_pages_are_fetched_until_an_empty_one(client: Any, study: list[Dataset]) -> None:
    found = client.search_for_instances(study[0].StudyInstanceUID, limit=1, get_remaining=True)
    assert [item["00080018"]["Value"][0] for item in found] == [
        dataset.SOPInstanceUID for dataset in study
    ]


def test_metadata_at_every_level(client: Any, study: list[Dataset]) -> None:
    one = study[0]
    uids = (one.StudyInstanceUID, one.SeriesInstanceUID, one.SOPInstanceUID)
    assert len(client.retrieve_study_metadata(uids[0])) == 3
    assert len(client.retrieve_series_metadata(*uids[:2])) == 2
    parsed = Dataset.from_json(client.retrieve_instance_metadata(*uids), lambda *_: b"")
    assert parsed.ImagePositionPatient == one.ImagePositionPatient


def test_files_at_every_level(client: Any, study: list[Dataset]) -> None:
    one = study[0]
    uids = (one.StudyInstanceUID, one.SeriesInstanceUID, one.SOPInstanceUID)
    assert client.retrieve_instance(*uids) == one
    assert client.retrieve_series(*uids[:2]) == study[:2]
    assert [item.SOPInstanceUID for item in client.iter_study(uids[0])] == [
        dataset.SOPInstanceUID for dataset in study
    ]
    for syntax in ("*", "1.2.840.10008.1.2.1"):
        media_types = (("application/dicom", syntax),)
        assert client.retrieve_instance(*uids, media_types=media_types) == one


def test_a_missing_study_is_404(client: Any) -> None:
    with pytest.raises(requests.HTTPError, match="404"):
        client.retrieve_study("1.2.3")


def test_deletion_at_every_level(client: Any, study: list[Dataset]) -> None:
    one, _, other = study
    uid = one.StudyInstanceUID
    client.delete_instance(uid, one.SeriesInstanceUID, one.SOPInstanceUID)
    assert len(client.search_for_instances(uid)) == 2
    client.delete_series(uid, other.SeriesInstanceUID)
    assert [item["0020000E"]["Value"][0] for item in client.search_for_series(uid)] == [
        one.SeriesInstanceUID
    ]
    client.delete_study(uid)
    assert client.search_for_studies() == []
    with pytest.raises(requests.HTTPError, match="404"):
        client.delete_study(uid)
    client.store_instances(study)
    assert len(client.search_for_instances(uid)) == 3
