"""C-STORE forwarding against scripted application entities: bytes, statuses, commitment."""

import struct
from collections.abc import Mapping
from pathlib import Path

import pytest

from bindings.binding_kinds import BINDINGS
from bindings.commitments import RESULT_AWAITED
from bindings.fan_out import fan_out_events
from bindings.models import Attempt, BindingKind, Delivery, OutcomeClass, Subscription
from ingestion.dimse.database_use import close_idle_connections
from ingestion.dimse.requestor.association_pool import process_pool
from ingestion.domain.commitment_information import EventInformation, Failure, Reference
from ingestion.models import (
    AssociationRecord,
    CommitmentRequest,
    Instance,
    LocalApplicationEntity,
    RemoteApplicationEntity,
    StorageSpace,
)
from ingestion.use_cases.request_commitments import record_result
from ingestion.use_cases.storage_spaces import open_space_store
from tests.builders import new_uid
from tests.integration.bindings.stored_instances import hold, states
from tests.receipts import make_space
from tests.scripted_acceptor import (
    Message,
    ScriptedAcceptor,
    StoringPeer,
    accept,
    associate_rj,
    read_message,
    read_request,
    response,
)
from tests.scripted_peer import ScriptedPeer
from tests.subscriptions import CT, attempt_due_deliveries, make_due, make_subscription

pytestmark = pytest.mark.django_db(transaction=True)

C_STORE, N_ACTION = 0x0001, 0x0130
COMMITMENT = "1.2.840.10008.1.20.1"


class Archive(StoringPeer):
    """Stores; takes requests for storage commitment and tells the result some other time."""

    def __call__(self, peer: ScriptedPeer) -> None:
        asked = accept(peer)
        self.asked.append(asked)
        while (message := read_message(peer)) is not None:
            self.messages.append(message)
            uid = message.elements.get(0x1000, b"").decode().rstrip("\0")
            peer.send(response(message, self._statuses.get(uid, 0)))
            if message.command_field == N_ACTION:
                return

    def stored(self) -> list[Message]:
        return [message for message in self.messages if message.command_field == C_STORE]


@pytest.fixture
def space(transactional_db: None, tmp_path: Path) -> StorageSpace:
    """A space with a store that keeps bytes, behind the title OURS."""
    space = make_space(backend="filesystem", options={"root": str(tmp_path / "objects")})
    LocalApplicationEntity.objects.create(ae_title="OURS", storage_space=space)
    return space


def subscribe(port: int, **fields: object) -> Subscription:
    entity = RemoteApplicationEntity.objects.create(
        ae_title="ARCHIVE", host="127.0.0.1", port=port, response_timeout_seconds=60.0
    )
    return make_subscription(
        "", kind=BindingKind.C_STORE, application_entity=entity, signing_secret="", **fields
    )


def deliver() -> None:
    fan_out_events()
    attempt_again()


def attempt_again() -> None:
    """Try what is pending, and do not keep the association for the next time."""
    make_due()
    attempt_due_deliveries()
    process_pool().close()
    close_idle_connections()


def data_set_of(content: bytes) -> bytes:
    """What stands behind preamble and file meta information."""
    (group_length,) = struct.unpack_from("<I", content, 140)
    return content[144 + group_length :]


def test_instances_go_over_one_association_byte_for_byte(space: StorageSpace) -> None:
    contents = [hold(space, study="1.2.3"), hold(space, study="1.2.4")]
    archive = Archive()
    with ScriptedAcceptor(archive) as acceptor:
        subscribe(acceptor.port)
        deliver()
    assert acceptor.connections == 1
    assert (archive.asked[0].called, archive.asked[0].calling) == ("ARCHIVE", "OURS")
    assert [message.data_set for message in archive.messages] == list(map(data_set_of, contents))
    assert set(states().values()) == {"delivered"}
    record = AssociationRecord.objects.get()
    assert (record.calling_ae_title, record.called_ae_title) == ("OURS", "ARCHIVE")
    assert (record.operations, record.instances_sent) == ({"C-STORE": 2}, 2)
    assert set(Attempt.objects.values_list("peer_status", flat=True)) == {"0000"}


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (0x0000, "delivered"),
        (0xB000, "delivered"),
        (0xB007, "delivered"),
        (0xA700, "pending"),
        (0x0110, "pending"),
        (0x0124, "pending"),
        (0x0122, "dead"),
        (0xA900, "dead"),
        (0xC000, "dead"),
    ],
)
def test_status_decides_alone_for_its_instance(
    space: StorageSpace, status: int, state: str
) -> None:
    uids = [new_uid(), new_uid()]
    for uid in uids:
        hold(space, study="1.2.3", sop=uid)
    with ScriptedAcceptor(Archive(statuses={uids[0]: status})) as acceptor:
        subscribe(acceptor.port)
        deliver()
    assert states() == {uids[0]: state, uids[1]: "delivered"}
    delivery = Delivery.objects.get(event__sop_instance_uid=uids[0])
    assert (f"{status:04X}" in delivery.problem) is (state != "delivered")


def test_peer_that_refuses_the_association_is_asked_again(space: StorageSpace) -> None:
    uid = new_uid()
    hold(space, study="1.2.3", sop=uid)

    def refuse(peer: ScriptedPeer) -> None:
        read_request(peer)
        peer.send(associate_rj(1, 1, 7))

    with ScriptedAcceptor(refuse) as acceptor:
        subscription = subscribe(acceptor.port)
        deliver()
    assert states() == {uid: "pending"}
    assert "called AE title" in Delivery.objects.get().problem

    archive = Archive()
    with ScriptedAcceptor(archive) as acceptor:
        RemoteApplicationEntity.objects.update(port=acceptor.port)
        attempt_again()
    assert states() == {uid: "delivered"}
    subscription.refresh_from_db()
    assert subscription.consecutive_failures == 0


def test_sop_class_that_the_peer_does_not_take_is_a_dead_letter(space: StorageSpace) -> None:
    uid = new_uid()
    hold(space, study="1.2.3", sop=uid)
    with ScriptedAcceptor(StoringPeer(sop_classes=["1.2.840.10008.5.1.4.1.1.4"])) as acceptor:
        subscribe(acceptor.port)
        deliver()
    assert states() == {uid: "dead"}
    assert "SOP Class" in Delivery.objects.get().problem


def test_what_is_gone_from_the_store_does_not_hold_up_the_others(space: StorageSpace) -> None:
    uids = [new_uid(), new_uid()]
    for uid in uids:
        hold(space, study="1.2.3", sop=uid)
    lost = Instance.objects.get(sop_instance_uid=uids[0])
    open_space_store(space).delete(lost.location)
    with ScriptedAcceptor(Archive()) as acceptor:
        subscribe(acceptor.port)
        deliver()
    assert states() == {uids[0]: "pending", uids[1]: "delivered"}


def test_delivered_only_once_committed(space: StorageSpace) -> None:
    uids = [new_uid(), new_uid()]
    for uid in uids:
        hold(space, study="1.2.3", sop=uid)
    archive = Archive()
    with ScriptedAcceptor(archive) as acceptor:
        subscription = subscribe(acceptor.port, asks_for_commitment=True)
        deliver()
        assert states() == dict.fromkeys(uids, "pending")
        subscription.refresh_from_db()
        assert subscription.opened_until is None, "waiting is no failure"

        tell(committed=uids[:1], failed={uids[1]: 0x0112})
        attempt_again()
        assert states() == {uids[0]: "delivered", uids[1]: "pending"}

        tell(committed=uids[1:], failed={})
        attempt_again()
        assert states() == dict.fromkeys(uids, "delivered")
    sent = [message.sop_instance_uid for message in archive.stored()]
    assert sent == [*uids, uids[1]], "only what was refused is sent again"


def test_peer_that_never_tells_is_sent_it_again(space: StorageSpace) -> None:
    uid = new_uid()
    hold(space, study="1.2.3", sop=uid)
    archive = Archive()
    with ScriptedAcceptor(archive) as acceptor:
        subscribe(acceptor.port, asks_for_commitment=True)
        deliver()
        attempt_again()
        assert len(archive.stored()) == 1

        request = CommitmentRequest.objects.get()
        long_ago = request.requested_at - RESULT_AWAITED
        CommitmentRequest.objects.update(requested_at=long_ago)
        Delivery.objects.update(owed_since=long_ago)
        attempt_again()
    assert len(archive.stored()) == 2
    assert CommitmentRequest.objects.count() == 2


def test_peer_without_storage_commitment_delivers_nothing(space: StorageSpace) -> None:
    uid = new_uid()
    hold(space, study="1.2.3", sop=uid)
    with ScriptedAcceptor(StoringPeer(sop_classes=[CT])) as acceptor:
        subscribe(acceptor.port, asks_for_commitment=True)
        deliver()
    assert states() == {uid: "pending"}
    assert "Storage Commitment" in Delivery.objects.get().problem


def test_probe_asks_for_verification(space: StorageSpace) -> None:
    peer = StoringPeer()
    with ScriptedAcceptor(peer) as acceptor:
        subscription = subscribe(acceptor.port)
        outcome = BINDINGS[BindingKind.C_STORE].probe(subscription)
        assert outcome.outcome == OutcomeClass.DELIVERED
        assert [message.command_field for message in peer.messages] == [0x0030]
    assert BINDINGS[BindingKind.C_STORE].probe(subscription).outcome == OutcomeClass.TRANSIENT


def tell(*, committed: list[str], failed: Mapping[str, int]) -> None:
    """The peer's result of the latest transaction."""
    transaction = CommitmentRequest.objects.latest("requested_at").transaction_uid
    record_result(
        EventInformation(
            transaction_uid=transaction,
            committed=tuple(Reference(CT, uid) for uid in committed),
            failed=tuple(Failure(Reference(CT, uid), reason) for uid, reason in failed.items()),
        ),
        ae_title="ARCHIVE",
    )
