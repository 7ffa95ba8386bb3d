"""Webhooks: a CloudEvent per delivery, signed as Standard Webhooks 1.0 says.

Sends run beside each other, so that a slow or poisoned one holds up no other.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from uuid import uuid4

import structlog
from django.conf import settings
from standardwebhooks import Webhook as Signer

from bindings.binding import Batch, DeliveryOutcome, OwedDelivery
from bindings.cloud_event import CloudEvent, binary_message, structured_message, subject_of
from bindings.models import ContentMode, OutcomeClass, Subscription
from bindings.subscriber_requests import Exchange, Headers, ask
from ingestion.models import Event
from ingestion.use_cases.describe_event import UntellableEvent, describe_event

log = structlog.get_logger(__name__)

SENDS_AT_ONCE = 8  # to one subscriber, by one pass
PROBE_TYPE = "SubscriptionProbeEvent"

MESSAGES = {ContentMode.BINARY: binary_message, ContentMode.STRUCTURED: structured_message}


class Webhook:
    """Posts events one by one; 2xx is delivered."""

    def deliver(self, batch: Batch) -> Iterator[list[DeliveryOutcome]]:
        """As `Binding`: payloads are made one at a time, just before they are sent."""
        waiting = list(reversed(batch.deliveries))
        sending: set[Future[DeliveryOutcome]] = set()
        with ThreadPoolExecutor(SENDS_AT_ONCE, thread_name_prefix="webhook") as senders:
            while sending or (waiting and not batch.stopping.is_set()):
                while waiting and len(sending) < SENDS_AT_ONCE and not batch.stopping.is_set():
                    send = _prepared(batch.subscription, waiting.pop())
                    sending.add(senders.submit(send))
                done, sending = wait(sending, return_when=FIRST_COMPLETED)
                yield [future.result() for future in done]

    def probe(self, subscription: Subscription) -> DeliveryOutcome:
        """Post an event without data, of a type of its own."""
        message_id = str(uuid4())
        event = CloudEvent(
            message_id, source(), PROBE_TYPE, datetime.now(UTC).isoformat(), "probe", {}
        )
        return _outcome(0, _post(subscription, message_id, event))


def source() -> str:
    """The stable source of our events: our public URL, or our name when we have none."""
    return str(settings.ENVIRONMENT.public_base_url).rstrip("/") or "imaging-ingestion"


def _prepared(subscription: Subscription, owed: OwedDelivery) -> Callable[[], DeliveryOutcome]:
    """The send of one delivery, ready to run in a thread that knows no database."""
    try:
        event = _cloud_event(owed.event)
    except UntellableEvent as error:  # one such must not hold up the others
        log.exception("event cannot be told", delivery_id=str(owed.uuid))
        untold = DeliveryOutcome(
            owed.id, OutcomeClass.TRANSIENT, datetime.now(UTC), 0, error.code, str(error)
        )
        return lambda: untold
    return lambda: _outcome(owed.id, _post(subscription, str(owed.uuid), event))


def _cloud_event(event: Event) -> CloudEvent:
    subject = subject_of(
        event.study_instance_uid, event.series_instance_uid, event.sop_instance_uid
    )
    return CloudEvent(
        id=str(event.uuid),
        source=source(),
        type=event.type,
        time=event.created_at.isoformat(),
        subject=subject,
        data=describe_event(event),
    )


def _post(subscription: Subscription, message_id: str, event: CloudEvent) -> Exchange:
    headers, body = MESSAGES[ContentMode(subscription.content_mode)](event)
    signature = _signature(subscription.signing_secret, message_id, body)
    return ask(subscription, (*headers, *signature), body)


def _signature(secret: str, message_id: str, body: bytes) -> Headers:
    """Standard Webhooks, "Webhook headers"; unsigned when the subscription has no secret."""
    moment = datetime.now(UTC)
    names = (("webhook-id", message_id), ("webhook-timestamp", str(int(moment.timestamp()))))
    if not secret:
        return names
    return (*names, ("webhook-signature", Signer(secret).sign(message_id, moment, body.decode())))


def _outcome(delivery_id: int, exchange: Exchange) -> DeliveryOutcome:
    return DeliveryOutcome(
        delivery_id,
        exchange.outcome,
        exchange.started_at,
        exchange.duration_ms,
        exchange.peer_status,
        exchange.detail,
        exchange.retry_after_seconds,
    )
