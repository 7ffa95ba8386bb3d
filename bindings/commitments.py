"""Whether a peer has committed itself to the instances that it was sent, and asking it to.

Source: PS3.4 Annex J. An instance whose peer was asked and says nothing is sent again in the end.
"""

import enum
from collections.abc import Sequence
from datetime import timedelta

from django.utils import timezone

from bindings.binding import OwedDelivery
from bindings.models import Subscription
from ingestion.dimse.services.commitment_requests import request_commitment
from ingestion.domain.commitment_information import Reference
from ingestion.models import CommitmentRequest

RESULT_AWAITED = timedelta(minutes=30)  # then the instance is sent, and asked for, once more
REQUESTS_MAX = 1000  # of one peer that are looked at


class Verdict(enum.Enum):
    """What a peer said of one instance."""

    COMMITTED = "committed"
    REFUSED = "refused"
    AWAITED = "awaited"


def verdicts(subscription: Subscription, owed: Sequence[OwedDelivery]) -> dict[int, Verdict]:
    """By delivery, what the peer said of what it was asked since the delivery is owed.

    A delivery of which it was not asked, or did not answer in time, is left out.
    """
    if not owed:
        return {}
    since = min(item.owed_since for item in owed)
    requests = CommitmentRequest.objects.filter(
        application_entity=subscription.application_entity_id, requested_at__gte=since
    ).order_by("-requested_at")[:REQUESTS_MAX]
    latest: dict[str, tuple[CommitmentRequest, Verdict]] = {}
    for request in requests:
        for sop_instance_uid, verdict in _verdicts_of(request).items():
            latest.setdefault(sop_instance_uid, (request, verdict))
    found: dict[int, Verdict] = {}
    for item in owed:
        request_and_verdict = latest.get(item.event.sop_instance_uid)
        if request_and_verdict is None or request_and_verdict[0].requested_at < item.owed_since:
            continue
        if not _is_overdue(*request_and_verdict):
            found[item.id] = request_and_verdict[1]
    return found


def ask_for_commitment(
    subscription: Subscription, references: Sequence[Reference], *, calling_ae_title: str
) -> dict[str, Verdict]:
    """Ask the peer, and wait a moment for its answer; verdicts by SOP Instance UID.

    Raises `AssociationEnded`, `OperationRefused`, `Misconfigured` when it did not take the request.
    """
    assert subscription.application_entity is not None  # by constraint, for C-STORE
    request = request_commitment(
        subscription.application_entity, references, calling_ae_title=calling_ae_title
    )
    return _verdicts_of(request)


def _verdicts_of(request: CommitmentRequest) -> dict[str, Verdict]:
    verdict = Verdict.AWAITED if request.answered_at is None else Verdict.COMMITTED
    by_uid = {sop_instance_uid: verdict for _, sop_instance_uid in request.referenced}
    return by_uid | {failed[1]: Verdict.REFUSED for failed in request.failed}


def _is_overdue(request: CommitmentRequest, verdict: Verdict) -> bool:
    return verdict is Verdict.AWAITED and timezone.now() - request.requested_at > RESULT_AWAITED
