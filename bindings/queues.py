"""Our queues among the metrics: depth and age of the oldest row."""

from bindings.models import Delivery, DeliveryState
from ingestion.metrics import Queue, add_queue


def show_queues() -> None:
    """Add the deliveries that are owed and the dead letters. Repeats are harmless."""
    for state in (DeliveryState.PENDING, DeliveryState.DEAD):
        rows = Delivery.objects.filter(state=state)
        add_queue(Queue(f"deliveries_{state.value}", rows.all, "created_at"))
