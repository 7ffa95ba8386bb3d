"""Asking peers for associations: accepted, refused in every way, and answered by nonsense."""

import socket
import ssl
import struct

import pytest

from ingestion.dimse.protocol.association_acceptance import AssociationRejected
from ingestion.dimse.protocol.association_proposal import Proposal
from ingestion.dimse.protocol.upper_layer import (
    AbortedByPeer,
    AssociationEnded,
    PeerSilent,
    PeerUnreachable,
    PeerVanished,
    ProtocolViolation,
)
from ingestion.dimse.requestor.requested_association import RequestedAssociation
from ingestion.dimse.requestor.requesting import Destination, associate, destination_of
from ingestion.errors import Misconfigured
from ingestion.models import RemoteApplicationEntity
from tests.scripted_acceptor import (
    Script,
    ScriptedAcceptor,
    accept,
    associate_ac,
    associate_rj,
    cut,
    read_message,
    read_request,
)
from tests.scripted_peer import (
    ABORT,
    CT_IMAGE_STORAGE,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    VERIFICATION,
    ConnectionEnded,
    Pdu,
    ScriptedPeer,
    abort,
    item,
    p_data,
    pdu,
    pdv,
)
from tests.unit.dimse.outgoing import destination

PROPOSALS = (
    Proposal(VERIFICATION, (IMPLICIT_LITTLE,)),
    Proposal(CT_IMAGE_STORAGE, (EXPLICIT_LITTLE, IMPLICIT_LITTLE)),
)
COMMITMENT = "1.2.840.10008.1.20.1"
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"


def associated(
    acceptor: ScriptedAcceptor, *, response_timeout_seconds: float = 60.0
) -> RequestedAssociation:
    peer = destination(acceptor.port, response_timeout_seconds=response_timeout_seconds)
    return associate(peer, calling_ae_title="US", proposals=PROPOSALS)


def play(
    script: Script, kind: type[AssociationEnded], *, seconds: float = 60.0
) -> AssociationEnded:
    """The error that the script leads to, which must be of this very kind."""
    with ScriptedAcceptor(script) as acceptor, pytest.raises(kind) as raised:
        associated(acceptor, response_timeout_seconds=seconds)
    assert type(raised.value) is kind
    return raised.value


def test_titles_and_contexts_are_proposed_as_asked() -> None:
    asked = []

    def script(peer: ScriptedPeer) -> None:
        asked.append(accept(peer))
        assert read_message(peer) is None

    with ScriptedAcceptor(script) as acceptor, associated(acceptor) as association:
        assert association.acceptance.implementation_version_name == "SCRIPTED"
        assert association.acceptance.pdu_bytes_max == 16384
    (request,) = asked
    assert (request.called, request.calling) == ("PEER", "US")
    assert request.contexts == {
        1: (VERIFICATION, [IMPLICIT_LITTLE]),
        3: (CT_IMAGE_STORAGE, [EXPLICIT_LITTLE, IMPLICIT_LITTLE]),
    }
    user_items = dict(request.user_items)
    assert user_items[0x51] == struct.pack(">I", 128 * 1024)
    assert user_items[0x52].startswith(b"2.25.")
    assert set(user_items) == {0x51, 0x52, 0x55}


def test_contexts_are_known_by_what_was_accepted() -> None:
    def script(peer: ScriptedPeer) -> None:
        read_request(peer)
        peer.send(associate_ac({1: (3, IMPLICIT_LITTLE), 3: (0, IMPLICIT_LITTLE)}))
        assert read_message(peer) is None

    with ScriptedAcceptor(script) as acceptor, associated(acceptor) as association:
        context = association.context_for(CT_IMAGE_STORAGE)
        assert context is not None
        assert (context.context_id, context.transfer_syntax) == (3, IMPLICIT_LITTLE)
        assert (context.peer_is_scu, context.peer_is_scp) == (False, True)
        assert association.context_for(CT_IMAGE_STORAGE, IMPLICIT_LITTLE) is context
        assert association.context_for(CT_IMAGE_STORAGE, EXPLICIT_LITTLE) is None
        assert association.context_for(VERIFICATION) is None
        assert association.acceptance.refusals == {1: "SOP Class not supported"}


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (1, "refused by the user"),
        (2, "refused without a reason"),
        (3, "SOP Class not supported"),
        (4, "transfer syntaxes not supported"),
        (9, "refused with result 9"),
    ],
)
def test_refused_contexts_are_told_in_words(result: int, words: str) -> None:
    def script(peer: ScriptedPeer) -> None:
        read_request(peer)
        peer.send(associate_ac({1: (result, ""), 3: (result, "")}))
        assert read_message(peer) is None

    with ScriptedAcceptor(script) as acceptor, associated(acceptor) as association:
        assert not association.contexts
        assert association.acceptance.refusals == {1: words, 3: words}


def test_transfer_syntax_that_was_not_proposed_counts_as_refused() -> None:
    def script(peer: ScriptedPeer) -> None:
        read_request(peer)
        peer.send(associate_ac({1: (0, EXPLICIT_LITTLE), 3: (0, EXPLICIT_LITTLE)}))
        assert read_message(peer) is None

    with ScriptedAcceptor(script) as acceptor, associated(acceptor) as association:
        assert set(association.contexts) == {3}
        assert "not proposed" in association.acceptance.refusals[1]


def test_role_of_scp_is_proposed_and_its_acceptance_read() -> None:
    def role(uid: str, scu: int, scp: int) -> bytes:
        return struct.pack(">H", len(uid)) + uid.encode() + bytes([scu, scp])

    def script(peer: ScriptedPeer) -> None:
        asked = read_request(peer)
        assert (0x54, role(COMMITMENT, 0, 1)) in asked.user_items
        answer = item(0x54, role(COMMITMENT, 0, 1))
        peer.send(associate_ac({1: (0, IMPLICIT_LITTLE)}, user_items=answer))
        assert read_message(peer) is None

    proposals = [Proposal(COMMITMENT, (IMPLICIT_LITTLE,), as_scp=True)]
    with (
        ScriptedAcceptor(script) as acceptor,
        associate(
            destination(acceptor.port), calling_ae_title="US", proposals=proposals
        ) as association,
    ):
        (context,) = association.contexts.values()
        assert (context.peer_is_scu, context.peer_is_scp) == (True, False)


def test_extended_negotiation_is_proposed_and_its_answer_read() -> None:
    def extended(information: bytes) -> bytes:
        uid = STUDY_ROOT_FIND.encode()
        return struct.pack(">H", len(uid)) + uid + information

    def script(peer: ScriptedPeer) -> None:
        asked = read_request(peer)
        assert (0x56, extended(b"\1\1")) in asked.user_items
        answer = item(0x56, extended(b"\1\0"))
        peer.send(associate_ac({1: (0, IMPLICIT_LITTLE)}, user_items=answer))
        assert read_message(peer) is None

    proposals = [Proposal(STUDY_ROOT_FIND, (IMPLICIT_LITTLE,), extended=b"\1\1")]
    with (
        ScriptedAcceptor(script) as acceptor,
        associate(
            destination(acceptor.port), calling_ae_title="US", proposals=proposals
        ) as association,
    ):
        assert association.acceptance.extended == {STUDY_ROOT_FIND: b"\1\0"}


# PS3.8 Table 9-21.
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((1, 1, 1), "for good: no reason given"),
        ((1, 1, 2), "for good: application context name not supported"),
        ((1, 1, 3), "for good: calling AE title not recognized"),
        ((1, 1, 7), "for good: called AE title not recognized"),
        ((1, 2, 1), "for good: no reason given by its ACSE"),
        ((1, 2, 2), "for good: protocol version not supported"),
        ((2, 3, 1), "for now: temporary congestion"),
        ((2, 3, 2), "for now: local limit exceeded"),
        ((2, 3, 9), "for now: source 3, reason 9"),
        ((7, 1, 1), "with result 7: no reason given"),
    ],
)
def test_rejection_is_told_in_words(answer: tuple[int, int, int], words: str) -> None:
    def script(peer: ScriptedPeer) -> None:
        read_request(peer)
        peer.send(associate_rj(*answer))
        with pytest.raises(ConnectionEnded):
            peer.read_pdu()

    error = play(script, AssociationRejected)
    assert isinstance(error, AssociationRejected)
    assert (error.result, error.source, error.reason) == answer
    assert str(error) == f"the peer rejected the association {words}"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (abort(0, 0), "the peer aborted"),
        (abort(2, 0), "the peer aborted: reason not specified"),
        (abort(2, 2), "the peer aborted: unexpected PDU"),
        (abort(2, 99), "the peer aborted: reason 99"),
    ],
)
def test_abort_instead_of_an_answer(answer: bytes, words: str) -> None:
    def script(peer: ScriptedPeer) -> None:
        read_request(peer)
        peer.send(answer)

    assert str(play(script, AbortedByPeer)) == words


def test_silent_peer_is_given_up_and_told() -> None:
    last = []

    def script(peer: ScriptedPeer) -> None:
        read_request(peer)
        last.append(peer.read_pdu())

    play(script, PeerSilent, seconds=0.2)
    assert last == [Pdu(ABORT, bytes(4)[:2] + b"\2\0")]


def test_answer_that_trickles_is_given_up() -> None:
    def script(peer: ScriptedPeer) -> None:
        read_request(peer)
        answer = associate_ac({1: (0, IMPLICIT_LITTLE)})
        for index in range(len(answer) - 1):
            peer.connection.settimeout(0.02)
            peer.send(answer[index : index + 1])
            try:
                if peer.connection.recv(10):
                    return
            except TimeoutError:
                continue

    play(script, PeerSilent, seconds=0.3)


def test_peer_that_closes_instead_of_answering() -> None:
    def script(peer: ScriptedPeer) -> None:
        read_request(peer)

    play(script, PeerVanished)


FIXED = bytes(68)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", id="no DICOM"),
        pytest.param(pdu(2, bytes(67)), id="too short"),
        pytest.param(pdu(2, FIXED + b"\x21"), id="item without a header"),
        pytest.param(pdu(2, FIXED + b"\x21\0\xff\xff"), id="item too long"),
        pytest.param(pdu(2, FIXED + item(0x21, b"\1")), id="context too short"),
        pytest.param(pdu(2, FIXED + item(0x21, bytes([99, 0, 0, 0]))), id="unasked context"),
        pytest.param(
            pdu(2, FIXED + item(0x50, item(0x51, b"\0\0\1"))), id="maximum length of three bytes"
        ),
        pytest.param(pdu(2, FIXED + item(0x50, item(0x54, b"\0\xff1"))), id="role too short"),
        pytest.param(struct.pack(">BxI", 2, 1 << 31), id="huge acceptance"),
        pytest.param(pdu(3, bytes(5)), id="long rejection"),
        pytest.param(p_data(pdv(1, b"x")), id="data"),
        pytest.param(pdu(6, bytes(4)), id="release response"),
    ],
)
def test_nonsense_ends_in_one_kind_of_error_and_an_abort(answer: bytes) -> None:
    last = []

    def script(peer: ScriptedPeer) -> None:
        read_request(peer)
        peer.send(answer)
        last.append(peer.read_pdu().kind)

    play(script, ProtocolViolation)
    assert last == [ABORT]


def test_acceptance_without_user_information_has_no_limit_and_no_name() -> None:
    def script(peer: ScriptedPeer) -> None:
        read_request(peer)
        peer.send(pdu(2, FIXED))
        assert read_message(peer) is None

    with ScriptedAcceptor(script) as acceptor, associated(acceptor) as association:
        acceptance = association.acceptance
        assert (acceptance.pdu_bytes_max, acceptance.implementation_version_name) == (0, "")


def test_port_where_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(PeerUnreachable, match=rf"^PEER at 127.0.0.1:{port}: Connection refused$"):
        associate(destination(port), calling_ae_title="US", proposals=PROPOSALS)


@pytest.mark.parametrize(
    ("host", "port"),
    [("no-such-host.invalid", 104), ("a..b", 104), ("x" * 300, 104), ("127.0.0.1", 70_000)],
)
def test_address_that_is_none(host: str, port: int) -> None:
    nowhere = Destination("PEER", host, port)
    with pytest.raises(PeerUnreachable, match=r"^PEER at "):
        associate(nowhere, calling_ae_title="US", proposals=PROPOSALS)


def test_peer_that_does_not_speak_tls() -> None:
    def script(peer: ScriptedPeer) -> None:
        peer.connection.recv(1)
        peer.send(b"no TLS here")

    with ScriptedAcceptor(script) as acceptor, pytest.raises(PeerUnreachable, match="TLS: "):
        associate(
            Destination("PEER", "127.0.0.1", acceptor.port, tls=ssl.create_default_context()),
            calling_ae_title="US",
            proposals=PROPOSALS,
        )


def test_destination_of_an_application_entity() -> None:
    remote = RemoteApplicationEntity(
        ae_title="PACS",
        host="pacs.example",
        port=11112,
        connect_timeout_seconds=3.0,
        response_timeout_seconds=4.0,
        associations_max=2,
    )
    assert destination_of(remote) == Destination("PACS", "pacs.example", 11112, None, 3.0, 4.0, 2)
    remote.port = None
    with pytest.raises(Misconfigured, match="PACS: no host and port"):
        destination_of(remote)


def test_items_are_cut_as_they_were_put_together() -> None:
    assert cut(item(1, b"a") + item(2, b"")) == [(1, b"a"), (2, b"")]
