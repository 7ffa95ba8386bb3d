"""Messages on their way out: whatever the peer's maximum length, the bytes are those at rest."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.dimse.protocol.outgoing_data_sets import OutgoingInstance, opened_data_set
from ingestion.dimse.protocol.sending import BUFFER_BYTES, PDU_BYTES_MAX, MessageWriter
from ingestion.dimse.protocol.upper_layer import MessageCutOff, PeerVanished, ProtocolViolation
from ingestion.errors import MalformedDataSet, ObjectMissing
from tests.scripted_acceptor import Message, read_message
from tests.scripted_peer import ScriptedPeer, store_command
from tests.unit.dimse.outgoing import Outgoing, in_file

CONTEXT_ID = 5
DEFLATED = "1.2.840.10008.1.2.1.99"
PATTERN = bytes(range(251)) * 20_000


class Receiving:
    """The other end of a connection: reads so many messages in a thread."""

    def __init__(self, connection: socket.socket, amount: int) -> None:
        self._peer = ScriptedPeer(connection)
        self._amount = amount
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._messages: list[Message | None] = []
        self._thread.start()

    def messages(self) -> list[Message]:
        self._thread.join(60)
        assert len(self._messages) == self._amount
        return [message for message in self._messages if message is not None]

    def _read(self) -> None:
        for _ in range(self._amount):
            self._messages.append(read_message(self._peer))


@contextmanager
def writing(pdu_bytes_max: int, *, messages: int = 1) -> Iterator[tuple[MessageWriter, Receiving]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield MessageWriter(ours, pdu_bytes_max=pdu_bytes_max), Receiving(theirs, messages)


def send(writer: MessageWriter, instance: OutgoingInstance, command: bytes = b"") -> None:
    with opened_data_set(instance) as data_set:
        writer.send(command or store_command("1.2.3"), context_id=CONTEXT_ID, data_set=data_set)


@settings(max_examples=60)
@given(
    pdu_bytes_max=st.sampled_from([0, 8, 9, 10, 46, 1000, 4096, 16384, 131072, 1 << 32 - 1]),
    size_bytes=st.integers(0, 3000) | st.sampled_from([16372, 16378, 16379, 131066, 700_001]),
    chunk_bytes=st.integers(1, 5000).map(lambda number: number * 100),
)
def test_data_set_arrives_as_it_rests(
    pdu_bytes_max: int, size_bytes: int, chunk_bytes: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data_set = PATTERN[: min(size_bytes, pdu_bytes_max * 100) if pdu_bytes_max else size_bytes]
    data_set = data_set[: len(data_set) & ~1]
    folder = tmp_path_factory.mktemp("objects")
    with writing(pdu_bytes_max, messages=2) as (writer, receiving):
        send(writer, in_file(folder, data_set))
        send(writer, Outgoing(data_set, chunk_bytes=chunk_bytes))
        received = receiving.messages()
        assert writer.bytes_sent == 2 * len(data_set)
    for message in received:
        assert message.data_set == data_set
        assert message.context_id == CONTEXT_ID
        assert message.sop_instance_uid == "1.2.3"
        assert max(message.pdu_lengths) <= (pdu_bytes_max or PDU_BYTES_MAX)


def test_pieces_arrive_as_one_data_set() -> None:
    with writing(100) as (writer, receiving):
        pieces: list[bytes | memoryview] = [b"", b"a", memoryview(b"bc"), b"d" * 1000]
        writer.send(store_command("1.2"), context_id=1, data_set=pieces)
        (message,) = receiving.messages()
    assert message.data_set == b"abc" + b"d" * 1000


def test_empty_data_set_is_a_data_set() -> None:
    with writing(100) as (writer, receiving):
        writer.send(store_command("1.2"), context_id=1, data_set=[])
        (message,) = receiving.messages()
    assert message.data_set == b""


def test_each_message_has_its_own_context_and_last_fragment(tmp_path: Path) -> None:
    instance = in_file(tmp_path, PATTERN[:5000])
    with writing(1000, messages=4) as (writer, receiving):
        for context_id in (1, 3, 3, 1):
            with opened_data_set(instance) as data_set:
                writer.send(store_command("1.2"), context_id=context_id, data_set=data_set)
        received = receiving.messages()
    assert [message.context_id for message in received] == [1, 3, 3, 1]
    assert {message.data_set for message in received} == {PATTERN[:5000]}


def test_small_object_leaves_in_one_piece(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        send(MessageWriter(ours, pdu_bytes_max=16384), in_file(tmp_path, PATTERN[:36_000]))
        whole = theirs.recv(1 << 20)
    lengths = []
    while whole:
        (length,) = struct.unpack_from(">2xI", whole)
        lengths.append(length)
        whole = whole[6 + length :]
    assert lengths[1:] == [16384, 16384, 36_000 - 2 * 16378 + 6]


def test_command_set_above_its_room_goes_ahead(tmp_path: Path) -> None:
    uid = "1." + "2" * 2000
    with writing(0) as (writer, receiving):
        send(writer, in_file(tmp_path, b"data"), store_command(uid))
        (message,) = receiving.messages()
    assert (message.sop_instance_uid, message.data_set) == (uid, b"data")


@pytest.mark.parametrize("pdu_bytes_max", [1, 6, 7])
def test_maximum_length_that_holds_nothing_is_a_violation(pdu_bytes_max: int) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(ProtocolViolation):
        MessageWriter(ours, pdu_bytes_max=pdu_bytes_max).send(
            store_command("1.2"), context_id=1, data_set=[b"x"]
        )


def unsent(instance: OutgoingInstance) -> None:
    """Sending fails with `ObjectMissing`, and not a byte was sent."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        with pytest.raises(ObjectMissing):
            send(MessageWriter(ours, pdu_bytes_max=0), instance)
        with pytest.raises(BlockingIOError):
            theirs.recv(1)


def test_what_is_missing_is_told_before_the_first_byte(tmp_path: Path) -> None:
    unsent(Outgoing(b"xx", is_gone=True))
    unsent(Outgoing(b"xx", file=tmp_path / "gone"))
    unsent(in_file(tmp_path, b"x" * 100, missing_bytes=2))
    unsent(Outgoing(b"x" * 100, missing_bytes=2))


def test_object_that_breaks_off_later_cuts_the_message_off() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        receiving = threading.Thread(target=lambda: theirs.makefile("rb").read())
        receiving.start()
        with pytest.raises(MessageCutOff, match="not as long as it was"):
            send(
                MessageWriter(ours, pdu_bytes_max=0),
                Outgoing(PATTERN[: BUFFER_BYTES + 1], missing_bytes=1),
            )
        ours.shutdown(socket.SHUT_WR)
        receiving.join(60)


def test_file_that_is_cut_after_it_was_opened_is_missing(tmp_path: Path) -> None:
    instance = in_file(tmp_path, PATTERN[: 2 * BUFFER_BYTES])
    assert instance.file is not None
    ours, theirs = socket.socketpair()
    with ours, theirs, opened_data_set(instance) as data_set:
        instance.file.write_bytes(b"cut")
        with pytest.raises(ObjectMissing):
            MessageWriter(ours, pdu_bytes_max=0).send(
                store_command("1.2"), context_id=1, data_set=data_set
            )


@pytest.mark.parametrize("is_file", [True, False])
def test_deflated_data_set_of_odd_length_is_padded(tmp_path: Path, is_file: bool) -> None:
    instance = in_file(tmp_path, b"odd") if is_file else Outgoing(b"odd")
    instance.transfer_syntax_uid = DEFLATED
    with writing(100) as (writer, receiving):
        send(writer, instance)
        (message,) = receiving.messages()
    assert message.data_set == b"odd\0"


def test_other_data_set_of_odd_length_is_broken(tmp_path: Path) -> None:
    for instance in (Outgoing(b"odd"), in_file(tmp_path, b"odd")):
        with pytest.raises(MalformedDataSet), opened_data_set(instance):
            pass


def test_peer_that_is_gone(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    with ours, pytest.raises(PeerVanished):
        send(MessageWriter(ours, pdu_bytes_max=0), in_file(tmp_path, PATTERN))


def test_file_is_read_in_pieces_by_who_has_no_buffer(tmp_path: Path) -> None:
    with opened_data_set(in_file(tmp_path, PATTERN[:200_000])) as data_set:
        assert b"".join(data_set) == PATTERN[:200_000]
