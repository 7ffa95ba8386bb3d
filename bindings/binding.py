"""What a binding is: it takes a batch that is owed to one subscription and says how each went."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from bindings.models import OutcomeClass, Subscription
from ingestion.models import Event

DETAIL_CHARACTERS_MAX = 200


@dataclass(frozen=True, slots=True)
class OwedDelivery:
    """One event owed, claimed by this pass. `uuid` is the id that receivers deduplicate by."""

    id: int
    uuid: UUID
    event: Event
    attempts: int
    owed_since: datetime


@dataclass(frozen=True, slots=True)
class DeliveryOutcome:
    """How one try went. `detail` is our own words: no secret, nothing of the peer's body."""

    delivery_id: int
    outcome: OutcomeClass
    started_at: datetime
    duration_ms: int
    peer_status: str = ""
    detail: str = ""
    retry_after_seconds: float | None = None

    @property
    def text(self) -> str:
        """The outcome in words, for people."""
        return " ".join(filter(None, (self.outcome.label, self.peer_status, self.detail)))


@dataclass(frozen=True, slots=True)
class Batch:
    """Deliveries of one subscription, claimed together.

    Once `stopping` is set, a binding begins no further send; what it says nothing about
    goes back to the queue untried.
    """

    subscription: Subscription
    deliveries: Sequence[OwedDelivery]
    stopping: threading.Event = field(default_factory=threading.Event)


class Binding(Protocol):
    """A way to deliver."""

    def deliver(self, batch: Batch) -> Iterator[list[DeliveryOutcome]]:
        """Send, and yield outcomes as they become known, each delivery at most once.

        A failure of one delivery, or of the peer, is an outcome and never an exception.
        """

    def probe(self, subscription: Subscription) -> DeliveryOutcome:
        """Ask the subscriber whether deliveries could work, with no data of ours."""
