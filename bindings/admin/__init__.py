"""The screens of subscriptions and deliveries; importing them registers them."""

from bindings.admin import deliveries, subscriptions
from ingestion.admin.navigation import Screen, add_section

add_section(
    "Delivery",
    [
        Screen("Subscriptions", "notifications_active", "bindings.subscription"),
        Screen("Deliveries", "outbox", "bindings.delivery"),
    ],
)

__all__ = ["deliveries", "subscriptions"]
