"""Deliveries: one event owed to one subscription; the row is the queue. Attempts: each try."""

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from bindings.models.subscription import Subscription
from ingestion.models import Event


class DeliveryState(models.TextChoices):
    """Where a delivery stands."""

    PENDING = "pending", "Pending"
    DELIVERED = "delivered", "Delivered"
    DEAD = "dead", "Dead letter"
    CANCELLED = "cancelled", "Cancelled"


class OutcomeClass(models.TextChoices):
    """How a try ended, whatever the binding."""

    DELIVERED = "delivered", "Delivered"
    TRANSIENT = "transient", "Failed, a later try can help"
    THROTTLED = "throttled", "Put off by the subscriber"
    PERMANENT = "permanent", "Refused for good"
    GONE = "gone", "The subscriber is gone"


class Delivery(models.Model):
    """One event owed to one subscription. `uuid` is what receivers deduplicate by.

    It follows from subscription and event (`delivery_identifiers`).
    """

    # The default is for code that ran before ids followed from anything.
    uuid = models.UUIDField(unique=True, db_default=RandomUUID(), editable=False)
    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, related_name="deliveries", db_index=False
    )
    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=10, choices=DeliveryState, db_default=DeliveryState.PENDING)
    attempts = models.PositiveIntegerField(db_default=0)
    created_at = models.DateTimeField(db_default=Now())
    owed_since = models.DateTimeField(
        db_default=Now(), help_text="When trying began; a redrive begins anew."
    )
    next_attempt_at = models.DateTimeField(db_default=Now())
    settled_at = models.DateTimeField(null=True)
    problem = models.CharField(
        max_length=200, blank=True, db_default="", help_text="Why the last try failed."
    )
    claim_id = models.UUIDField(null=True, help_text="The worker's pass that sends it now.")
    claimed_until = models.DateTimeField(null=True, help_text="When a silent claim lapses.")

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(fields=["subscription", "event"], name="delivery_owed_once"),
            models.CheckConstraint(
                condition=Q(state__in=DeliveryState.values), name="delivery_state_is_known"
            ),
            models.CheckConstraint(
                condition=Q(state="pending", settled_at__isnull=True)
                | (~Q(state="pending") & Q(settled_at__isnull=False)),
                name="delivery_is_settled_or_pending",
            ),
            models.CheckConstraint(
                condition=Q(claim_id__isnull=True, claimed_until__isnull=True)
                | Q(claim_id__isnull=False, claimed_until__isnull=False),
                name="delivery_claims_lapse",
            ),
        ]
        indexes = [
            models.Index(
                "subscription", "next_attempt_at", name="delivery_due", condition=Q(state="pending")
            ),
            models.Index(
                "subscription",
                "claim_id",
                name="delivery_claimed",
                condition=Q(claim_id__isnull=False),
            ),
            models.Index(
                "state",
                F("id").desc(),
                name="delivery_unsettled",
                condition=Q(state__in=["pending", "dead"]),
            ),
            models.Index("settled_at", name="delivery_settled", condition=~Q(state="pending")),
        ]

    def __str__(self) -> str:
        return f"{self.uuid} ({self.state})"


class Attempt(models.Model):
    """One try. `detail` is ours, never the peer's words, which may name patients."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="tries")
    started_at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField()
    outcome = models.CharField(max_length=10, choices=OutcomeClass)
    peer_status = models.CharField(
        max_length=20, blank=True, help_text="The peer's own status, e.g. 503 or A700."
    )
    detail = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(outcome__in=OutcomeClass.values), name="attempt_outcome_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.outcome} {self.peer_status}".strip()
