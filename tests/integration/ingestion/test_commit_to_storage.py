"""What we commit to: held or on its way in, of the right class, and really there."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db.models.functions import Now

from ingestion.domain.commitment_information import ActionInformation, Reference
from ingestion.errors import Misconfigured, NotFound, OperationRefused
from ingestion.models import (
    CommitmentState,
    Instance,
    Outcome,
    Receipt,
    RemoteApplicationEntity,
    StorageCommitment,
    StorageSpace,
)
from ingestion.use_cases.commit_to_storage import (
    AcceptedOrder,
    CommitmentOrder,
    accept_commitment,
    judge_commitment,
    redrive_commitment,
)
from ingestion.use_cases.register_receipts import register_pending_receipts
from ingestion.use_cases.report_commitments import (
    claim_report,
    hand_report_on,
    record_not_reported,
    record_reported,
    report_destination,
    trim_commitments,
)
from tests.receipts import CT, make_receipt, make_space

pytestmark = pytest.mark.django_db(transaction=True)

MR = "1.2.840.10008.5.1.4.1.1.4"
TRANSACTION = "1.2.826.0.1.3680043.8.498.9"


@pytest.fixture
def space(tmp_path: Path) -> StorageSpace:
    return make_space(backend="filesystem", options={"root": str(tmp_path / "objects")})


def held(space: StorageSpace, *sops: str) -> None:
    """Receipts whose objects rest in the space's folder."""
    for sop in sops:
        receipt = Receipt.objects.get(pk=make_receipt(space, sop=sop))
        path = Path(str(space.options["root"])) / receipt.location
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(receipt.size_bytes))


def registered(space: StorageSpace, *sops: str) -> None:
    held(space, *sops)
    while register_pending_receipts():
        pass


def ordered(
    space: StorageSpace, *uids: str, sop_class: str = CT, transaction_uid: str = TRANSACTION
) -> AcceptedOrder:
    references = tuple(Reference(sop_class, uid) for uid in uids)
    action = ActionInformation(transaction_uid, references)
    return accept_commitment(CommitmentOrder(space, "MODALITY", "INGEST", "127.0.0.1", action))


def judged(order: AcceptedOrder) -> tuple[list[str], dict[str, int]]:
    """What is committed, and what is not with its reason."""
    event = judge_commitment(order.commitment_id)
    return [one.sop_instance_uid for one in event.committed], {
        failure.reference.sop_instance_uid: failure.reason for failure in event.failed
    }


def test_what_is_held_or_on_its_way_in_is_committed(space: StorageSpace) -> None:
    registered(space, "1.1")
    held(space, "1.2")
    assert judged(ordered(space, "1.2", "1.1")) == (["1.2", "1.1"], {})


def test_what_never_came_or_was_deleted_fails(space: StorageSpace) -> None:
    registered(space, "1.1", "1.2")
    Instance.objects.filter(sop_instance_uid="1.2").update(deleted_at=Now())
    assert judged(ordered(space, "1.1", "1.2", "1.3")) == (["1.1"], {"1.2": 0x0112, "1.3": 0x0112})


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.QUARANTINED])
def test_receipt_that_did_not_become_an_instance_is_not_enough(
    space: StorageSpace, outcome: Outcome
) -> None:
    held(space, "1.1")
    Receipt.objects.update(outcome=outcome)
    assert judged(ordered(space, "1.1")) == ([], {"1.1": 0x0112})


def test_other_sop_class_is_a_conflict(space: StorageSpace) -> None:
    registered(space, "1.1")
    assert judged(ordered(space, "1.1", sop_class=MR)) == ([], {"1.1": 0x0119})


def test_object_that_is_lost_or_cut_off_fails(space: StorageSpace) -> None:
    registered(space, "1.1", "1.2", "1.3")
    for sop, change in (("1.1", Path.unlink), ("1.2", lambda path: path.write_bytes(b"cut"))):
        digest = hashlib.sha256(b"content").hexdigest()[:16]
        change(Path(str(space.options["root"])) / f"1.2.3/1.2.3.1/{sop}.{digest}.dcm")
    assert judged(ordered(space, "1.1", "1.2", "1.3")) == (["1.3"], {"1.1": 0x0112, "1.2": 0x0112})


def test_object_sent_again_is_committed_again(space: StorageSpace) -> None:
    registered(space, "1.1")
    digest = hashlib.sha256(b"content").hexdigest()[:16]
    (Path(str(space.options["root"])) / f"1.2.3/1.2.3.1/1.1.{digest}.dcm").unlink()
    held(space, "1.1")
    assert judged(ordered(space, "1.1")) == (["1.1"], {})


def test_another_space_commits_to_nothing(space: StorageSpace, tmp_path: Path) -> None:
    registered(space, "1.1")
    other = make_space("other", backend="filesystem", options={"root": str(tmp_path / "other")})
    assert judged(ordered(other, "1.1")) == ([], {"1.1": 0x0112})


def test_ten_thousand_references_are_judged(space: StorageSpace) -> None:
    registered(space, "1.1")
    committed, failed = judged(ordered(space, "1.1", *(f"1.9.{n}" for n in range(9_999))))
    assert (committed, len(failed)) == (["1.1"], 9_999)


def test_verdict_stays_until_it_is_driven_again(space: StorageSpace) -> None:
    order = ordered(space, "1.1")
    assert judged(order) == ([], {"1.1": 0x0112})
    registered(space, "1.1")
    assert judged(order) == ([], {"1.1": 0x0112})
    redrive_commitment(order.commitment_id)
    assert judged(order) == (["1.1"], {})


def test_same_transaction_with_the_same_references_is_one_row(space: StorageSpace) -> None:
    first = ordered(space, "1.1", "1.2")
    judge_commitment(first.commitment_id)
    record_reported(first.commitment_id)
    registered(space, "1.1", "1.2")
    again = ordered(space, "1.2", "1.1")
    assert again == first
    assert judged(again)[1] == {}
    assert StorageCommitment.objects.get().state == CommitmentState.PENDING


def test_same_transaction_with_other_references_is_refused(space: StorageSpace) -> None:
    ordered(space, "1.1")
    with pytest.raises(OperationRefused) as refused:
        ordered(space, "1.1", "1.2")
    assert refused.value.status == 0x0115
    assert StorageCommitment.objects.get().referenced == [[CT, "1.1"]]


def test_request_leaves_its_association_a_minute_to_report(space: StorageSpace) -> None:
    order = ordered(space, "1.1")
    assert order.reports_here
    assert claim_report() is None
    hand_report_on(order.commitment_id)
    owed = claim_report()
    assert owed is not None
    assert (owed.commitment_id, owed.requesting_ae_title) == (order.commitment_id, "MODALITY")
    assert claim_report() is None  # it is that one's for a while


def test_crash_after_the_answer_leaves_the_report_due(space: StorageSpace) -> None:
    order = ordered(space, "1.1")
    StorageCommitment.objects.update(next_attempt_at=Now())  # a minute later, nobody reported
    owed = claim_report()
    assert owed is not None
    assert owed.commitment_id == order.commitment_id
    StorageCommitment.objects.update(next_attempt_at=Now())  # and that reporter died too
    assert claim_report() is not None


def test_ae_that_wants_a_new_association_is_reported_to_at_once(space: StorageSpace) -> None:
    RemoteApplicationEntity.objects.create(ae_title="MODALITY", commitment_reports="new")
    assert not ordered(space, "1.1").reports_here
    assert claim_report() is not None


def test_failed_report_is_due_again_later_until_it_is_given_up(space: StorageSpace) -> None:
    order = ordered(space, "1.1")
    before = datetime.now(UTC)
    record_not_reported(order.commitment_id, "x" * 300)
    after = datetime.now(UTC)
    row = StorageCommitment.objects.get()
    assert (row.attempts, row.state, len(row.problem)) == (1, "pending", 200)
    assert row.next_attempt_at is not None
    assert before + timedelta(seconds=4) <= row.next_attempt_at <= after + timedelta(seconds=7)
    StorageCommitment.objects.update(requested_at=before - timedelta(days=7))
    record_not_reported(order.commitment_id, "still away")
    row = StorageCommitment.objects.get()
    assert (row.attempts, row.state, row.next_attempt_at) == (2, "given_up", None)
    assert claim_report() is None


def test_reported_commitment_is_owed_no_more(space: StorageSpace) -> None:
    order = ordered(space, "1.1")
    record_reported(order.commitment_id)
    record_not_reported(order.commitment_id, "a late attempt")
    row = StorageCommitment.objects.get()
    assert (row.state, row.problem, row.attempts) == ("reported", "", 1)


def test_destination_is_the_first_entry_with_host_and_port() -> None:
    with pytest.raises(Misconfigured, match="MODALITY"):
        report_destination("MODALITY")
    RemoteApplicationEntity.objects.create(ae_title="MODALITY", host="")
    RemoteApplicationEntity.objects.create(
        ae_title="MODALITY", host="off.example", port=104, is_enabled=False
    )
    known = RemoteApplicationEntity.objects.create(ae_title="MODALITY", host="ct.example", port=104)
    assert report_destination("MODALITY") == known


def test_settled_commitments_are_trimmed_after_long(space: StorageSpace) -> None:
    old, pending = ordered(space, "1.1"), ordered(space, "1.1", transaction_uid="1.2.8")
    record_reported(old.commitment_id)
    assert trim_commitments() == 0
    StorageCommitment.objects.update(requested_at=Now() - timedelta(days=91))
    assert trim_commitments() == 1
    assert StorageCommitment.objects.get().pk == pending.commitment_id
    with pytest.raises(NotFound):
        judge_commitment(old.commitment_id)
    with pytest.raises(NotFound):
        redrive_commitment(old.commitment_id)
