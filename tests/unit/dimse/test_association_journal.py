"""Every association that we ask for is recorded once: what it did, and how it ended."""

import socket
from pathlib import Path

import pytest

from ingestion.dimse.journal.association_end import AssociationEnding, Outcome
from ingestion.dimse.protocol.association_acceptance import AssociationRejected
from ingestion.dimse.protocol.association_proposal import Proposal
from ingestion.dimse.protocol.commands import CommandField, encode_request
from ingestion.dimse.protocol.negotiation import ContextResult
from ingestion.dimse.protocol.upper_layer import (
    AbortedByPeer,
    MessageCutOff,
    PeerSilent,
    PeerUnreachable,
)
from ingestion.dimse.requestor.association_pool import AssociationPool, Call
from ingestion.dimse.requestor.requested_association import RequestedAssociation
from ingestion.dimse.requestor.requesting import associate
from tests.scripted_acceptor import (
    ScriptedAcceptor,
    StoringPeer,
    accept,
    associate_ac,
    associate_rj,
    read_message,
    read_request,
    response,
)
from tests.scripted_peer import (
    CT_IMAGE_STORAGE,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    VERIFICATION,
    ScriptedPeer,
    abort,
    release_rq,
)
from tests.unit.dimse.outgoing import Outgoing, destination, in_file

PROPOSALS = (
    Proposal(VERIFICATION, (IMPLICIT_LITTLE,)),
    Proposal(CT_IMAGE_STORAGE, (EXPLICIT_LITTLE,)),
)
CT_CONTEXT = 3


class Records:
    """Takes what is recorded."""

    def __init__(self) -> None:
        self.endings: list[AssociationEnding] = []

    def only(self) -> AssociationEnding:
        (ending,) = self.endings
        assert ending.is_requested
        return ending


@pytest.fixture
def records() -> Records:
    return Records()


def associated(port: int, records: Records, *, seconds: float = 60.0) -> RequestedAssociation:
    return associate(
        destination(port, response_timeout_seconds=seconds),
        calling_ae_title="US",
        proposals=PROPOSALS,
        record=records.endings.append,
    )


def test_released_association_with_all_that_it_did(records: Records, tmp_path: Path) -> None:
    with (
        ScriptedAcceptor(StoringPeer(statuses={"1.2.3": 0xA700})) as acceptor,
        associated(acceptor.port, records) as association,
    ):
        association.echo()
        for _ in range(2):
            association.store(in_file(tmp_path, b"x" * 1000), context_id=CT_CONTEXT)
        command = encode_request(CommandField.N_EVENT_REPORT_RQ, message_id=9)
        association.send(command, context_id=1)
        association.receive_response(9)
        assert records.endings == []
    ending = records.only()
    assert (ending.outcome, ending.reason) == (Outcome.RELEASED, "")
    assert ending.parties.calling_ae_title == "US"
    assert ending.parties.called_ae_title == "PEER"
    assert ending.parties.peer_version == "SCRIPTED"
    assert ending.peer_address == "127.0.0.1"
    assert not ending.is_encrypted
    assert ending.tally.operations == {"C-ECHO": 1, "C-STORE": 2, "N-EVENT-REPORT": 1}
    assert (ending.tally.instances_sent, ending.tally.bytes_sent) == (2, 2000)
    assert ending.started_at < ending.ended_at
    assert [context.context_id for context in ending.contexts] == [1, 3]


def test_refused_contexts_are_recorded_too(records: Records) -> None:
    def script(peer: ScriptedPeer) -> None:
        read_request(peer)
        peer.send(associate_ac({1: (2, ""), 3: (4, "")}))
        assert read_message(peer) is None

    with ScriptedAcceptor(script) as acceptor, associated(acceptor.port, records):
        pass
    assert [(context.abstract_syntax, context.result) for context in records.only().contexts] == [
        (VERIFICATION, ContextResult.USER_REJECTION),
        (CT_IMAGE_STORAGE, ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED),
    ]


def test_rejected_association(records: Records) -> None:
    def script(peer: ScriptedPeer) -> None:
        read_request(peer)
        peer.send(associate_rj(1, 1, 7))

    with ScriptedAcceptor(script) as acceptor, pytest.raises(AssociationRejected):
        associated(acceptor.port, records)
    ending = records.only()
    assert ending.outcome is Outcome.REFUSED
    assert ending.reason.endswith("called AE title not recognized")
    assert ending.contexts == ()


def test_peer_that_cannot_be_reached(records: Records) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(PeerUnreachable):
        associated(port, records)
    assert records.only().outcome is Outcome.VANISHED
    assert "Connection refused" in records.only().reason


def test_abort_of_the_peer(records: Records) -> None:
    def script(peer: ScriptedPeer) -> None:
        accept(peer)
        read_message(peer)
        peer.send(abort(2, 6))

    with (
        ScriptedAcceptor(script) as acceptor,
        associated(acceptor.port, records) as association,
        pytest.raises(AbortedByPeer),
    ):
        association.echo()
    assert records.only().outcome is Outcome.ABORTED_BY_PEER


def test_silence_and_an_object_that_breaks_off(records: Records) -> None:
    def script(peer: ScriptedPeer) -> None:
        accept(peer)
        peer.is_closed()

    with ScriptedAcceptor(script) as acceptor:
        silent = associated(acceptor.port, records, seconds=1.0)
        with pytest.raises(PeerSilent):
            silent.echo()
        other = associated(acceptor.port, records)
        with pytest.raises(MessageCutOff):
            other.store(Outgoing(b"x" * 2_000_000, missing_bytes=2), context_id=CT_CONTEXT)
    assert [ending.outcome for ending in records.endings] == [Outcome.SILENT, Outcome.BROKEN]


def test_our_own_abort(records: Records) -> None:
    with ScriptedAcceptor(StoringPeer()) as acceptor:
        association = associated(acceptor.port, records)
        association.abort()
        association.abort()
        association.release()
    assert (records.only().outcome, records.only().reason) == (Outcome.STOPPED, "we aborted it")


def test_release_by_the_peer(records: Records) -> None:
    def script(peer: ScriptedPeer) -> None:
        accept(peer)
        asked = read_message(peer)
        assert asked is not None
        peer.send(response(asked), release_rq())
        peer.is_closed()

    with ScriptedAcceptor(script) as acceptor:
        pool = AssociationPool(
            associations_max=1, per_destination_max=1, record=records.endings.append
        )
        borrowed = pool.borrow(Call(destination(acceptor.port), "US", PROPOSALS))
        assert borrowed.association.echo().status == 0
        assert records.endings == []
        pool.give_back(borrowed)
        pool.close()
    assert records.only().tally.operations == {"C-ECHO": 1}
