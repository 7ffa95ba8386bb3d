"""`manage.py dimse_echo`: whether a peer answers, told in the protocol's words."""

import socket

import pytest

from ingestion.models import (
    AssociationRecord,
    LocalApplicationEntity,
    RemoteApplicationEntity,
    StorageSpace,
)
from tests.dicom_peers import listening_peer
from tests.integration.commands.dimse_commands import run
from tests.integration.dimse.conftest import Start

Capture = pytest.CaptureFixture[str]


def test_our_service_answers(start_service: Start, capsys: Capture) -> None:
    service = start_service(dimse_any_calling_ae_from_loopback=True)
    ended = run(capsys, "dimse_echo", f"INGEST@127.0.0.1:{service.port}", "--count", 3)
    assert ended.status == 0
    assert f"INGEST at 127.0.0.1:{service.port}, as INGEST" in ended.told
    assert ended.told.count("success") == 3
    assert " ms" in ended.told


def test_known_entity_is_called_by_its_title(space: StorageSpace, capsys: Capture) -> None:
    with listening_peer("PEER") as port:
        RemoteApplicationEntity.objects.create(ae_title="PEER", host="127.0.0.1", port=port)
        ended = run(capsys, "dimse_echo", "PEER", "--calling", "SOMEBODY")
    assert ended.status == 0
    record = AssociationRecord.objects.get()
    assert (record.direction, record.outcome) == ("requested", "released")
    assert record.operations == {"C-ECHO": 1}
    assert "as SOMEBODY" in ended.told
    assert "accepted by PYNETDICOM" in ended.told


def test_rejection_is_told_in_words(space: StorageSpace, capsys: Capture) -> None:
    with listening_peer("PEER", require_called_aet=True) as port:
        ended = run(capsys, "dimse_echo", f"OTHER@127.0.0.1:{port}")
    assert ended.status == 1
    assert "called AE title not recognized" in ended.error


def test_nobody_there_is_told(space: StorageSpace, capsys: Capture) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        ended = run(capsys, "dimse_echo", f"PEER@127.0.0.1:{taken.getsockname()[1]}")
    assert ended.status == 1
    assert "Connection refused" in ended.error


def test_peer_without_tls_is_told(space: StorageSpace, capsys: Capture) -> None:
    with listening_peer("PEER") as port:
        ended = run(capsys, "dimse_echo", f"PEER@127.0.0.1:{port}", "--tls")
    assert ended.status == 1
    assert "TLS" in ended.error


def test_peer_that_keeps_silent_is_given_up(space: StorageSpace, capsys: Capture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        peer = f"PEER@127.0.0.1:{silent.getsockname()[1]}"
        ended = run(capsys, "dimse_echo", peer, "--timeout", 0.2)
    assert ended.status == 1
    assert "peer-silent" in ended.error


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("NOBODY",), "NOBODY is no remote application entity"),
        (("DARK",), "no host and port"),
        (("PEER@127.0.0.1:1", "--count", "0"), "--count must be at least 1"),
        (("PEER@127.0.0.1:1", "--timeout", "0"), "--timeout must be above 0"),
        (("PEER@127.0.0.1:1", "--timeout", "nan"), "--timeout must be above 0"),
        (("PEER@127.0.0.1:1", "--timeout", "1e20"), "at most 3,600 seconds"),
        (("PE\udcff@127.0.0.1:1",), "not in UTF-8"),
        (("PEER@127.0.0.1:0",), "a port is 1 to 65535"),
        (("PEER@127.0.0.1:65537",), "a port is 1 to 65535"),
        (("PEER@127.0.0.1:1", "--calling", "x" * 17), "An AE title has 1 to 16"),
        (("PE\\ER@127.0.0.1:1",), "An AE title has 1 to 16"),
    ],
)
def test_mistakes_are_told(
    space: StorageSpace, capsys: Capture, words: tuple[str, ...], told: str
) -> None:
    RemoteApplicationEntity.objects.create(ae_title="DARK")
    ended = run(capsys, "dimse_echo", *words)
    assert ended.status == 2
    assert told in ended.error


def test_without_a_title_of_ours_one_must_be_given(space: StorageSpace, capsys: Capture) -> None:
    LocalApplicationEntity.objects.update(is_enabled=False)
    ended = run(capsys, "dimse_echo", "PEER@127.0.0.1:1")
    assert ended.status == 2
    assert "no local application entity is enabled" in ended.error
