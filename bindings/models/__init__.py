"""Who is told what, what is owed to them, and every try."""

from bindings.models.delivery import Attempt, Delivery, DeliveryState, OutcomeClass
from bindings.models.subscription import (
    AuthKind,
    BindingKind,
    ContentMode,
    Subscription,
)

__all__ = [
    "Attempt",
    "AuthKind",
    "BindingKind",
    "ContentMode",
    "Delivery",
    "DeliveryState",
    "OutcomeClass",
    "Subscription",
]
