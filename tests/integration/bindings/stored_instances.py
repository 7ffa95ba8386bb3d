"""Instances with bytes in a store, and what became of their deliveries."""

from bindings.models import Delivery
from ingestion.models import SenderKind, StorageSpace
from ingestion.use_cases.commit_receipts import commit_receipts
from ingestion.use_cases.register_receipts import register_receipts
from ingestion.use_cases.store_instance import Sender, receive_file
from tests.builders import build_ct, new_uid, part10_bytes


def hold(
    space: StorageSpace, *, study: str, sop: str = "", patient_name: str = "Doe^Jane"
) -> bytes:
    """Take one instance into custody and register it; its bytes."""
    content = part10_bytes(
        build_ct(
            study_instance_uid=study, sop_instance_uid=sop or new_uid(), patient_name=patient_name
        )
    )
    with receive_file(space, Sender(kind=SenderKind.STOW, conversation_id="r1")) as incoming:
        incoming.write(content)
        stored = incoming.store()
    commit_receipts([stored])
    register_receipts([stored.receipt_id])
    return content


def states() -> dict[str, str]:
    rows = Delivery.objects.values_list("event__sop_instance_uid", "state")
    return dict(rows)
