"""The data path reads and waits through TLS as it does without."""

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestion.dimse.protocol.data_path import PduReader, prepare_connection, send
from ingestion.dimse.protocol.upper_layer import PeerSilent, PeerVanished, ServiceStopping
from tests.scripted_peer import p_data, pdv
from tests.unit.dimse.secure_pair import secure_pair

Pair = tuple[ssl.SSLSocket, ssl.SSLSocket]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    ours, theirs = secure_pair(tmp_path)
    prepare_connection(ours, timeout_seconds=60)
    with ours, theirs:
        yield ours, theirs


def test_pdu_of_many_records_comes_out_whole(pair: Pair) -> None:
    ours, theirs = pair
    sent = bytes(range(256)) * 400
    sending = threading.Thread(target=theirs.sendall, args=(p_data(pdv(3, sent)),))
    sending.start()
    reader = PduReader(ours)
    _, length = reader.read_header()
    assert b"".join(bytes(fragment.view) for fragment in reader.fragments(length)) == sent
    sending.join(60)


def test_silence_ends_in_time(pair: Pair) -> None:
    ours, theirs = pair
    reader = PduReader(ours)
    reader.limit_silence(0.05)
    theirs.sendall(b"\4")
    with pytest.raises(PeerSilent):
        reader.read_header()


def test_trickle_ends_in_time(pair: Pair) -> None:
    ours, theirs = pair
    reader = PduReader(ours)
    reader.limit_time(0.2)
    is_over = threading.Event()

    def trickle() -> None:
        while not is_over.wait(0.02):
            theirs.sendall(b"\0")

    trickling = threading.Thread(target=trickle)
    trickling.start()
    with pytest.raises(PeerSilent):
        reader.read_body(10_000)
    is_over.set()
    trickling.join(60)


def test_peer_that_takes_nothing_ends_in_time(pair: Pair) -> None:
    ours, _ = pair
    prepare_connection(ours, timeout_seconds=0.05)
    with pytest.raises(PeerSilent):
        send(ours, bytes(20_000_000))


@pytest.mark.parametrize("way", ["close_notify", "ragged", "garbage"])
def test_end_and_damage_are_a_peer_that_vanished(pair: Pair, way: str) -> None:
    ours, theirs = pair
    if way == "garbage":
        socket.socket.sendall(theirs, b"\x17\x03\x03\x00\x20" + bytes(32))
    elif way == "close_notify":
        theirs.shutdown(socket.SHUT_WR)
    else:
        socket.socket.shutdown(theirs, socket.SHUT_WR)
    with pytest.raises(PeerVanished):
        PduReader(ours).read_header()


def test_stop_ends_a_wait_and_the_farewell_is_still_secret(pair: Pair) -> None:
    ours, theirs = pair
    reader = PduReader(ours)
    stopping = threading.Timer(0.05, reader.stop_reading)
    stopping.start()
    with pytest.raises(ServiceStopping):
        reader.read_header()
    send(ours, b"farewell")
    assert theirs.recv(100) == b"farewell"
