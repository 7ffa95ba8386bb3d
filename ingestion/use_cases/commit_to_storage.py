"""Takes orders to commit to stored instances, and judges for which of them we can.

An instance is committed when the called AE's space holds it, or a receipt of it that is on its way
into the manifest, and its object really rests in the store. Source: PS3.4 J.3.2, J.3.3.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.db import connection, transaction
from django.db.models.functions import Now

from ingestion.dicom.statuses import Status
from ingestion.domain.commitment_information import (
    ActionInformation,
    EventInformation,
    Failure,
    FailureReason,
    Reference,
    failure_rows,
    failures_of,
    reference_rows,
    references_of,
)
from ingestion.errors import IngestionError, NotFound, ObjectMissing, OperationRefused
from ingestion.models import (
    CommitmentState,
    RemoteApplicationEntity,
    ReportAssociation,
    StorageCommitment,
    StorageSpace,
)
from ingestion.object_stores.protocol import ObjectStore
from ingestion.use_cases.storage_spaces import open_space_store
from ingestion.wakeups import Work, wake

log = structlog.get_logger(__name__)

LOOKUPS_MAX = 16  # objects that are looked for at the same time
# How long the association of the request has to report before others do.
SAME_ASSOCIATION_SECONDS = 60

UseDatabase = Callable[[], AbstractContextManager[None]]

_HELD = """
    SELECT sop_instance_uid, sop_class_uid, location, size_bytes FROM ingestion_instance
    WHERE storage_space_id = %(space)s AND sop_instance_uid = ANY(%(uids)s)
        AND deleted_at IS NULL
    UNION ALL
    SELECT sop_instance_uid, sop_class_uid, location, size_bytes FROM ingestion_receipt
    WHERE storage_space_id = %(space)s AND sop_instance_uid = ANY(%(uids)s)
        AND outcome = 'pending'
"""


@dataclass(frozen=True, slots=True)
class CommitmentOrder:
    """Who asks for what."""

    storage_space: StorageSpace
    requesting_ae_title: str
    called_ae_title: str
    peer_address: str
    action: ActionInformation


@dataclass(frozen=True, slots=True)
class AcceptedOrder:
    """An order that is committed; `reports_here` on the association of the request."""

    commitment_id: int
    reports_here: bool


@dataclass(frozen=True, slots=True)
class _Held:
    """Where an instance rests."""

    sop_class_uid: str
    location: str
    size_bytes: int


def accept_commitment(order: CommitmentOrder) -> AcceptedOrder:
    """Keep an order, so that it is reported whatever crashes next. A repeat is judged anew.

    Raises `OperationRefused` (0115) when the transaction is known with other references.
    """
    reports_here = _reports_on_same_association(order.requesting_ae_title)
    referenced = reference_rows(order.action.references)
    due = {
        "next_attempt_at": Now() + timedelta(seconds=SAME_ASSOCIATION_SECONDS * reports_here),
        "peer_address": order.peer_address,
        "called_ae_title": order.called_ae_title,
    }
    with transaction.atomic():
        row, is_new = StorageCommitment.objects.select_for_update().get_or_create(
            storage_space=order.storage_space,
            requesting_ae_title=order.requesting_ae_title,
            transaction_uid=order.action.transaction_uid,
            defaults={"referenced": referenced, **due},
        )
        if sorted(row.referenced) != sorted(referenced):
            raise OperationRefused(
                "the Transaction UID is in use for other references",
                Status.INVALID_ARGUMENT_VALUE,
            )
        if not is_new:
            _begin_anew(row.pk, **due)
        if not reports_here:
            transaction.on_commit(lambda: wake(Work.REPORT_COMMITMENTS), robust=True)
    log.info(
        "storage commitment requested",
        transaction_uid=order.action.transaction_uid,
        references=len(referenced),
        is_new=is_new,
    )
    return AcceptedOrder(row.pk, reports_here)


def judge_commitment(
    commitment_id: int, *, use_database: UseDatabase = nullcontext
) -> EventInformation:
    """What we commit to and what not; judged once, then always the same.

    The database is used inside `use_database` only, never while objects are looked for.
    Raises `NotFound`, and `Unavailable` when the store or the database does not answer.
    """
    with use_database():
        commitment = (
            StorageCommitment.objects.select_related("storage_space")
            .filter(pk=commitment_id)
            .first()
        )
        if commitment is None:
            raise NotFound("there is no such storage commitment")
        references = references_of(commitment.referenced)
        if commitment.judged_at is not None:
            return _event(commitment, references, failures_of(commitment.failed))
        held = _held(commitment.storage_space_id, references)
    failed = _failures(references, held, open_space_store(commitment.storage_space))
    with use_database():
        StorageCommitment.objects.filter(pk=commitment_id).update(
            failed=failure_rows(failed), judged_at=Now()
        )
    log.info(
        "storage commitment judged",
        transaction_uid=commitment.transaction_uid,
        references=len(references),
        failed=len(failed),
    )
    return _event(commitment, references, failed)


def redrive_commitment(commitment_id: int) -> None:
    """Judge and report a commitment once more, whatever became of it. Raises `NotFound`."""
    if not _begin_anew(commitment_id, next_attempt_at=Now()):
        raise NotFound("there is no such storage commitment")
    transaction.on_commit(lambda: wake(Work.REPORT_COMMITMENTS), robust=True)


def _begin_anew(commitment_id: int, **fields: object) -> int:
    return StorageCommitment.objects.filter(pk=commitment_id).update(
        state=CommitmentState.PENDING,
        requested_at=Now(),
        judged_at=None,
        reported_at=None,
        failed=[],
        attempts=0,
        problem="",
        **fields,
    )


def _reports_on_same_association(ae_title: str) -> bool:
    """As the AE table says; the same one for whom it does not know."""
    chosen = RemoteApplicationEntity.objects.filter(ae_title=ae_title, is_enabled=True)
    wanted = chosen.order_by("pk").values_list("commitment_reports", flat=True).first()
    return wanted != ReportAssociation.NEW


def _event(
    commitment: StorageCommitment, references: Sequence[Reference], failed: Sequence[Failure]
) -> EventInformation:
    lost = {failure.reference for failure in failed}
    return EventInformation(
        commitment.transaction_uid,
        committed=tuple(reference for reference in references if reference not in lost),
        failed=tuple(failed),
    )


def _held(space_id: int, references: Iterable[Reference]) -> Mapping[str, list[_Held]]:
    """All that we have under each SOP Instance UID."""
    held: defaultdict[str, list[_Held]] = defaultdict(list)
    uids = [reference.sop_instance_uid for reference in references]
    with connection.cursor() as cursor:
        cursor.execute(_HELD, {"space": space_id, "uids": uids})
        for uid, *rest in cursor.fetchall():
            held[uid].append(_Held(*rest))
    return held


def _failures(
    references: Sequence[Reference], held: Mapping[str, list[_Held]], store: ObjectStore
) -> list[Failure]:
    there = _objects_there(
        {
            one
            for reference in references
            for one in held.get(reference.sop_instance_uid, ())
            if one.sop_class_uid == reference.sop_class_uid
        },
        store,
    )
    judged = ((one, _reason(one, held.get(one.sop_instance_uid, ()), there)) for one in references)
    return [Failure(reference, reason) for reference, reason in judged if reason is not None]


def _reason(reference: Reference, held: Sequence[_Held], there: set[_Held]) -> FailureReason | None:
    fitting = [one for one in held if one.sop_class_uid == reference.sop_class_uid]
    if held and not fitting:
        return FailureReason.CLASS_INSTANCE_CONFLICT
    return None if there.intersection(fitting) else FailureReason.NO_SUCH_OBJECT_INSTANCE


def _objects_there(wanted: set[_Held], store: ObjectStore) -> set[_Held]:
    """Those whose object rests in the store with all its bytes."""
    candidates = list(wanted)
    with ThreadPoolExecutor(LOOKUPS_MAX, thread_name_prefix="commitment") as pool:
        try:
            found = list(pool.map(lambda one: _is_there(one, store), candidates))
        except IngestionError:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return {one for one, is_there in zip(candidates, found, strict=True) if is_there}


def _is_there(one: _Held, store: ObjectStore) -> bool:
    try:
        return store.size(one.location) == one.size_bytes
    except ObjectMissing:
        return False
