"""Storage commitments that we ask peers for: kept before they are asked, then their results.

Source: PS3.4 J.3.2.1.2, J.3.3.1.3 (behaviour of the SCU).
"""

import uuid
from collections.abc import Sequence

import structlog
from django.db import transaction
from django.db.models.functions import Now

from ingestion.dicom.statuses import Status
from ingestion.domain.commitment_information import (
    ActionInformation,
    EventInformation,
    Failure,
    Reference,
    failure_rows,
    reference_rows,
    references_of,
)
from ingestion.errors import OperationRefused
from ingestion.models import CommitmentRequest, RemoteApplicationEntity

log = structlog.get_logger(__name__)


def begin_request(
    remote: RemoteApplicationEntity, references: Sequence[Reference]
) -> tuple[CommitmentRequest, ActionInformation]:
    """Keep what a peer is about to be asked, so that its result finds the request."""
    action = ActionInformation(f"2.25.{uuid.uuid4().int}", tuple(dict.fromkeys(references)))
    request = CommitmentRequest.objects.create(
        transaction_uid=action.transaction_uid,
        application_entity=remote,
        referenced=reference_rows(action.references),
    )
    return request, action


def forget_request(request: CommitmentRequest) -> None:
    """The peer did not take it: its transaction is over (J.3.2.1.2)."""
    CommitmentRequest.objects.filter(pk=request.pk).delete()


def record_result(event: EventInformation, *, ae_title: str) -> None:
    """Keep what the peer of this title commits to. What it does not mention counts as failed.

    A repeat replaces what was told before. Raises `OperationRefused` (0115) for a transaction
    that this peer was not asked for.
    """
    with transaction.atomic():
        request = (
            CommitmentRequest.objects.select_for_update(of=("self",))
            .filter(transaction_uid=event.transaction_uid, application_entity__ae_title=ae_title)
            .first()
        )
        if request is None:
            raise OperationRefused(
                "no such transaction was asked for", Status.INVALID_ARGUMENT_VALUE
            )
        committed = set(event.committed)
        reasons = {failure.reference: failure.reason for failure in event.failed}
        unsaid = Status.PROCESSING_FAILURE
        failed = [
            Failure(reference, reasons.get(reference, unsaid))
            for reference in references_of(request.referenced)
            if reference in reasons or reference not in committed
        ]
        CommitmentRequest.objects.filter(pk=request.pk).update(
            failed=failure_rows(failed), answered_at=Now()
        )
    log.info(
        "storage commitment answered",
        transaction_uid=event.transaction_uid,
        references=len(request.referenced),
        failed=len(failed),
    )
