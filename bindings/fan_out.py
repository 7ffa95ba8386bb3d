"""From events to deliveries: each event is owed once to every enabled subscription it concerns."""

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models.query import Prefetch

from bindings.delivery_identifiers import DELIVERY_UUID
from bindings.models import Subscription
from bindings.selectors import SELECTS, SelectedSpaces, selected_spaces
from ingestion.errors import DatabaseUnavailable
from ingestion.models import StorageSpace
from ingestion.wakeups import Work, wake

BATCH_MAX = 1000

CLAIM = """
    SELECT id FROM ingestion_event WHERE fanned_out_at IS NULL
    ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
"""
OWE = f"""
    INSERT INTO bindings_delivery (subscription_id, event_id, uuid)
    SELECT s.id, e.id, {DELIVERY_UUID}
    FROM ingestion_event e
    JOIN unnest(%(subscriptions)s::bigint[], %(spaces)s::bigint[]) AS wanted (subscription, space)
        ON wanted.space = e.storage_space_id
    JOIN bindings_subscription s ON s.id = wanted.subscription
    WHERE {SELECTS} AND e.id = ANY (%(events)s) AND e.created_at >= s.created_at
    ORDER BY e.id
    ON CONFLICT (subscription_id, event_id) DO NOTHING
"""  # noqa: S608  # all parts are constants of ours
SETTLE = "UPDATE ingestion_event SET fanned_out_at = statement_timestamp() WHERE id = ANY (%s)"


def fan_out_events(*, limit: int = BATCH_MAX) -> int:
    """Turn up to `limit` waiting events into deliveries. Returns how many events; 0: none wait.

    A subscription is owed what happened after it was made; older events need a replay.
    Raises `DatabaseUnavailable`; the events keep waiting.
    """
    try:
        with transaction.atomic():
            return _fan_out(limit)
    except (OperationalError, InterfaceError) as error:
        raise DatabaseUnavailable("the database did not confirm") from error


def _fan_out(limit: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, [limit])
        events = [row[0] for row in cursor.fetchall()]
        if not events:
            return 0
        # Spaces are read after the claim, so every space that these events name is seen.
        wanted = selected_spaces(_subscriptions())
        if wanted.subscription_ids and _owe(wanted, events):
            transaction.on_commit(lambda: wake(Work.ATTEMPT_DELIVERIES), robust=True)
        cursor.execute(SETTLE, [events])
    return len(events)


def _subscriptions() -> list[Subscription]:
    """Enabled ones, without their secrets: one that cannot be read must not stop the others."""
    spaces = Prefetch("spaces", StorageSpace.objects.only("pk"))
    return list(
        Subscription.objects.filter(is_enabled=True)
        .only("pk", "all_spaces", "provider_pattern")
        .prefetch_related(spaces)
    )


def _owe(wanted: SelectedSpaces, events: list[int]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            OWE,
            {
                "subscriptions": wanted.subscription_ids,
                "spaces": wanted.space_ids,
                "events": events,
            },
        )
        return int(cursor.rowcount)
