"""The port with TLS, as peers meet it. Source: PS3.15 B.12, PS3.8 9.1.5."""

import socket
import ssl
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ingestion.dimse.security.tls import CallingFiles
from ingestion.models import AssociationRecord, RemoteApplicationEntity
from tests.builders import build_ct
from tests.eventually import eventually
from tests.integration.dimse.conftest import Service, Start, store
from tests.scripted_peer import (
    ABORT,
    ASSOCIATE_AC,
    ASSOCIATE_RJ,
    RELEASE_RP,
    ScriptedPeer,
    echo_command,
)
from tests.unit.dimse.certificates import Authority

StartTls = Callable[..., Service]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path / "tls")


@pytest.fixture
def calling(authority: Authority) -> CallingFiles:
    return CallingFiles(authority.file)


@pytest.fixture
def start_tls(start_service: Start, authority: Authority) -> StartTls:
    """`start_tls(**fields of the environment)`: with a certificate, callers need none."""

    def start(**environment: Any) -> Service:
        values = {
            "dimse_tls_port": 2762,
            "dimse_tls_certificate": authority.issue("ours"),
            "dimse_tls_client_ca": authority.file,
        }
        return start_service(**values | environment)

    return start


def call(service: Service, calling: CallingFiles) -> ScriptedPeer:
    connection = socket.create_connection(("127.0.0.1", service.tls_port), timeout=60)
    return ScriptedPeer(calling.build().wrap_socket(connection, server_hostname="127.0.0.1"))


def test_objects_are_stored_through_tls(
    start_tls: StartTls, calling: CallingFiles, data_path: str
) -> None:
    service = start_tls(dimse_data_path=data_path)
    with call(service, calling) as peer:
        assert peer.associate().kind == ASSOCIATE_AC
        for _ in range(3):
            assert store(peer, build_ct(rows=256, columns=256)).status == 0
        assert peer.release().kind == RELEASE_RP
    with service.connect() as peer:  # and by the other port without
        assert peer.associate().kind == ASSOCIATE_AC
        assert store(peer, build_ct()).status == 0
        assert peer.release().kind == RELEASE_RP
    assert len(service.stored_files()) == 4
    eventually(lambda: AssociationRecord.objects.count() == 2)
    encrypted = AssociationRecord.objects.order_by("started_at").values_list("is_encrypted")
    assert [flag for (flag,) in encrypted] == [True, False]


def test_callers_certificate_where_it_is_required(
    start_tls: StartTls, authority: Authority, calling: CallingFiles
) -> None:
    service = start_tls(dimse_tls_client_certificates="required")
    own = replace(calling, certificate=authority.issue("modality"))
    with call(service, own) as peer:
        assert peer.associate().kind == ASSOCIATE_AC
    with pytest.raises((ssl.SSLError, ConnectionError)), call(service, calling) as peer:
        peer.associate()


def test_failed_handshake_is_one_line(
    start_tls: StartTls, caplog: pytest.LogCaptureFixture
) -> None:
    service = start_tls()
    with ScriptedPeer.connect("127.0.0.1", service.tls_port) as peer:
        peer.send(b"\x01\x00\x00\x00\x00\xcd\x00\x01\x00\x00")  # an A-ASSOCIATE-RQ in plain
        assert peer.is_closed()
    ScriptedPeer.connect("127.0.0.1", service.tls_port).connection.close()  # a health check

    def failures() -> list[object]:
        lines: list[Any] = [record.msg for record in caplog.records]
        return [line for line in lines if line["event"] == "TLS handshake failed"]

    service.stop()
    assert len(failures()) == 1
    assert failures()[0]["reason"] == "wrong version number"  # type: ignore[index]
    assert not AssociationRecord.objects.exists()


def test_caller_that_must_use_tls_is_refused_without(
    start_tls: StartTls, calling: CallingFiles
) -> None:
    RemoteApplicationEntity.objects.update(must_use_tls=True)
    service = start_tls()
    with service.connect() as peer:
        answer = peer.associate()
        assert (answer.kind, tuple(answer.body[1:])) == (ASSOCIATE_RJ, (1, 1, 1))
    with call(service, calling) as peer:
        assert peer.associate().kind == ASSOCIATE_AC


def test_new_certificate_is_used_and_old_associations_go_on(
    start_tls: StartTls, authority: Authority, calling: CallingFiles
) -> None:
    service = start_tls()
    with ExitStack() as stack:
        first = stack.enter_context(call(service, calling))
        assert first.associate().kind == ASSOCIATE_AC
        authority.issue("ours")
        second = stack.enter_context(call(service, calling))
        assert second.associate().kind == ASSOCIATE_AC
        serials = {
            peer.connection.getpeercert()["serialNumber"]  # type: ignore[attr-defined]
            for peer in (first, second)
        }
        assert len(serials) == 2
        assert first.request(1, echo_command()).status == 0


def test_unfinished_handshakes_end_with_artim(start_tls: StartTls, calling: CallingFiles) -> None:
    service = start_tls(dimse_artim_timeout_seconds=0.2)
    with ExitStack() as stack:
        silent = [
            stack.enter_context(ScriptedPeer.connect("127.0.0.1", service.tls_port))
            for _ in range(5)
        ]
        for peer in silent[1:]:
            peer.send(b"\x16\x03\x01")
        assert all(peer.is_closed() for peer in silent)


def test_stop_does_not_wait_for_handshakes(start_tls: StartTls, calling: CallingFiles) -> None:
    service = start_tls(dimse_artim_timeout_seconds=60)
    with ExitStack() as stack:
        silent = stack.enter_context(ScriptedPeer.connect("127.0.0.1", service.tls_port))
        silent.send(b"\x16\x03\x01")
        established = stack.enter_context(call(service, calling))
        assert established.associate().kind == ASSOCIATE_AC
        service.stop()
        assert silent.is_closed()
        assert established.read_pdu().kind == ABORT
