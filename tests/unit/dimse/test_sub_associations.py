"""Sending instances: what is proposed, in which form each goes, and what one failure costs."""

import threading
from collections.abc import Collection, Iterator
from itertools import product
from pathlib import Path

import pytest

from ingestion.dicom.transfer_syntaxes import KNOWN_TRANSFER_SYNTAXES
from ingestion.dimse.protocol.association_acceptance import AssociationRejected
from ingestion.dimse.protocol.association_proposal import Proposal
from ingestion.dimse.protocol.outgoing_data_sets import OutgoingInstance
from ingestion.dimse.protocol.upper_layer import (
    AbortedByPeer,
    MessageCutOff,
    ServiceStopping,
)
from ingestion.dimse.requestor.association_pool import AssociationPool
from ingestion.dimse.requestor.sub_associations import InstanceSender, proposals_for
from ingestion.errors import NotAcceptable, ObjectMissing
from ingestion.use_cases.select_instances import Kind
from tests.scripted_acceptor import (
    Script,
    ScriptedAcceptor,
    StoringPeer,
    accept,
    associate_rj,
    read_message,
    read_request,
    response,
)
from tests.scripted_peer import (
    CT_IMAGE_STORAGE,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    ScriptedPeer,
    abort,
)
from tests.unit.dimse.outgoing import Outgoing, destination, in_file

MR_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.4"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"
RLE = "1.2.840.10008.1.2.5"
CT = Kind(CT_IMAGE_STORAGE, EXPLICIT_LITTLE)
MR = Kind(MR_IMAGE_STORAGE, EXPLICIT_LITTLE)


def presented(instance: Outgoing, accepted: Collection[str]) -> OutgoingInstance:
    """The instance as it is; in Implicit VR with a mark, as far as that is accepted."""
    if instance.transfer_syntax_uid in accepted:
        return instance
    if IMPLICIT_LITTLE in accepted:
        return Outgoing(b"implicit", instance.sop_instance_uid, transfer_syntax_uid=IMPLICIT_LITTLE)
    raise NotAcceptable("cannot be made")


class Calling:
    """A sender, and the pool that it borrows from."""

    def __init__(self, acceptor: ScriptedAcceptor, kinds: Collection[Kind] = (CT,)) -> None:
        self.pool = AssociationPool(associations_max=4, per_destination_max=4)
        self._acceptor = acceptor
        self._kinds = kinds
        self.sender = self.another()

    def another(self) -> InstanceSender[Outgoing]:
        return InstanceSender(
            destination(self._acceptor.port),
            calling_ae_title="US",
            kinds=self._kinds,
            present=presented,
            priority=2,
            move_originator=("WORKSTATION", 5),
            pool=self.pool,
        )

    def __enter__(self) -> "Calling":
        return self

    def __exit__(self, *_details: object) -> None:
        self.sender.close()
        self.pool.close()
        assert self.pool.count() == 0


def test_each_stored_syntax_has_a_context_and_each_sop_class_a_fallback() -> None:
    kinds = [
        CT,
        Kind(CT_IMAGE_STORAGE, JPEG_LOSSLESS),
        Kind(MR_IMAGE_STORAGE, RLE),
        Kind("1.2.3", EXPLICIT_LITTLE),
        Kind("1.2.3", IMPLICIT_LITTLE),
    ]
    assert proposals_for(kinds) == [
        (
            Proposal("1.2.3", (IMPLICIT_LITTLE,)),
            Proposal("1.2.3", (EXPLICIT_LITTLE,)),
            Proposal(CT_IMAGE_STORAGE, (EXPLICIT_LITTLE,)),
            Proposal(CT_IMAGE_STORAGE, (JPEG_LOSSLESS,)),
            Proposal(CT_IMAGE_STORAGE, (IMPLICIT_LITTLE,)),
            Proposal(MR_IMAGE_STORAGE, (RLE,)),
            Proposal(MR_IMAGE_STORAGE, (EXPLICIT_LITTLE, IMPLICIT_LITTLE)),
        )
    ]


def test_more_contexts_than_an_association_holds_are_parted_by_sop_class() -> None:
    sop_classes = [f"1.2.{number}" for number in range(100)]
    kinds = {Kind(*pair) for pair in product(sop_classes, (EXPLICIT_LITTLE, RLE))}
    groups = proposals_for(kinds)
    assert [len(group) for group in groups] == [126, 126, 48]
    seen = [frozenset(each.abstract_syntax for each in group) for group in groups]
    assert not seen[0] & seen[1]
    assert frozenset.union(*seen) == set(sop_classes)


def test_sop_class_with_too_many_syntaxes_is_parted_too() -> None:
    syntaxes = [f"1.2.{number}" for number in range(200)]
    groups = proposals_for(Kind(CT_IMAGE_STORAGE, syntax) for syntax in syntaxes)
    assert [len(group) for group in groups] == [128, 73]
    assert len(KNOWN_TRANSFER_SYNTAXES) < 127


def test_instance_goes_as_it_is_stored(tmp_path: Path) -> None:
    peer = StoringPeer(statuses={"1.2.3": 0xB007})
    with ScriptedAcceptor(peer) as acceptor, Calling(acceptor) as calling:
        calling.sender.open()
        assert calling.sender.send(in_file(tmp_path, b"stored")) == 0xB007
    (stored,) = peer.messages
    assert stored.data_set == b"stored"
    assert stored.elements[0x0700] == b"\2\0"
    assert stored.elements[0x1030].strip() == b"WORKSTATION"
    assert stored.elements[0x1031] == b"\5\0"
    assert peer.aborted == 0


def test_instance_goes_in_a_form_that_is_accepted() -> None:
    peer = StoringPeer(only=[IMPLICIT_LITTLE])
    with ScriptedAcceptor(peer) as acceptor, Calling(acceptor) as calling:
        assert calling.sender.send(Outgoing(b"explicit")) == 0
    (stored,) = peer.messages
    (asked,) = peer.asked
    assert asked.contexts[stored.context_id] == (CT_IMAGE_STORAGE, [IMPLICIT_LITTLE])
    assert stored.data_set == b"implicit"


def test_sop_class_of_which_nothing_is_accepted_fails_alone() -> None:
    peer = StoringPeer(sop_classes=[CT_IMAGE_STORAGE])
    with ScriptedAcceptor(peer) as acceptor, Calling(acceptor, (CT, MR)) as calling:
        for _ in range(2):
            with pytest.raises(NotAcceptable, match="accepts nothing of its SOP Class"):
                calling.sender.send(Outgoing(b"mr", sop_class_uid=MR_IMAGE_STORAGE))
            assert calling.sender.send(Outgoing(b"ct")) == 0
        assert acceptor.connections == 1


def test_peer_that_refuses_everything_fails_each_alone() -> None:
    peer = StoringPeer(sop_classes=["1.2.3"])
    with ScriptedAcceptor(peer) as acceptor, Calling(acceptor) as calling:
        calling.sender.open()
        with pytest.raises(NotAcceptable):
            calling.sender.send(Outgoing(b"ct"))
    assert (peer.messages, peer.aborted) == ([], 0)


def test_sop_class_that_was_not_announced_fails_alone() -> None:
    peer = StoringPeer()
    with ScriptedAcceptor(peer) as acceptor, Calling(acceptor) as calling:
        with pytest.raises(NotAcceptable, match="not among those"):
            calling.sender.send(Outgoing(b"mr", sop_class_uid=MR_IMAGE_STORAGE))
        assert acceptor.connections == 0


def test_syntax_that_was_not_announced_goes_as_the_peer_takes_it() -> None:
    peer = StoringPeer()
    with ScriptedAcceptor(peer) as acceptor, Calling(acceptor) as calling:
        assert calling.sender.send(Outgoing(b"rl", transfer_syntax_uid=RLE)) == 0
    assert peer.messages[0].data_set == b"implicit"


def test_missing_object_fails_alone() -> None:
    peer = StoringPeer()
    with ScriptedAcceptor(peer) as acceptor, Calling(acceptor) as calling:
        with pytest.raises(ObjectMissing):
            calling.sender.send(Outgoing(b"", is_gone=True))
        assert calling.sender.send(Outgoing(b"here")) == 0
        assert acceptor.connections == 1


def test_object_that_breaks_off_costs_its_association_alone() -> None:
    peer = StoringPeer()
    with ScriptedAcceptor(peer) as acceptor, Calling(acceptor) as calling:
        with pytest.raises(MessageCutOff):
            calling.sender.send(Outgoing(b"x" * 2_000_000, missing_bytes=2))
        assert calling.sender.send(Outgoing(b"good")) == 0
        assert acceptor.connections == 2
    assert [each.data_set for each in peer.messages] == [b"good"]


def test_rejection_is_told_and_leaves_nothing() -> None:
    def script(peer: ScriptedPeer) -> None:
        read_request(peer)
        peer.send(associate_rj(2, 3, 2))

    with ScriptedAcceptor(script) as acceptor, Calling(acceptor) as calling:
        with pytest.raises(AssociationRejected, match="local limit exceeded"):
            calling.sender.open()
        with pytest.raises(AssociationRejected):
            calling.sender.send(Outgoing(b"ct"))
        assert calling.pool.count() == 0


def test_next_sender_uses_the_association_of_the_last() -> None:
    peer = StoringPeer()
    with ScriptedAcceptor(peer) as acceptor, Calling(acceptor) as calling:
        for _ in range(3):
            sender = calling.another()
            assert sender.send(Outgoing(b"ct")) == 0
            sender.close()
            sender.close()
        assert acceptor.connections == 1
    assert peer.aborted == 0


def leaving(at: Iterator[bool]) -> Script:
    """A peer that stores one object per association and aborts the second, where `at` says so."""

    def script(peer: ScriptedPeer) -> None:
        accept(peer)
        while (asked := read_message(peer)) is not None:
            if next(at):
                peer.send(abort())
                return
            peer.send(response(asked))

    return script


def test_idle_association_that_the_peer_leaves_is_replaced_once() -> None:
    script = leaving(iter([False, True, False]))
    with ScriptedAcceptor(script) as acceptor, Calling(acceptor) as calling:
        assert calling.sender.send(Outgoing(b"11")) == 0
        calling.sender.close()
        assert calling.sender.send(Outgoing(b"22")) == 0
        assert acceptor.connections == 2


def test_association_that_the_peer_leaves_in_use_is_an_error() -> None:
    script = leaving(iter([False, True, False]))
    with ScriptedAcceptor(script) as acceptor, Calling(acceptor) as calling:
        assert calling.sender.send(Outgoing(b"11")) == 0
        with pytest.raises(AbortedByPeer):
            calling.sender.send(Outgoing(b"22"))
        assert calling.pool.count() == 0
        assert calling.sender.send(Outgoing(b"33")) == 0


def test_association_is_changed_for_what_another_one_holds() -> None:
    kinds = [Kind(f"1.2.{number}", EXPLICIT_LITTLE) for number in range(100)]
    peer = StoringPeer()
    with ScriptedAcceptor(peer) as acceptor, Calling(acceptor, kinds) as calling:
        for kind in (kinds[0], kinds[99], kinds[0]):
            assert calling.sender.send(Outgoing(b"xx", sop_class_uid=kind.sop_class_uid)) == 0
        assert acceptor.connections == 2
        assert calling.pool.count() == 2


@pytest.mark.parametrize("amount", [2, 50_000_000], ids=["waits", "sends"])
def test_stop_ends_what_is_under_way_and_lasts(amount: int) -> None:
    has_begun, is_over = threading.Event(), threading.Event()

    def script(peer: ScriptedPeer) -> None:
        accept(peer)
        if not is_over.is_set():
            peer.read_pdu()
            has_begun.set()
            assert is_over.wait(60)  # without taking or saying anything

    with ScriptedAcceptor(script) as acceptor, Calling(acceptor) as calling:

        def stop() -> None:
            assert has_begun.wait(60)
            calling.sender.stop()

        stopping = threading.Thread(target=stop)
        stopping.start()
        with pytest.raises(ServiceStopping):
            calling.sender.send(Outgoing(b"x" * amount))
        stopping.join(60)
        is_over.set()
        with pytest.raises(ServiceStopping):
            calling.sender.send(Outgoing(b"next"))
