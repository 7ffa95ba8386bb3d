"""Every PDV comes out whole, however the network cuts the stream. Source: PS3.8 9.3.5, E."""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.dimse.protocol.data_path import Outflow, PduReader, prepare_connection, send
from ingestion.dimse.protocol.upper_layer import (
    Abort,
    PeerSilent,
    PeerVanished,
    ProtocolViolation,
    ServiceStopping,
)
from tests.scripted_peer import p_data

Pair = tuple[socket.socket, socket.socket]
Pdv = tuple[int, int, bytes]  # context ID, control header, fragment


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    prepare_connection(ours, timeout_seconds=60)
    with ours, theirs:
        yield ours, theirs


def encoded(pdvs: list[Pdv]) -> bytes:
    return p_data(*(struct.pack(">IBB", len(f) + 2, c, h) + f for c, h, f in pdvs))


def read_pdvs(reader: PduReader) -> list[Pdv]:
    """The PDVs of the next PDU, put together."""
    kind, length = reader.read_header()
    assert kind == 4
    pdvs: list[Pdv] = []
    pieces = b""
    for fragment in reader.fragments(length):
        pieces += fragment.view
        if fragment.ends_pdv:
            pdvs.append((fragment.context_id, fragment.control, pieces))
            pieces = b""
    assert not pieces
    return pdvs


PDVS = st.lists(
    st.tuples(st.integers(1, 255), st.integers(0, 255), st.binary(max_size=200)), max_size=5
)


@settings(max_examples=150)
@given(
    pdus=st.lists(PDVS, min_size=1, max_size=5),
    cuts=st.lists(st.integers(1, 60), min_size=1),
    buffer_bytes=st.sampled_from([16, 17, 64, 4096]),
)
def test_any_pdvs_cut_anywhere_come_out_whole(
    pdus: list[list[Pdv]], cuts: list[int], buffer_bytes: int
) -> None:
    ours, theirs = socket.socketpair()
    prepare_connection(ours, timeout_seconds=60)
    stream = b"".join(encoded(pdvs) for pdvs in pdus)

    def write_in_pieces() -> None:
        offset = turn = 0
        while offset < len(stream):
            size = cuts[turn % len(cuts)]
            theirs.sendall(stream[offset : offset + size])
            offset, turn = offset + size, turn + 1

    with ours, theirs:
        writer = threading.Thread(target=write_in_pieces)
        writer.start()
        reader = PduReader(ours, buffer_bytes=buffer_bytes)
        assert [read_pdvs(reader) for _ in pdus] == pdus
        writer.join()


def test_pdv_longer_than_the_buffer_comes_in_pieces(pair: Pair) -> None:
    ours, theirs = pair
    fragment = bytes(range(256)) * 40
    theirs.sendall(encoded([(3, 0, fragment), (3, 2, b"end")]))
    assert read_pdvs(PduReader(ours, buffer_bytes=1000)) == [(3, 0, fragment), (3, 2, b"end")]


@pytest.mark.parametrize(
    "body",
    [
        b"\0",
        bytes(5),
        struct.pack(">IBB", 0, 1, 0),
        struct.pack(">IBB", 1, 1, 0),
        struct.pack(">IBB", 3, 1, 0),
        struct.pack(">IBB", 2**32 - 1, 1, 0) + b"x",
    ],
)
def test_lengths_that_disagree_are_a_violation(pair: Pair, body: bytes) -> None:
    ours, theirs = pair
    theirs.sendall(struct.pack(">BxI", 4, len(body)) + body)
    reader = PduReader(ours)
    _, length = reader.read_header()
    with pytest.raises(ProtocolViolation) as caught:
        list(reader.fragments(length))
    assert caught.value.abort is Abort.INVALID_PDU_PARAMETER


@settings(max_examples=200)
@given(body=st.binary(max_size=300))
def test_any_body_ends_in_fragments_or_a_violation(body: bytes) -> None:
    ours, theirs = socket.socketpair()
    prepare_connection(ours, timeout_seconds=60)
    with ours, theirs:
        theirs.sendall(struct.pack(">BxI", 4, len(body)) + body)
        theirs.shutdown(socket.SHUT_WR)
        reader = PduReader(ours, buffer_bytes=32)
        _, length = reader.read_header()
        try:
            total = sum(len(fragment.view) for fragment in reader.fragments(length))
        except ProtocolViolation:
            return
        assert total <= len(body)


def test_silence_is_told_from_the_end_of_the_stream(pair: Pair) -> None:
    ours, theirs = pair
    reader = PduReader(ours)
    reader.limit_silence(0.05)
    with pytest.raises(PeerSilent):
        reader.read_header()
    theirs.close()
    with pytest.raises(PeerVanished):
        reader.read_header()


def test_time_limit_holds_for_bytes_that_trickle(pair: Pair) -> None:
    ours, theirs = pair
    stop = threading.Event()

    def trickle() -> None:
        while not stop.wait(0.02):
            theirs.sendall(b"\1")

    writer = threading.Thread(target=trickle)
    writer.start()
    reader = PduReader(ours)
    reader.limit_time(0.2)
    with pytest.raises(PeerSilent):
        reader.read_body(10_000)
    stop.set()
    writer.join()


def test_another_thread_ends_a_waiting_reader(pair: Pair) -> None:
    ours, _ = pair
    reader = PduReader(ours)
    threading.Timer(0.05, reader.stop_reading).start()
    with pytest.raises(ServiceStopping):
        reader.read_header()


def test_stopping_holds_though_bytes_keep_coming(pair: Pair) -> None:
    ours, theirs = pair
    reader = PduReader(ours)
    reader.stop_reading()
    with contextlib.suppress(BrokenPipeError):  # the kernel may refuse what nobody will read
        theirs.sendall(bytes(100))
    with pytest.raises(ServiceStopping):
        reader.read_header()


def test_answer_that_nobody_reads_ends_in_time(pair: Pair) -> None:
    ours, _ = pair
    prepare_connection(ours, timeout_seconds=0.05)
    with pytest.raises(PeerSilent):
        send(ours, bytes(50_000_000))


def test_answer_to_a_closed_connection_is_a_vanished_peer(pair: Pair) -> None:
    ours, theirs = pair
    theirs.close()
    with pytest.raises(PeerVanished):
        send(ours, b"x")


def test_peer_that_takes_answers_by_the_spoonful_is_silent(pair: Pair) -> None:
    ours, theirs = pair
    prepare_connection(ours, timeout_seconds=5)  # the kernel wakes nobody for so little room
    stop = threading.Event()

    def sip() -> None:
        while not stop.wait(0.02):
            theirs.recv(20)

    def send_much(outflow: Outflow) -> None:
        for _ in range(100_000):
            outflow.send(bytes(20))

    sipping = threading.Thread(target=sip)
    sipping.start()
    with pytest.raises(PeerSilent, match="slowly"):
        send_much(Outflow(ours, patience_seconds=0.3))
    stop.set()
    sipping.join()
