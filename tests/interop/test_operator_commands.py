"""Operators at the command line: the whole product on one side, foreign peers on the other."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.interop.conftest import Site
from tests.interop.dcmtk import storescp, wait_for, write_study
from tests.interop.orthanc import AE_TITLE, Orthanc, run_orthanc


@pytest.fixture(scope="module")
def orthanc(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """An archive that knows us as INGEST."""
    dimse = site.endpoints["dimse"]
    modalities = {"ingest": [dimse["ae_title"], dimse["host"], dimse["port"]]}
    with run_orthanc(tmp_path_factory.mktemp("archive") / "run", modalities=modalities) as running:
        yield running


def us(site: Site) -> str:
    dimse = site.endpoints["dimse"]
    return f"{dimse['ae_title']}@{dimse['host']}:{dimse['port']}"


def archive(orthanc: Orthanc) -> str:
    return f"{AE_TITLE}@127.0.0.1:{orthanc.dicom_port}"


def test_peers_echo(site: Site, orthanc: Orthanc, tmp_path: Path) -> None:
    with storescp(tmp_path / "received") as port:
        for peer in (us(site), archive(orthanc), f"STORESCP@127.0.0.1:{port}"):
            assert site.manage("dimse_echo", peer, "--count", "2").count("success") == 2


def test_files_go_to_storescp(site: Site, tmp_path: Path) -> None:
    write_study(tmp_path / "study", 12)
    received = tmp_path / "received"
    with storescp(received) as port:
        peer = f"STORESCP@127.0.0.1:{port}"
        told = site.manage("dimse_send", peer, str(tmp_path / "study"))
        assert "12 of 12 instances" in told
        eventually(lambda: len(list(received.iterdir())) == 12)


def test_study_goes_to_orthanc_and_comes_back(site: Site, orthanc: Orthanc, tmp_path: Path) -> None:
    datasets = write_study(tmp_path / "study", 5)
    study = datasets[0].StudyInstanceUID
    told = site.manage(
        "dimse_send", archive(orthanc), str(tmp_path / "study"), "--associations", "2"
    )
    assert "5 of 5 instances" in told
    keys = ("-k", f"StudyInstanceUID={study}", "-k", "NumberOfStudyRelatedInstances")
    (found,) = json.loads(site.manage("dimse_find", archive(orthanc), *keys, "--json"))
    assert found["00201208"]["Value"] == [5]
    told = site.manage("dimse_move", archive(orthanc), "--to", "INGEST", "--study", study)
    assert "0000 success" in told
    for dataset in datasets:
        wait_for(site, dataset)
    assert study in site.manage("dimse_find", us(site), *keys)


def test_held_study_goes_to_storescp(site: Site, tmp_path: Path) -> None:
    datasets = write_study(tmp_path / "study", 3)
    site.manage("dimse_send", us(site), str(tmp_path / "study"))
    for dataset in datasets:
        wait_for(site, dataset)
    received = tmp_path / "received"
    with storescp(received) as port:
        study = datasets[0].StudyInstanceUID
        site.manage("dimse_send", f"STORESCP@127.0.0.1:{port}", "--study", study)
        eventually(lambda: len(list(received.iterdir())) == 3)
