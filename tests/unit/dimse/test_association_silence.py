"""Peers that vanish, stay silent or trickle, and associations that we end. Source: PS3.8 9.1.5."""

import pytest

from tests.eventually import eventually
from tests.scripted_peer import (
    RELEASE_RP,
    ScriptedPeer,
    abort,
    associate_rq,
    echo_command,
    p_data,
    pdv,
    store_command,
)
from tests.unit.dimse.conftest import Connect
from tests.unit.dimse.custodian import Custodian
from tests.unit.dimse.peers import aborted, associated, ended


def test_peer_that_vanishes_inside_a_data_set_leaves_nothing(
    connect: Connect, custodian: Custodian, caplog: pytest.LogCaptureFixture
) -> None:
    peer = associated(connect())
    peer.send(p_data(pdv(3, store_command("1.2"), command=True)))
    peer.send(p_data(pdv(3, bytes(20_000), last=False)), p_data(pdv(3, bytes(9)))[:12])
    peer.connection.close()
    eventually(lambda: ended(caplog))
    assert not custodian.kept
    assert custodian.open_count == 0
    assert all(record.exc_info is None for record in caplog.records)


def test_abort_by_the_peer_inside_a_data_set_leaves_nothing(
    connect_fast: Connect, custodian: Custodian, caplog: pytest.LogCaptureFixture
) -> None:
    peer = associated(connect_fast())
    peer.send(p_data(pdv(3, store_command("1.2"), command=True), pdv(3, b"a", last=False)))
    eventually(lambda: custodian.open_count == 1)
    peer.send(abort())
    assert peer.is_closed()
    assert eventually(lambda: ended(caplog))["outcome"] == "aborted by peer"
    assert (custodian.kept, custodian.open_count) == ({}, 0)


def test_silence_before_the_request_ends_the_connection(connect: Connect) -> None:
    peer = connect(artim_timeout_seconds=0.1)
    assert peer.is_closed()


def test_trickling_request_ends_when_artim_does(connect_fast: Connect) -> None:
    peer = connect_fast(artim_timeout_seconds=0.2)
    request = associate_rq()
    sent = 0

    def trickle() -> bool:
        nonlocal sent
        try:
            peer.send(request[sent : sent + 1])
        except OSError:
            return True
        sent += 1
        return False

    eventually(trickle)
    assert sent < len(request)


def test_silence_inside_an_association_aborts_it(
    connect_fast: Connect, custodian: Custodian, caplog: pytest.LogCaptureFixture
) -> None:
    peer = associated(connect_fast(network_timeout_seconds=1.0))
    peer.send(p_data(pdv(3, store_command("1.2"), command=True), pdv(3, b"a", last=False)))
    assert aborted(peer) == (2, 0)
    peer.connection.close()
    assert eventually(lambda: ended(caplog))["outcome"] == "peer silent"
    assert (custodian.kept, custodian.open_count) == ({}, 0)


def test_silence_between_messages_has_a_limit_of_its_own(connect_fast: Connect) -> None:
    peer = associated(connect_fast(network_timeout_seconds=1.0, dimse_timeout_seconds=60))
    assert peer.request(1, echo_command()).status == 0
    assert aborted(peer) == (2, 0)


def test_silence_inside_a_message_has_a_limit_of_its_own(
    connect_fast: Connect, custodian: Custodian
) -> None:
    peer = associated(connect_fast(network_timeout_seconds=60, dimse_timeout_seconds=0.1))
    assert not peer_is_ended_within(peer, 0.3)
    peer.send(p_data(pdv(3, store_command("1.2"), command=True), pdv(3, b"a", last=False)))
    assert aborted(peer) == (2, 0)
    assert not custodian.kept


def test_peer_that_takes_its_time_inside_a_message_is_waited_for(
    connect_fast: Connect, custodian: Custodian
) -> None:
    peer = associated(connect_fast(network_timeout_seconds=1.0, dimse_timeout_seconds=60))
    peer.send(p_data(pdv(3, store_command("1.2"), command=True), pdv(3, b"a", last=False)))
    assert not peer_is_ended_within(peer, 1.5)
    peer.send(p_data(pdv(3, b"b")))
    assert peer.read_response().status == 0
    assert custodian.kept == {"1.2": b"ab"}


def test_trickling_pdu_ends_the_association(
    connect_fast: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    peer = associated(connect_fast(dimse_timeout_seconds=1.0))
    peer.send(p_data(pdv(3, store_command("1.2"), command=True)))
    body = p_data(pdv(3, bytes(1000)))
    peer.send(body[:50])

    def trickle() -> bool:
        try:
            peer.send(b"\0")  # many times within the timeout
        except OSError:
            return True
        return ended(caplog) is not None

    eventually(trickle, within_seconds=60, every_seconds=0.02)
    line = eventually(lambda: ended(caplog))
    assert (line["outcome"], line["reason"]) == ("peer silent", "the peer trickles")


def peer_is_ended_within(peer: ScriptedPeer, seconds: float) -> bool:
    peer.connection.settimeout(seconds)
    try:
        peer.connection.recv(1)
        return True
    except TimeoutError:
        return False
    finally:
        peer.connection.settimeout(60)


def test_silence_ends_the_stock_path_too(connect: Connect) -> None:
    peer = associated(connect(network_timeout_seconds=1.0))
    assert peer.is_closed()


def test_peer_that_never_closes_after_release_is_closed_in_time(connect: Connect) -> None:
    peer = associated(connect(artim_timeout_seconds=1.0))
    assert peer.release().kind == RELEASE_RP
    assert peer.is_closed()


def test_stopping_aborts_an_idle_association(
    connect_fast: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    peer = associated(connect_fast())
    assert peer.request(1, echo_command()).status == 0
    peer.served.stop()  # type: ignore[attr-defined]
    assert aborted(peer) == (2, 0)
    peer.connection.close()
    assert eventually(lambda: ended(caplog))["outcome"] == "service stopped"


def test_stopping_ends_the_stock_path_too(connect: Connect) -> None:
    peer = associated(connect())
    assert peer.request(1, echo_command()).status == 0
    peer.served.stop()  # type: ignore[attr-defined]
    assert peer.is_closed()
