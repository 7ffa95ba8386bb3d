"""Objects leave through TLS: by C-GET on the association that asked, by C-MOVE to a peer."""

import socket
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from ingestion.dimse.requestor.association_pool import process_pool
from ingestion.dimse.security.tls import AcceptingFiles, CallingFiles
from ingestion.models import RemoteApplicationEntity, StorageSpace
from tests.builders import data_set_bytes
from tests.integration.dimse.conftest import Service, Start
from tests.integration.dimse.moving import move_request, study_key
from tests.integration.dimse.retrieving import (
    CANCELLED,
    GET_RQ,
    NONE_SENT,
    STUDY_ROOT_GET,
    SUCCESS,
    Retrieved,
    associate_to_get,
    associate_to_move,
    cancel_request,
    collect,
    hold_study,
    retrieve_request,
)
from tests.scripted_acceptor import ScriptedAcceptor, StoringPeer
from tests.scripted_peer import RELEASE_RP, ScriptedPeer
from tests.unit.dimse.certificates import Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path / "tls")


@pytest.fixture
def study(space: StorageSpace) -> list[Dataset]:
    """Objects of many TLS records each."""
    return hold_study(space, rows=300, columns=300)


@pytest.fixture
def service(start_service: Start, authority: Authority) -> Service:
    return start_service(
        dimse_tls_port=2762,
        dimse_tls_certificate=authority.issue("ours"),
        dimse_tls_ca=authority.file,
    )


@pytest.fixture
def caller(service: Service, authority: Authority) -> ScriptedPeer:
    connection = socket.create_connection(("127.0.0.1", service.tls_port), timeout=60)
    context = CallingFiles(authority.file).build()
    return ScriptedPeer(context.wrap_socket(connection, server_hostname="127.0.0.1"))


def test_study_comes_to_the_byte(caller: ScriptedPeer, study: list[Dataset]) -> None:
    with associate_to_get(caller) as peer:
        peer.send(retrieve_request(GET_RQ, STUDY_ROOT_GET, study_key(study)))
        retrieved = collect(peer)
        assert peer.release().kind == RELEASE_RP
    assert retrieved.final.counts == (None, 3, 0, 0)
    for image in study:
        assert retrieved.stored[image.SOPInstanceUID].data_set == data_set_bytes(image)


def test_cancel_is_heard(caller: ScriptedPeer, study: list[Dataset]) -> None:
    with associate_to_get(caller) as peer:
        peer.send(retrieve_request(GET_RQ, STUDY_ROOT_GET, study_key(study)))
        retrieved = collect(peer, before_answer=lambda _request: peer.send(cancel_request()))
    assert retrieved.final.status == CANCELLED
    assert len(retrieved.stored) == 1


def moved(
    caller: ScriptedPeer, study: list[Dataset], peer: StoringPeer, accepting: AcceptingFiles
) -> Retrieved:
    """What came of a C-MOVE to a peer that has these files."""

    def script(plain: ScriptedPeer) -> None:
        try:
            secured = accepting.build().wrap_socket(plain.connection, server_side=True)
        except OSError:
            return  # we did not trust it
        with ScriptedPeer(secured) as ours:
            peer(ours)

    with ScriptedAcceptor(script) as acceptor:
        RemoteApplicationEntity.objects.create(
            ae_title="DEST", host="127.0.0.1", port=acceptor.port, uses_tls=True
        )
        with associate_to_move(caller) as asking:
            asking.send(move_request(study))
            retrieved = collect(asking)
        process_pool().close()
    return retrieved


def test_study_is_moved_to_a_peer_that_knows_us_by_our_certificate(
    caller: ScriptedPeer, study: list[Dataset], authority: Authority
) -> None:
    peer = StoringPeer()
    accepting = AcceptingFiles(
        authority.issue("theirs"),
        client_authorities=authority.file,
        client_certificates="required",
    )
    retrieved = moved(caller, study, peer, accepting)
    assert retrieved.final.status == SUCCESS
    assert [message.data_set for message in peer.messages] == [
        data_set_bytes(image) for image in study
    ]


def test_nothing_is_moved_to_a_peer_that_we_do_not_trust(
    caller: ScriptedPeer, study: list[Dataset], tmp_path: Path
) -> None:
    peer = StoringPeer()
    stranger = AcceptingFiles(Authority.create(tmp_path / "stranger").issue("theirs"))
    retrieved = moved(caller, study, peer, stranger)
    assert retrieved.final.status == NONE_SENT
    assert peer.messages == []
