"""Associations that we asked for: answers right and wrong, and peers that leave."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ingestion.dimse.protocol.commands import CommandField, Request, Response, encode_request
from ingestion.dimse.protocol.upper_layer import (
    AbortedByPeer,
    AssociationEnded,
    MessageCutOff,
    PeerSilent,
    PeerVanished,
    ProtocolViolation,
    ReleasedByPeer,
)
from ingestion.dimse.requestor.requested_association import ReceiveLimits
from ingestion.errors import ObjectMissing
from tests.scripted_acceptor import (
    Message,
    Script,
    ScriptedAcceptor,
    StoringPeer,
    accept,
    read_message,
    response,
)
from tests.scripted_peer import (
    ABORT,
    CT_IMAGE_STORAGE,
    RELEASE_RP,
    ConnectionEnded,
    ScriptedPeer,
    abort,
    echo_command,
    message,
    p_data,
    pdu,
    pdv,
    release_rq,
)
from tests.unit.dimse.outgoing import Outgoing, in_file
from tests.unit.dimse.requested import CT_CONTEXT, associated

Last = list[int]


def echo_answered_by(
    answer: Callable[[Message], bytes], kind: type[AssociationEnded], *, seconds: float = 60.0
) -> tuple[AssociationEnded, Last]:
    """What an answer to C-ECHO leads to, and the kinds of PDU that the peer reads after it."""
    last: Last = []

    def script(peer: ScriptedPeer) -> None:
        accept(peer)
        asked = read_message(peer)
        assert asked is not None
        peer.send(answer(asked))
        try:
            while True:
                last.append(peer.read_pdu().kind)
        except ConnectionEnded:
            return

    with ScriptedAcceptor(script) as acceptor, associated(acceptor, seconds=seconds) as association:
        with pytest.raises(kind) as raised:
            association.echo()
        assert not association.is_open
    assert type(raised.value) is kind
    return raised.value, last


def test_echo_and_release_in_order() -> None:
    peer = StoringPeer()
    with ScriptedAcceptor(peer) as acceptor, associated(acceptor) as association:
        assert association.echo().status == 0
        assert association.echo().message_id == 2
        assert association.is_idle()
    assert [each.command_field for each in peer.messages] == [0x0030, 0x0030]
    assert peer.aborted == 0


def test_error_inside_the_association_aborts_it() -> None:
    peer = StoringPeer()
    with (
        ScriptedAcceptor(peer) as acceptor,
        pytest.raises(ZeroDivisionError),
        associated(acceptor),
    ):
        raise ZeroDivisionError
    assert peer.aborted == 1


def test_message_ids_begin_again_before_they_are_too_large() -> None:
    with ScriptedAcceptor(StoringPeer()) as acceptor, associated(acceptor) as association:
        message_ids = [association.next_message_id() for _ in range(0x10000)]
    assert message_ids[:2] == [1, 2]
    assert message_ids[-2:] == [0xFFFF, 1]


def test_store_says_what_the_instance_is(tmp_path: Path) -> None:
    peer = StoringPeer(statuses={"1.2.3": 0xB000})
    with ScriptedAcceptor(peer) as acceptor, associated(acceptor) as association:
        answer = association.store(
            in_file(tmp_path, b"data set"),
            context_id=CT_CONTEXT,
            priority=1,
            move_originator=("WORKSTATION", 77),
        )
    assert (answer.status, answer.sop_instance_uid) == (0xB000, "1.2.3")
    (stored,) = peer.messages
    assert (stored.context_id, stored.data_set) == (CT_CONTEXT, b"data set")
    # PS3.7 Table 9.3-1.
    assert stored.command_field == 0x0001
    assert stored.elements[0x0002].rstrip(b"\0").decode() == CT_IMAGE_STORAGE
    assert stored.sop_instance_uid == "1.2.3"
    assert stored.elements[0x0700] == b"\1\0"
    assert stored.elements[0x1030].strip() == b"WORKSTATION"
    assert stored.elements[0x1031] == b"\x4d\0"


def test_missing_object_is_told_before_anything_is_sent() -> None:
    peer = StoringPeer()
    with ScriptedAcceptor(peer) as acceptor, associated(acceptor) as association:
        with pytest.raises(ObjectMissing):
            association.store(Outgoing(b"", is_gone=True), context_id=CT_CONTEXT)
        assert association.echo().status == 0
    assert [each.command_field for each in peer.messages] == [0x0030]


def test_object_that_breaks_off_aborts_the_association() -> None:
    peer = StoringPeer()
    with ScriptedAcceptor(peer) as acceptor, associated(acceptor) as association:
        with pytest.raises(MessageCutOff):
            association.store(Outgoing(b"x" * 2_000_000, missing_bytes=2), context_id=CT_CONTEXT)
        assert not association.is_open
    assert (peer.messages, peer.aborted) == ([], 1)


def test_response_with_a_data_set_is_received_whole() -> None:
    def script(peer: ScriptedPeer) -> None:
        accept(peer)
        asked = read_message(peer)
        assert asked is not None
        peer.send(response(asked, 0xFF00, data_set=b"identifier"))
        peer.send(response(asked, 0))
        assert read_message(peer) is None

    with ScriptedAcceptor(script) as acceptor, associated(acceptor) as association:
        command = encode_request(CommandField.C_FIND_RQ, message_id=7, has_data_set=True)
        association.send(command, context_id=1, data_set=[b"ask"])
        pending, final = association.receive_response(7), association.receive_response(7)
    assert (pending.command.status, pending.data_set) == (0xFF00, b"identifier")
    assert (final.command.status, final.data_set) == (0, b"")


def test_request_of_the_peer_is_received_too() -> None:
    def script(peer: ScriptedPeer) -> None:
        accept(peer)
        peer.send(message(1, echo_command(message_id=9)))
        assert read_message(peer) is None

    with ScriptedAcceptor(script) as acceptor, associated(acceptor) as association:
        received = association.receive()
        assert isinstance(received.command, Request)
        assert (received.context_id, received.command.message_id) == (1, 9)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda asked: response(asked, message_id=99), id="another message ID"),
        pytest.param(lambda _asked: message(1, echo_command()), id="a request"),
        pytest.param(lambda asked: response(asked).replace(b"\x01\x03", b"\x05\x03"), id="context"),
        pytest.param(lambda _asked: p_data(pdv(1, b"data")), id="data without a command"),
        pytest.param(lambda _asked: p_data(pdv(1, b"nonsense", command=True)), id="no command set"),
        pytest.param(lambda _asked: p_data(pdv(1, b"", command=True)), id="empty command set"),
        pytest.param(lambda _asked: pdu(4, b"\0\0\0\1"), id="PDV without a header"),
        pytest.param(lambda _asked: pdu(4, b"\0\0\0\x09\1\1"), id="PDV above its PDU"),
        pytest.param(lambda _asked: pdu(2, bytes(68)), id="a second acceptance"),
        pytest.param(lambda _asked: pdu(RELEASE_RP, bytes(4)), id="release response"),
        pytest.param(lambda _asked: b"GET / HTTP/1.1\r\n", id="no DICOM"),
        pytest.param(lambda _asked: b"\4\0\xff\xff\xff\xff", id="PDU above the maximum length"),
    ],
)
def test_wrong_answer_is_a_violation_and_is_told_by_an_abort(
    answer: Callable[[Message], bytes],
) -> None:
    _, last = echo_answered_by(answer, ProtocolViolation)
    assert last == [ABORT]


def test_abort_of_the_peer_is_told_in_words() -> None:
    error, last = echo_answered_by(lambda _asked: abort(2, 1), AbortedByPeer)
    assert str(error) == "the peer aborted: unrecognized PDU"
    assert last == []


def test_release_by_the_peer_is_answered_and_told() -> None:
    _, last = echo_answered_by(lambda _asked: release_rq(), ReleasedByPeer)
    assert last == [RELEASE_RP]


def test_silent_peer_is_given_up_and_told() -> None:
    _, last = echo_answered_by(lambda _asked: b"", PeerSilent, seconds=1.0)
    assert last == [ABORT]


def test_answer_that_stops_in_the_middle_is_given_up() -> None:
    _, last = echo_answered_by(lambda asked: response(asked)[:-1], PeerSilent, seconds=1.0)
    assert last == [ABORT]


def closing(peer: ScriptedPeer) -> None:
    accept(peer)
    read_message(peer)


def test_peer_that_closes_instead_of_answering() -> None:
    with (
        ScriptedAcceptor(closing) as acceptor,
        associated(acceptor) as association,
        pytest.raises(PeerVanished),
    ):
        association.echo()


def test_data_set_above_its_limit_is_refused() -> None:
    def script(peer: ScriptedPeer) -> None:
        accept(peer)
        asked = read_message(peer)
        assert asked is not None
        peer.send(response(asked, 0xFF00, data_set=b"x" * 1001))
        assert peer.read_pdu().kind == ABORT

    limits = ReceiveLimits(data_set_bytes_max=1000)
    with (
        ScriptedAcceptor(script) as acceptor,
        associated(acceptor, limits=limits) as association,
        pytest.raises(ProtocolViolation, match="data set above its limit"),
    ):
        association.echo()


def storing_fails(
    script: Script, kind: type[AssociationEnded], *, seconds: float = 60.0
) -> AssociationEnded:
    with ScriptedAcceptor(script) as acceptor, associated(acceptor, seconds=seconds) as association:
        with pytest.raises(kind) as raised:
            association.store(Outgoing(b"x" * 50_000_000), context_id=CT_CONTEXT)
        assert not association.is_open
    assert type(raised.value) is kind
    return raised.value


def test_peer_that_takes_nothing_is_given_up() -> None:
    over = threading.Event()

    def script(peer: ScriptedPeer) -> None:
        accept(peer)
        assert over.wait(60)

    with ScriptedAcceptor(script) as acceptor, associated(acceptor, seconds=1.0) as association:
        with pytest.raises(PeerSilent):
            association.store(Outgoing(b"x" * 50_000_000), context_id=CT_CONTEXT)
        over.set()


def test_peer_that_closes_in_the_middle_of_an_object() -> None:
    def script(peer: ScriptedPeer) -> None:
        accept(peer)
        peer.read_pdu()

    storing_fails(script, PeerVanished)


def test_abort_in_the_middle_of_an_object_is_told() -> None:
    def script(peer: ScriptedPeer) -> None:
        accept(peer)
        peer.read_pdu()
        peer.send(abort(2, 6))

    assert "invalid PDU parameter" in str(storing_fails(script, AbortedByPeer))


def test_early_refusal_is_read_after_the_object_was_sent() -> None:
    def script(peer: ScriptedPeer) -> None:
        accept(peer)
        asked = Message(CT_CONTEXT, {0x0002: b"1", 0x0100: b"\1\0", 0x0110: b"\1\0"}, b"", [])
        peer.send(response(asked, 0xA700))
        assert read_message(peer) is not None
        assert read_message(peer) is None

    with ScriptedAcceptor(script) as acceptor, associated(acceptor) as association:
        answer = association.store(Outgoing(b"x" * 1_000_000), context_id=CT_CONTEXT)
        assert answer.status == 0xA700


def test_response_is_given_as_it_was_read() -> None:
    with ScriptedAcceptor(StoringPeer()) as acceptor, associated(acceptor) as association:
        assert isinstance(association.echo(), Response)
