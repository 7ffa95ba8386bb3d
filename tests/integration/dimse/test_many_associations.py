"""Thousands of associations, good, broken and hostile, leave nothing behind that counts."""

import socket
import ssl
import threading
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path

import pytest

from ingestion.dimse.security.tls import CallingFiles
from ingestion.models import AssociationRecord, Receipt
from tests.builders import build_ct, data_set_bytes
from tests.eventually import eventually
from tests.integration.dimse.conftest import CT_CONTEXT_ID, Service, Start, store
from tests.scripted_peer import (
    ASSOCIATE_AC,
    ASSOCIATE_RJ,
    RELEASE_RP,
    ScriptedPeer,
    abort,
    associate_rq,
    echo_command,
    p_data,
    pdv,
    store_command,
)
from tests.unit.dimse.certificates import Authority

ROUNDS = 250
SPARE = 10  # far fewer than there are associations of any behaviour
CT = build_ct()
DATA_SET = data_set_bytes(CT)


def released(peer: ScriptedPeer) -> None:
    assert peer.associate().kind == ASSOCIATE_AC
    assert peer.request(1, echo_command()).status == 0
    assert peer.release().kind == RELEASE_RP


def stored(peer: ScriptedPeer) -> None:
    assert peer.associate().kind == ASSOCIATE_AC
    assert store(peer, CT).status == 0
    assert peer.release().kind == RELEASE_RP


def aborted(peer: ScriptedPeer) -> None:
    assert peer.associate().kind == ASSOCIATE_AC
    peer.send(abort())


def gone_inside_a_data_set(peer: ScriptedPeer) -> None:
    assert peer.associate().kind == ASSOCIATE_AC
    peer.send(p_data(pdv(CT_CONTEXT_ID, store_command(CT.SOPInstanceUID), command=True)))
    peer.send(p_data(pdv(CT_CONTEXT_ID, DATA_SET[:1000], last=False)))


def gone_inside_the_request(peer: ScriptedPeer) -> None:
    peer.send(associate_rq()[:100])


def gone_at_once(_peer: ScriptedPeer) -> None:
    """As health checks do."""


def refused(peer: ScriptedPeer) -> None:
    assert peer.associate(called="NOBODY").kind == ASSOCIATE_RJ


def no_dicom(peer: ScriptedPeer) -> None:
    peer.send(b"GET / HTTP/1.1\r\n\r\n")
    assert peer.is_closed()


BEHAVIOURS: list[Callable[[ScriptedPeer], None]] = [
    released,
    stored,
    aborted,
    gone_inside_a_data_set,
    gone_inside_the_request,
    gone_at_once,
    refused,
    no_dicom,
]


def run(service: Service, amount: int) -> None:
    for behave in islice(cycle(BEHAVIOURS), amount):
        with service.connect() as peer:
            behave(peer)


def held() -> tuple[int, int, int]:
    """Threads of Python, threads of the kernel, open files and sockets."""
    tasks = len(list(Path("/proc/self/task").iterdir()))
    files = len(list(Path("/proc/self/fd").iterdir()))
    return threading.active_count(), tasks, files


def has_grown_little_since(before: tuple[int, int, int]) -> bool:
    """Whatever an association left behind would be there once for each of them.

    Some things are opened once, when they are first needed, and others of earlier tests end late.
    """
    return all(now <= then + SPARE for now, then in zip(held(), before, strict=True))


@pytest.mark.timeout(900)
def test_thousands_of_associations_leave_nothing_behind(start_service: Start) -> None:
    service = start_service()
    run(service, 10 * len(BEHAVIOURS))  # what is opened once and kept
    before = eventually(lambda: held() if is_quiet() else None)
    run(service, ROUNDS * len(BEHAVIOURS))
    eventually(lambda: is_quiet() and has_grown_little_since(before))
    assert service.spooled_files() == []
    assert Receipt.objects.count() == ROUNDS + 10
    assert len(service.stored_files()) == 1
    service.stop()
    probes = ROUNDS + 10  # of which nothing is kept
    records = list(AssociationRecord.objects.values_list("repeats", flat=True))
    told = sum(repeats + 1 for repeats in records)
    assert told == (len(BEHAVIOURS)) * (ROUNDS + 10) - probes


def released_by_tls(service: Service, context: ssl.SSLContext) -> None:
    connection = socket.create_connection(("127.0.0.1", service.tls_port), timeout=60)
    secured = context.wrap_socket(connection, server_hostname="127.0.0.1")
    with ScriptedPeer(secured) as peer:
        released(peer)


def strange_by_tls(service: Service, said: bytes) -> None:
    with ScriptedPeer.connect("127.0.0.1", service.tls_port) as peer:
        peer.send(said)


@pytest.mark.timeout(900)
def test_hundreds_of_handshakes_leave_nothing_behind(start_service: Start, tmp_path: Path) -> None:
    authority = Authority.create(tmp_path / "tls")
    service = start_service(dimse_tls_port=2762, dimse_tls_certificate=authority.issue("ours"))
    context = CallingFiles(authority.file).build()

    def run_rounds(amount: int) -> None:
        for _ in range(amount):
            released_by_tls(service, context)
            for said in (b"", b"\x16\x03\x01", associate_rq()):
                strange_by_tls(service, said)

    run_rounds(5)
    before = eventually(lambda: held() if is_quiet() else None)
    run_rounds(100)
    eventually(lambda: is_quiet() and has_grown_little_since(before))


def is_quiet() -> bool:
    """Whether no association is being served."""
    return all(thread.name != "association" for thread in threading.enumerate())
