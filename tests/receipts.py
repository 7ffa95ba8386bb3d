"""Builds storage spaces and committed receipts without any bytes behind them."""

import hashlib
from typing import Any
from uuid import UUID

from ingestion.domain.receipt_ids import new_receipt_id
from ingestion.models import HeaderDocument, Receipt, SenderKind, StorageSpace

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"


def make_space(slug: str = "main", **fields: Any) -> StorageSpace:
    """A storage space whose studies settle at once unless told otherwise."""
    values = {"name": slug.title(), "quiet_seconds": 0, "max_wait_seconds": 600} | fields
    return StorageSpace.objects.create(slug=slug, **values)


def make_receipt(
    space: StorageSpace,
    *,
    study: str = "1.2.3",
    series: str = "1.2.3.1",
    sop: str = "1.2.3.1.1",
    content: bytes = b"content",
    **fields: Any,
) -> UUID:
    """A pending receipt of an object with these identifiers and bytes."""
    receipt_id = new_receipt_id()
    HeaderDocument.objects.create(pk=receipt_id, body=b"document")
    digest = hashlib.sha256(content).digest()
    values: dict[str, Any] = {
        "sop_class_uid": CT,
        "transfer_syntax_uid": EXPLICIT,
        "data_set_sha256": digest,
        "location": f"{study}/{series}/{sop}.{digest.hex()[:16]}.dcm",
        "size_bytes": 1000 + len(content),
        "data_set_offset": 300,
        "modality": "CT",
        "sender_kind": SenderKind.DIMSE,
    }
    Receipt.objects.create(
        pk=receipt_id,
        document_id=receipt_id,
        storage_space=space,
        study_instance_uid=study,
        series_instance_uid=series,
        sop_instance_uid=sop,
        **(values | fields),
    )
    return receipt_id
