"""Lending associations: kept for a moment, never too many, never one that the peer has left."""

import threading

import pytest

from ingestion.dimse.protocol.association_proposal import Proposal
from ingestion.dimse.protocol.upper_layer import PeerUnreachable
from ingestion.dimse.requestor.association_pool import AssociationPool, Call, NoAssociationFree
from tests.eventually import eventually
from tests.scripted_acceptor import ScriptedAcceptor, StoringPeer, accept, read_message
from tests.scripted_peer import (
    CT_IMAGE_STORAGE,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    VERIFICATION,
    ScriptedPeer,
    abort,
)
from tests.unit.dimse.outgoing import destination


def pool(
    *,
    most: int = 10,
    per_destination: int = 10,
    idle_seconds: float = 60,
    wait_seconds: float = 60,
) -> AssociationPool:
    return AssociationPool(
        associations_max=most,
        per_destination_max=per_destination,
        idle_seconds=idle_seconds,
        wait_seconds_max=wait_seconds,
    )


def call(
    acceptor: ScriptedAcceptor,
    syntax: str = EXPLICIT_LITTLE,
    calling: str = "US",
    *,
    associations_max: int = 4,
) -> Call:
    proposals = (
        Proposal(VERIFICATION, (IMPLICIT_LITTLE,)),
        Proposal(CT_IMAGE_STORAGE, (syntax,)),
    )
    peer = destination(acceptor.port, associations_max=associations_max)
    return Call(peer, calling, proposals)


def test_equal_call_finds_the_association_of_the_last() -> None:
    with ScriptedAcceptor(StoringPeer()) as acceptor:
        lender = pool()
        first = lender.borrow(call(acceptor))
        assert not first.is_used
        lender.give_back(first)
        second = lender.borrow(call(acceptor))
        assert second.is_used
        assert second.association is first.association
        assert second.association.echo().status == 0
        lender.give_back(second)
        lender.close()
        assert (acceptor.connections, lender.count()) == (1, 0)


def test_other_calls_get_associations_of_their_own() -> None:
    with ScriptedAcceptor(StoringPeer()) as acceptor:
        lender = pool()
        for each in (
            call(acceptor),
            call(acceptor, syntax=IMPLICIT_LITTLE),
            call(acceptor, calling="OTHER"),
        ):
            lender.give_back(lender.borrow(each))
        assert (acceptor.connections, lender.count()) == (3, 3)
        lender.close()


def test_two_borrowers_never_share() -> None:
    with ScriptedAcceptor(StoringPeer()) as acceptor:
        lender = pool()
        first, second = lender.borrow(call(acceptor)), lender.borrow(call(acceptor))
        assert first.association is not second.association
        lender.give_back(first)
        lender.give_back(second)
        lender.close()


def test_peer_that_takes_one_association_is_not_asked_for_a_second_beside_an_idle_one() -> None:
    """As DCMTK's storescp, which serves one association after the other."""
    serving = threading.Lock()

    def serve_alone(peer: ScriptedPeer) -> None:
        with serving:
            StoringPeer()(peer)

    with ScriptedAcceptor(serve_alone) as acceptor:
        lender = pool()
        lender.give_back(lender.borrow(call(acceptor, associations_max=1)))
        other = lender.borrow(call(acceptor, calling="OTHER", associations_max=1))
        assert not other.is_used
        lender.give_back(other)
        lender.close()


def test_idle_association_is_released_in_time() -> None:
    peer = StoringPeer()
    with ScriptedAcceptor(peer) as acceptor:
        lender = pool(idle_seconds=0.05)
        lender.give_back(lender.borrow(call(acceptor)))
        eventually(lambda: lender.count() == 0)
        lender.give_back(lender.borrow(call(acceptor)))
        eventually(lambda: lender.count() == 0)
    assert (len(peer.asked), peer.aborted) == (2, 0)
    eventually(lambda: "association-pool" not in {one.name for one in threading.enumerate()})


def test_association_that_the_peer_aborted_while_idle_is_not_lent() -> None:
    leave = threading.Event()

    def script(peer: ScriptedPeer) -> None:
        accept(peer)
        if acceptor.connections == 1:
            assert leave.wait(60)
            peer.send(abort())
        else:
            assert read_message(peer) is None

    with ScriptedAcceptor(script) as acceptor:
        lender = pool()
        first = lender.borrow(call(acceptor))
        lender.give_back(first)
        leave.set()
        eventually(lambda: not first.association.is_idle())
        second = lender.borrow(call(acceptor))
        assert not second.is_used
        lender.give_back(second)
        lender.close()
    assert lender.count() == 0


def test_broken_association_is_not_kept() -> None:
    with ScriptedAcceptor(StoringPeer()) as acceptor:
        lender = pool()
        borrowed = lender.borrow(call(acceptor))
        borrowed.association.abort()
        lender.give_back(borrowed)
        assert lender.count() == 0


def test_association_that_does_not_come_about_leaves_its_place() -> None:
    with ScriptedAcceptor(StoringPeer()) as acceptor:
        nobody = call(acceptor)
    lender = pool(most=1)
    for _ in range(2):
        with pytest.raises(PeerUnreachable):
            lender.borrow(nobody)
    assert lender.count() == 0


@pytest.mark.parametrize(
    ("limits", "named"),
    [
        ({"most": 1}, "sub_associations_max = 1,"),
        ({"per_destination": 1}, "sub_associations_per_destination_max = 1"),
    ],
)
def test_whoever_comes_too_many_waits_and_is_told(limits: dict[str, int], named: str) -> None:
    with ScriptedAcceptor(StoringPeer()) as acceptor:
        lender = pool(wait_seconds=0.1, **limits)
        first = lender.borrow(call(acceptor))
        with pytest.raises(NoAssociationFree, match=f"PEER: .*{named}"):
            lender.borrow(call(acceptor))
        lender.give_back(first)
        again = lender.borrow(call(acceptor))
        assert again.association is first.association
        lender.give_back(again)
        lender.close()


def test_whoever_waits_gets_what_comes_free() -> None:
    with ScriptedAcceptor(StoringPeer()) as acceptor:
        lender = pool(most=1)
        first = lender.borrow(call(acceptor))
        got = []
        waiting = threading.Thread(target=lambda: got.append(lender.borrow(call(acceptor))))
        waiting.start()
        lender.give_back(first)
        waiting.join(60)
        assert [each.association for each in got] == [first.association]
        lender.give_back(got[0])
        lender.close()


@pytest.mark.parametrize("limits", [{"most": 1}, {"per_destination": 1}])
def test_idle_association_gives_way_to_another_call(limits: dict[str, int]) -> None:
    peer = StoringPeer()
    with ScriptedAcceptor(peer) as acceptor:
        lender = pool(**limits)
        lender.give_back(lender.borrow(call(acceptor)))
        other = lender.borrow(call(acceptor, calling="OTHER"))
        assert lender.count() == 1
        lender.give_back(other)
        lender.close()
    assert (len(peer.asked), peer.aborted) == (2, 0)
