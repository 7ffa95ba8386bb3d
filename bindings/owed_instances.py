"""What deliveries of instances owe now: the held instance of each, or that it is gone.

An event names an instance; what is forwarded is what is held when it is sent.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from bindings.binding import DeliveryOutcome, OwedDelivery
from bindings.models import OutcomeClass
from ingestion.models import Instance

Key = tuple[int, str]  # storage space, SOP Instance UID


def key_of(owed: OwedDelivery) -> Key:
    """What is unique of an instance."""
    return owed.event.storage_space_id, owed.event.sop_instance_uid


def current_instances(deliveries: Sequence[OwedDelivery], *fields: str) -> dict[Key, Instance]:
    """What is held now, with these columns, in one query and one per space."""
    found = Instance.objects.filter(
        storage_space_id__in={owed.event.storage_space_id for owed in deliveries},
        sop_instance_uid__in={owed.event.sop_instance_uid for owed in deliveries},
        deleted_at__isnull=True,
    ).only("storage_space_id", "sop_instance_uid", *fields)
    return {(item.storage_space_id, item.sop_instance_uid): item for item in found}


def gone(deliveries: Sequence[OwedDelivery], current: dict[Key, Instance]) -> list[DeliveryOutcome]:
    """Outcomes of what was deleted meanwhile: there is nothing to deliver, and it is settled."""
    return [
        untried(owed, OutcomeClass.DELIVERED, "deleted meanwhile")
        for owed in deliveries
        if key_of(owed) not in current
    ]


def untried(
    owed: OwedDelivery, outcome: OutcomeClass, detail: str, *, status: str = ""
) -> DeliveryOutcome:
    """An outcome that was known, or came about, without the subscriber."""
    return DeliveryOutcome(owed.id, outcome, datetime.now(UTC), 0, status, detail)
