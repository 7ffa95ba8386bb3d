"""Builds subscriptions and events without anything behind them, and delivers what is owed."""

from datetime import timedelta
from typing import Any

from django.db.models import F
from django.db.models.functions import Now

from bindings.attempt_deliveries import attempt_deliveries
from bindings.claims import due_subscriptions
from bindings.fan_out import fan_out_events
from bindings.models import BindingKind, Delivery, Subscription
from bindings.signing_secrets import new_signing_secret
from ingestion.models import Event, EventType, StorageSpace
from tests.builders import new_uid
from tests.receipts import make_space

CT = "1.2.840.10008.5.1.4.1.1.2"


def make_subscription(url: str, **fields: Any) -> Subscription:
    """An enabled webhook for instances of all spaces that has been there for an hour."""
    values = {
        "name": new_uid(),
        "kind": BindingKind.WEBHOOK,
        "event_types": [EventType.DICOM_AVAILABLE.value],
        "all_spaces": True,
        "signing_secret": new_signing_secret(),
        "timeout_seconds": 60.0,
    } | fields
    subscription = Subscription.objects.create(url=url, **values)
    Subscription.objects.filter(pk=subscription.pk).update(created_at=Now() - timedelta(hours=1))
    subscription.refresh_from_db()
    return subscription


def make_event(space: StorageSpace, **fields: Any) -> Event:
    """An instance that became available."""
    values = {
        "type": EventType.DICOM_AVAILABLE,
        "study_instance_uid": "1.2.3",
        "series_instance_uid": "1.2.3.4",
        "sop_instance_uid": new_uid(),
        "modalities": ["CT"],
        "sop_classes": [CT],
        "calling_ae_title": "MODALITY",
        "data": {"change": "addition", "sizeBytes": 10},
    } | fields
    event = Event.objects.create(storage_space=space, **values)
    event.refresh_from_db()
    return event


def owe(url: str, *, events: int = 1, **fields: Any) -> Subscription:
    """A subscription with so many events of a space that are owed to it."""
    space = make_space()
    subscription = make_subscription(url, **fields)
    for _ in range(events):
        make_event(space)
    fan_out_events()
    return subscription


def the_delivery() -> Delivery:
    """The only delivery that there is."""
    return Delivery.objects.get()


def attempt_due_deliveries() -> int:
    """Send once what is due, subscription after subscription. Returns how many were claimed."""
    return sum(map(attempt_deliveries, due_subscriptions()))


def make_due() -> None:
    """Let all waiting time pass: next tries and open circuits are now."""
    Delivery.objects.filter(state="pending").update(
        next_attempt_at=Now() - timedelta(seconds=1), owed_since=F("owed_since")
    )
    Subscription.objects.filter(opened_until__isnull=False).update(
        opened_until=Now() - timedelta(seconds=1)
    )
