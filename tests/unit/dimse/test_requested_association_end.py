"""Associations that we asked for: how they end."""

import threading

import pytest

from ingestion.dimse.protocol.upper_layer import (
    ServiceStopping,
)
from tests.eventually import eventually
from tests.scripted_acceptor import (
    ScriptedAcceptor,
    accept,
    read_message,
)
from tests.scripted_peer import (
    RELEASE_RP,
    RELEASE_RQ,
    ScriptedPeer,
    p_data,
    pdu,
    pdv,
    release_rq,
)
from tests.unit.dimse.requested import associated


def test_both_sides_release_at_once() -> None:
    def script(peer: ScriptedPeer) -> None:
        accept(peer)
        peer.send(release_rq())
        assert peer.read_pdu().kind == RELEASE_RQ
        assert peer.read_pdu().kind == RELEASE_RP
        peer.send(pdu(RELEASE_RP, bytes(4)))
        assert peer.is_closed()

    with ScriptedAcceptor(script) as acceptor:
        associated(acceptor).release()


def test_release_lets_pass_what_is_on_its_way() -> None:
    def script(peer: ScriptedPeer) -> None:
        accept(peer)
        assert peer.read_pdu().kind == RELEASE_RQ
        peer.send(p_data(pdv(1, b"late")), pdu(RELEASE_RP, bytes(4)))
        assert peer.is_closed()

    with ScriptedAcceptor(script) as acceptor:
        associated(acceptor).release()


def test_release_is_not_answered_for_ever() -> None:
    def script(peer: ScriptedPeer) -> None:
        accept(peer)
        assert peer.read_pdu().kind == RELEASE_RQ
        assert peer.is_closed()

    with ScriptedAcceptor(script) as acceptor:
        association = associated(acceptor, seconds=1.0)
        association.release()
        assert not association.is_open
        association.release()


def test_association_that_the_peer_ended_is_not_idle() -> None:
    ended = threading.Event()

    def script(peer: ScriptedPeer) -> None:
        accept(peer)
        assert ended.wait(60)

    with ScriptedAcceptor(script) as acceptor, associated(acceptor) as association:
        assert association.is_idle()
        ended.set()
        eventually(lambda: not association.is_idle())
        association.abort()
        assert not association.is_idle()


def test_stop_ends_a_wait() -> None:
    asked = threading.Event()

    def script(peer: ScriptedPeer) -> None:
        accept(peer)
        read_message(peer)
        asked.set()
        peer.is_closed()

    with ScriptedAcceptor(script) as acceptor, associated(acceptor, seconds=60) as association:

        def stop() -> None:
            assert asked.wait(60)
            association.stop()

        stopping = threading.Thread(target=stop)
        stopping.start()
        with pytest.raises(ServiceStopping):
            association.echo()
        stopping.join()
