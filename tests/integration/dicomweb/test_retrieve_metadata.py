"""Metadata as XML, compressed, conditional; of a study in two spaces once (PS3.18 10.4.1.1.2)."""

import gzip
import json
from collections.abc import Iterator
from urllib.parse import quote
from xml.etree import ElementTree as ET

import pytest
from pydicom.dataset import Dataset
from pytest_django import DjangoAssertNumQueries

from ingestion.models import StorageSpace
from ingestion.use_cases.retrieve_instances import BATCH
from tests.builders import build_ct, new_uid
from tests.integration.dicomweb.paths import instance_path, study_path
from tests.integration.dicomweb.web_client import WebClient, content, parts

MODEL = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"
XMLS = 'multipart/related; type="application/dicom+xml"'


@pytest.fixture
def study(web: WebClient) -> list[Dataset]:
    study, series = new_uid(), new_uid()
    datasets = [
        build_ct(
            study_instance_uid=study,
            series_instance_uid=series,
            extra=[(0x00200013, "IS", str(number))],
        )
        for number in (1, 2)
    ]
    web.store(*datasets)
    return datasets


def texts(document: bytes, keyword: str) -> Iterator[str | None]:
    for attribute in ET.fromstring(document).iter(f"{MODEL}DicomAttribute"):
        if attribute.get("keyword") == keyword:
            yield from (value.text for value in attribute.iter(f"{MODEL}Value"))


@pytest.mark.parametrize("accept", [XMLS, XMLS.replace('"', ""), f"{XMLS}, text/html"])
def test_one_xml_document_per_instance(web: WebClient, study: list[Dataset], accept: str) -> None:
    response = web.get(f"{study_path(study[0])}/metadata", accept=accept)
    assert response["Content-Type"].startswith('multipart/related; type="application/dicom+xml"')
    found = parts(response)
    for dataset, (headers, document) in zip(study, found, strict=True):
        assert headers["Content-Type"] == "application/dicom+xml"
        address = instance_path(dataset).replace("/dicomweb/", "/dicomweb/spaces/main/")
        assert headers["Content-Location"] == f"http://testserver{address}/metadata"
        assert list(texts(document, "SOPInstanceUID")) == [dataset.SOPInstanceUID]
        assert list(texts(document, "RescaleIntercept")) == ["-1024"]
        (bulk_data,) = ET.fromstring(document).iter(f"{MODEL}BulkData")
        assert bulk_data.get("uri") == f"http://testserver{address}/bulkdata/7FE00010"


def test_an_instance_may_be_one_document_alone(web: WebClient, study: list[Dataset]) -> None:
    accept = "application/dicom+xml"
    response = web.get(f"{instance_path(study[0])}/metadata", accept=accept)
    assert response["Content-Type"] == accept
    assert list(texts(content(response), "PatientID")) == ["P-1001"]
    several = web.get(f"{study_path(study[0])}/metadata", accept=accept)
    assert len(parts(several)) == 2, "dcm4che asks so for many, and reads parts"


@pytest.mark.parametrize("accept", ["application/dicom+json", XMLS])
def test_what_did_not_change_is_not_sent_again(
    web: WebClient,
    study: list[Dataset],
    accept: str,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    path = f"{study_path(study[0])}/metadata"
    tag = web.get(path, accept=accept)["ETag"]
    with django_assert_num_queries(2):  # the token, which instances: no document is read
        again = web.get(path, accept=accept, headers={"If-None-Match": tag})
    assert (again.status_code, content(again), again["ETag"]) == (304, b"", tag)
    with django_assert_num_queries(2):
        head = web.get(path, accept=accept, method="HEAD")
    assert (head.status_code, content(head), head["ETag"]) == (200, b"", tag)
    web.store(build_ct(study_instance_uid=study[0].StudyInstanceUID))
    assert web.get(path, accept=accept, headers={"If-None-Match": tag}).status_code == 200


def test_each_representation_and_address_has_its_own_validator(
    web: WebClient, study: list[Dataset]
) -> None:
    path = f"{study_path(study[0])}/metadata"
    responses = [
        web.get(path, accept="application/dicom+json"),
        web.get(path, accept=XMLS),
        web.get(f"{instance_path(study[0])}/metadata", accept="application/dicom+json"),
    ]
    assert len({response["ETag"] for response in responses}) == len(responses)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("accept", ["application/dicom+json", "application/dicom+xml"])
def test_what_comes_alone_tells_its_address(
    web: WebClient, study: list[Dataset], accept: str, method: str
) -> None:
    for root in ("/dicomweb", "/dicomweb/spaces/main"):
        path = f"{instance_path(study[0])}/metadata".replace("/dicomweb", root, 1)
        response = web.get(f"{path}?accept={quote(accept)}", method=method)
        assert response["Content-Location"] == f"http://testserver{path}"


@pytest.mark.parametrize("accept", ["application/dicom+json", XMLS])
@pytest.mark.parametrize("coding", ["gzip", "gzip, deflate, br", "br;q=1.0, gzip;q=0.5", "*"])
def test_compressed_for_who_accepts_it(
    web: WebClient, study: list[Dataset], accept: str, coding: str
) -> None:
    path = f"{study_path(study[0])}/metadata"
    plain = web.get(path, accept=accept)
    assert "Content-Encoding" not in plain
    response = web.get(path, accept=accept, headers={"Accept-Encoding": coding})
    assert response["Content-Encoding"] == "gzip"
    assert {item.strip() for item in response["Vary"].split(",")} >= {"Accept", "Accept-Encoding"}
    assert response["ETag"] == plain["ETag"]
    if accept == "application/dicom+json":
        assert gzip.decompress(content(response)) == content(plain)
    else:
        assert gzip.decompress(content(response)).count(b"<?xml") == 2


@pytest.mark.parametrize("coding", ["", "identity", "gzip;q=0", "br", "nonsense;;q=,"])
def test_not_compressed_for_others(web: WebClient, study: list[Dataset], coding: str) -> None:
    response = web.get(f"{study_path(study[0])}/metadata", headers={"Accept-Encoding": coding})
    assert "Content-Encoding" not in response
    assert len(json.loads(content(response))) == 2


def test_many_instances_are_compressed_as_they_stream(web: WebClient) -> None:
    study, series = new_uid(), new_uid()
    web.store(
        *(
            build_ct(study_instance_uid=study, series_instance_uid=series, rows=1, columns=1)
            for _ in range(BATCH + 1)
        )
    )
    response = web.get(f"/dicomweb/studies/{study}/metadata", headers={"Accept-Encoding": "gzip"})
    assert len(json.loads(gzip.decompress(content(response)))) == BATCH + 1


def test_a_study_in_two_spaces_is_told_once(
    web: WebClient, study: list[Dataset], other_space: StorageSpace
) -> None:
    web.store(study[1], path="/dicomweb/spaces/other/studies")
    third = build_ct(
        study_instance_uid=study[0].StudyInstanceUID,
        series_instance_uid=study[0].SeriesInstanceUID,
        extra=[(0x00200013, "IS", "3")],
    )
    web.store(third, path="/dicomweb/spaces/other/studies")
    found = web.json(f"{study_path(study[0])}/metadata")
    assert [item["00080018"]["Value"][0] for item in found] == [
        dataset.SOPInstanceUID for dataset in (*study, third)
    ]
    uris = [item["7FE00010"]["BulkDataURI"].split("/spaces/")[1].split("/")[0] for item in found]
    assert uris == ["main", "main", "other"], "each below the space that has it"
