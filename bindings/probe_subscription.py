"""Asking a subscriber whether deliveries could work, with no data of ours."""

from bindings.binding import DeliveryOutcome
from bindings.binding_kinds import BINDINGS
from bindings.models import Subscription


def probe_subscription(subscription: Subscription) -> DeliveryOutcome:
    """How a test went; nothing is recorded.

    Ends within the subscription's timeout. Raises `Misconfigured` when its secrets cannot be
    read.
    """
    return BINDINGS[subscription.kind].probe(subscription)
