"""`manage.py dimse_move`: a peer sends what it has, and what came of it is told."""

from pathlib import Path

import pytest
from pynetdicom.presentation import build_context

from ingestion.models import RemoteApplicationEntity, StorageSpace
from tests.builders import build_ct, new_uid
from tests.dicom_peers import listening_peer, moving, storing
from tests.integration.commands.dimse_commands import received, register, run, write_files
from tests.integration.dimse.conftest import Start

Capture = pytest.CaptureFixture[str]
CT = "1.2.840.10008.5.1.4.1.1.2"
STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
EXPLICIT = "1.2.840.10008.1.2.1"


@pytest.fixture
def archive(start_service: Start, tmp_path: Path, capsys: Capture) -> tuple[str, str, list[str]]:
    """Our service with a study: whom to call, the study's UID, its instances'."""
    service = start_service(dimse_any_calling_ae_from_loopback=True)
    destination, study = f"INGEST@127.0.0.1:{service.port}", new_uid()
    uids = write_files(tmp_path / "study", 4, study_instance_uid=study)
    run(capsys, "dimse_send", destination, tmp_path / "study")
    register()
    return destination, study, uids


def test_study_is_moved(archive: tuple[str, str, list[str]], capsys: Capture) -> None:
    destination, study, uids = archive
    stored: list[str] = []

    def keep(uid: str) -> int:
        stored.append(uid)
        return 0

    with listening_peer("PEER", contexts={CT: [EXPLICIT]}, handlers=[storing(keep)]) as port:
        RemoteApplicationEntity.objects.create(ae_title="PEER", host="127.0.0.1", port=port)
        ended = run(capsys, "dimse_move", destination, "--to", "PEER", "--study", study)
    assert ended.status == 0, ended
    assert sorted(stored) == sorted(uids)
    assert "0000 success" in ended.told


def test_instances_that_were_not_sent_are_named(
    archive: tuple[str, str, list[str]], capsys: Capture
) -> None:
    destination, study, uids = archive
    handlers = [storing(lambda uid: 0xA700 if uid == uids[0] else 0)]
    with listening_peer("PEER", contexts={CT: [EXPLICIT]}, handlers=handlers) as port:
        RemoteApplicationEntity.objects.create(ae_title="PEER", host="127.0.0.1", port=port)
        ended = run(capsys, "dimse_move", destination, "--to", "PEER", "--study", study)
    assert ended.status == 1
    assert "B000" in ended.told
    assert f"not sent: {uids[0]}" in ended.told


def test_unknown_destination_is_told(archive: tuple[str, str, list[str]], capsys: Capture) -> None:
    ended = run(capsys, "dimse_move", archive[0], "--to", "NOBODY", "--study", archive[1])
    assert ended.status == 1
    assert "A801 move destination unknown" in ended.told


def test_foreign_archive_sends_to_us(start_service: Start, capsys: Capture) -> None:
    service = start_service(dimse_any_calling_ae_from_loopback=True)
    datasets = [build_ct() for _ in range(3)]
    with listening_peer(
        contexts={STUDY_ROOT_MOVE: [EXPLICIT]},
        handlers=[moving({"INGEST": ("127.0.0.1", service.port)}, datasets)],
        requested_contexts=[build_context(CT, EXPLICIT)],
    ) as port:
        words = (f"PEER@127.0.0.1:{port}", "--to", "INGEST", "--study", "1.2.3")
        ended = run(capsys, "dimse_move", *words, "--series", "1.2.4")
    assert ended.status == 0, ended
    assert "3 of 3 instances" in ended.told
    assert received() == {dataset.SOPInstanceUID for dataset in datasets}


def test_peer_without_retrievals_is_told(space: StorageSpace, capsys: Capture) -> None:
    with listening_peer() as port:
        words = ("--to", "INGEST", "--study", "1.2.3")
        ended = run(capsys, "dimse_move", f"PEER@127.0.0.1:{port}", *words)
    assert ended.status == 1
    assert "not the query: SOP Class not supported" in ended.error


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "name a --study or a --patient"),
        (("--series", "1.2"), "--series needs one --study"),
        (("--series", "1.2", "--study", "1.3", "1.4"), "--series needs one --study"),
        (("--instance", "1.2", "--study", "1.3"), "--instance needs one --series"),
        (("--study", "1.2", "--to", "x" * 17), "--to: An AE title has 1 to 16"),
    ],
)
def test_mistakes_are_told(
    space: StorageSpace, capsys: Capture, words: tuple[str, ...], told: str
) -> None:
    ended = run(capsys, "dimse_move", "PEER@127.0.0.1:1", "--to", "INGEST", *words)
    assert ended.status == 2
    assert told in ended.error
