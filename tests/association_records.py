"""Makes records of associations, with whatever fields matter to a test."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from ingestion.models import AssociationRecord, Direction


def make_record(**fields: Any) -> AssociationRecord:
    """A saved record of an association that MODALITY released, unless the fields differ."""
    now = timezone.now()
    defaults: dict[str, Any] = {
        "association_id": "0f" * 16,
        "direction": Direction.ACCEPTED,
        "started_at": now - timedelta(seconds=2),
        "ended_at": now,
        "peer_address": "192.0.2.1",
        "calling_ae_title": "MODALITY",
        "called_ae_title": "INGEST",
        "outcome": "released",
    }
    return AssociationRecord.objects.create(**(defaults | fields))
