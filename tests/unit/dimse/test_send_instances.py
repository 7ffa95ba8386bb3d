"""Sending over several associations: in order, failures alone, and an end where it must be."""

import threading
from collections.abc import Collection, Iterator

import pytest

from ingestion.dimse.protocol.outgoing_data_sets import OutgoingInstance
from ingestion.dimse.protocol.upper_layer import AbortedByPeer, PeerUnreachable
from ingestion.dimse.requestor.association_pool import AssociationPool
from ingestion.dimse.requestor.send_instances import Sent, send_instances
from ingestion.dimse.requestor.sub_associations import InstanceSender
from ingestion.use_cases.select_instances import Kind
from tests.scripted_acceptor import (
    Script,
    ScriptedAcceptor,
    StoringPeer,
    accept,
    associate_rj,
    read_message,
    read_request,
)
from tests.scripted_peer import CT_IMAGE_STORAGE, EXPLICIT_LITTLE, ScriptedPeer, abort
from tests.unit.dimse.outgoing import Outgoing, destination

KIND = Kind(CT_IMAGE_STORAGE, EXPLICIT_LITTLE)


def as_it_is(instance: Outgoing, _accepted: Collection[str]) -> OutgoingInstance:
    return instance


def instances(amount: int) -> list[Outgoing]:
    return [Outgoing(b"x" * 1000, sop_instance_uid=f"1.2.{index}") for index in range(amount)]


class Calling:
    """A pool, and senders that borrow from it."""

    def __init__(self, port: int, associations: int) -> None:
        self.pool = AssociationPool(associations_max=8, per_destination_max=8)
        self.senders = [
            InstanceSender(
                destination(port),
                calling_ae_title="US",
                kinds=[KIND],
                present=as_it_is,
                pool=self.pool,
            )
            for _ in range(associations)
        ]

    def send(self, wanted: Collection[Outgoing]) -> Iterator[Sent[Outgoing]]:
        return send_instances(wanted, self.senders)


def test_each_instance_is_told_of_in_order() -> None:
    peer = StoringPeer(statuses={"1.2.3": 0xA700, "1.2.5": 0xB000})
    wanted = instances(50)
    with ScriptedAcceptor(peer) as acceptor:
        calling = Calling(acceptor.port, 3)
        sent = list(calling.send(wanted))
        calling.pool.close()
        assert acceptor.connections == 3
    assert [each.instance for each in sent] == wanted
    assert {each.sop_instance_uid for each in peer.messages} == {
        each.sop_instance_uid for each in wanted
    }
    assert [index for index, each in enumerate(sent) if not each.is_stored] == [3]
    assert [index for index, each in enumerate(sent) if each.is_warning] == [5]
    assert (sent[3].status, sent[5].status, sent[0].status) == (0xA700, 0xB000, 0)
    assert peer.aborted == 0


# PS3.4 Table B.2-1, PS3.7 Annex C.
@pytest.mark.parametrize(
    ("status", "is_stored", "is_warning"),
    [
        (0x0000, True, False),
        (0xB000, True, True),
        (0xB007, True, True),
        (0xB006, True, True),
        (0x0001, True, True),
        (0x0107, True, True),
        (0x0116, True, True),
        (0xA700, False, False),
        (0xA900, False, False),
        (0xC000, False, False),
        (0x0122, False, False),
        (None, False, False),
    ],
)
def test_statuses_are_judged_by_the_standard(
    status: int | None, is_stored: bool, is_warning: bool
) -> None:
    sent = Sent(Outgoing(b""), status)
    assert (sent.is_stored, sent.is_warning) == (is_stored, is_warning)


def test_instance_that_is_not_there_fails_alone() -> None:
    wanted = [*instances(2), Outgoing(b"", is_gone=True), *instances(2)]
    with ScriptedAcceptor(StoringPeer()) as acceptor:
        calling = Calling(acceptor.port, 2)
        sent = list(calling.send(wanted))
        calling.pool.close()
    assert [each.status for each in sent] == [0, 0, None, 0, 0]
    assert "ENOENT" in sent[2].reason


def test_peer_with_less_room_than_we_have_senders_gets_everything() -> None:
    storing = StoringPeer()
    lock = threading.Lock()
    accepted: list[ScriptedPeer] = []

    def script(peer: ScriptedPeer) -> None:
        with lock:
            is_first = not accepted
            accepted.append(peer)
        if is_first:
            storing(peer)
        else:
            read_request(peer)
            peer.send(associate_rj(2, 3, 2))

    with ScriptedAcceptor(script) as acceptor:
        calling = Calling(acceptor.port, 3)
        sent = list(calling.send(instances(30)))
        calling.pool.close()
    assert all(each.status == 0 for each in sent)
    assert len(storing.messages) == 30


def test_destination_that_cannot_be_reached_ends_it() -> None:
    with ScriptedAcceptor(StoringPeer()) as acceptor:
        port = acceptor.port
    calling = Calling(port, 3)
    with pytest.raises(PeerUnreachable):
        list(calling.send(instances(100)))
    assert calling.pool.count() == 0


def aborting(after: int) -> Script:
    """A peer that aborts every association at the message of this number."""

    def script(peer: ScriptedPeer) -> None:
        accept(peer)
        if all(read_message(peer) for _ in range(after)):
            peer.send(abort())

    return script


def test_destination_that_breaks_each_association_ends_it() -> None:
    with ScriptedAcceptor(aborting(1)) as acceptor:
        calling = Calling(acceptor.port, 1)
        with pytest.raises(AbortedByPeer):
            list(calling.send(instances(100)))
        calling.pool.close()
        assert acceptor.connections <= 4  # one may be on its way when the third breaks
    assert calling.pool.count() == 0


def test_whoever_stops_listening_ends_it() -> None:
    peer = StoringPeer()
    with ScriptedAcceptor(peer) as acceptor:
        calling = Calling(acceptor.port, 2)
        sending = send_instances(instances(1000), calling.senders)
        assert next(sending).status == 0
        sending.close()  # type: ignore[attr-defined]
        calling.pool.close()
        assert calling.pool.count() == 0
    assert len(peer.messages) < 20
