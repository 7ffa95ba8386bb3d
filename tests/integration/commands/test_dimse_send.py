"""`manage.py dimse_send`: files and held studies go out, and what did not is told."""

from pathlib import Path
from typing import Any

import pytest

from ingestion.models import AssociationRecord, Instance, RemoteApplicationEntity, StorageSpace
from tests.builders import build_ct, new_uid, part10_bytes
from tests.dicom_peers import listening_peer, storing
from tests.integration.commands.dimse_commands import received, register, run, write_files
from tests.integration.dimse.conftest import Start

Capture = pytest.CaptureFixture[str]
CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"


def our_service(start_service: Start) -> str:
    service = start_service(dimse_any_calling_ae_from_loopback=True)
    return f"INGEST@127.0.0.1:{service.port}"


@pytest.mark.parametrize("associations", [1, 3])
def test_folder_is_sent(
    start_service: Start, tmp_path: Path, capsys: Capture, associations: int
) -> None:
    destination = our_service(start_service)
    uids = write_files(tmp_path / "study", 7)
    (tmp_path / "study" / "notes.txt").write_text("no DICOM at all")
    words = (destination, tmp_path / "study", "--associations", associations)
    ended = run(capsys, "dimse_send", *words)
    assert ended.status == 0, ended
    assert received() == set(uids)
    assert "7 of 7 instances" in ended.told
    assert "skipped" in ended.told


def test_held_study_is_sent(start_service: Start, tmp_path: Path, capsys: Capture) -> None:
    destination = our_service(start_service)
    study = new_uid()
    uids = write_files(tmp_path / "study", 3, study_instance_uid=study)
    write_files(tmp_path / "other", 2)
    for folder in ("study", "other"):
        run(capsys, "dimse_send", destination, tmp_path / folder)
    register()
    assert Instance.objects.count() == 5
    stored: list[str] = []

    def keep(uid: str) -> int:
        stored.append(uid)
        return 0

    with listening_peer("PEER", contexts={CT: [EXPLICIT]}, handlers=[storing(keep)]) as port:
        RemoteApplicationEntity.objects.create(ae_title="PEER", host="127.0.0.1", port=port)
        ended = run(capsys, "dimse_send", "PEER", "--study", study, "--space", "main")
    assert ended.status == 0, ended
    assert sorted(stored) == sorted(uids)
    record = AssociationRecord.objects.get(called_ae_title="PEER")
    assert (record.direction, record.outcome) == ("requested", "released")
    assert (record.instances_sent, record.operations) == (3, {"C-STORE": 3})


def test_peer_that_takes_another_form_gets_that(
    space: StorageSpace, tmp_path: Path, capsys: Capture
) -> None:
    write_files(tmp_path / "study", 2)
    with listening_peer(
        "PEER", contexts={CT: [IMPLICIT]}, handlers=[storing(lambda _uid: 0)]
    ) as port:
        ended = run(capsys, "dimse_send", f"PEER@127.0.0.1:{port}", tmp_path / "study")
    assert ended.status == 0, ended


def test_what_the_peer_refuses_is_listed(
    space: StorageSpace, tmp_path: Path, capsys: Capture
) -> None:
    uids = write_files(tmp_path / "study", 3)

    with listening_peer(
        "PEER",
        contexts={CT: [EXPLICIT]},
        handlers=[storing(lambda uid: 0xA700 if uid == uids[1] else 0xB007)],
    ) as port:
        ended = run(capsys, "dimse_send", f"PEER@127.0.0.1:{port}", tmp_path / "study")
    assert ended.status == 1
    assert "A700 out of resources" in ended.told
    assert "B007 data set does not match SOP Class (warning)" in ended.told
    assert "1.dcm" in ended.told


def test_sop_class_that_the_peer_refuses_fails_alone(
    space: StorageSpace, tmp_path: Path, capsys: Capture
) -> None:
    write_files(tmp_path / "study", 2)
    odd = build_ct()
    odd.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    (tmp_path / "study" / "odd.dcm").write_bytes(part10_bytes(odd))
    with listening_peer(
        "PEER", contexts={CT: [EXPLICIT]}, handlers=[storing(lambda _uid: 0)]
    ) as port:
        ended = run(capsys, "dimse_send", f"PEER@127.0.0.1:{port}", tmp_path / "study")
    assert ended.status == 1
    assert "the peer accepts nothing of its SOP Class" in ended.told
    assert "3 of 3 instances" in ended.told


def test_peer_that_is_not_there_is_told(
    space: StorageSpace, tmp_path: Path, capsys: Capture
) -> None:
    write_files(tmp_path / "study", 1)
    ended = run(capsys, "dimse_send", "PEER@127.0.0.1:1", tmp_path / "study")
    assert ended.status == 1
    assert "Connection refused" in ended.error


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "give either paths or --study"),
        (("{folder}", "--study", "1.2"), "give either paths or --study"),
        (("{folder}",), "there is nothing to send"),
        (("{folder}/nowhere",), "does not exist"),
        (("--study", "1.2", "--space", "nowhere"), "no storage space nowhere"),
        (("--study", "1.2", "--space", "main"), "there is nothing to send"),
        (("{folder}", "--associations", "17"), "--associations is 1 to 16"),
    ],
)
def test_mistakes_are_told(
    space: StorageSpace, tmp_path: Path, capsys: Capture, words: tuple[str, ...], told: str
) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    given: list[Any] = [word.format(folder=folder) for word in words]
    ended = run(capsys, "dimse_send", "PEER@127.0.0.1:1", *given)
    assert ended.status == 2
    assert told in ended.error
