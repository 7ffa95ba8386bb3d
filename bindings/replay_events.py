"""Replay: telling one subscription again what happened in a range of time."""

import enum
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from bindings.delivery_identifiers import DELIVERY_UUID
from bindings.models import Subscription
from bindings.selectors import SELECTS, selected_spaces
from ingestion.wakeups import Work, wake

STEP = 5000  # events looked at in one transaction


class Replay(enum.Enum):
    """What a replay tells."""

    NEVER_OWED = "never_owed"
    EVERYTHING = "everything"


# Told again under the same delivery id: a receiver that deduplicates must have lost it to take it.
ON_CONFLICT = {
    Replay.NEVER_OWED: "DO NOTHING",
    Replay.EVERYTHING: """DO UPDATE SET state = 'pending', attempts = 0, settled_at = NULL,
        problem = '', next_attempt_at = statement_timestamp(), owed_since = statement_timestamp()
        WHERE bindings_delivery.state <> 'pending'""",
}
STEP_END = """
    SELECT max(id), count(*) FROM (
        SELECT id FROM ingestion_event
        WHERE id > %(after)s AND created_at >= %(since)s AND created_at < %(until)s
        ORDER BY id LIMIT %(step)s
    ) AS step
"""
OWE = """
    INSERT INTO bindings_delivery (subscription_id, event_id, uuid)
    SELECT s.id, e.id, {uuid}
    FROM ingestion_event e
    JOIN bindings_subscription s ON s.id = %(subscription)s
    WHERE {selects} AND e.storage_space_id = ANY (%(spaces)s::bigint[])
        AND e.id > %(after)s AND e.id <= %(last)s
        AND e.created_at >= %(since)s AND e.created_at < %(until)s
    ORDER BY e.id
    ON CONFLICT (subscription_id, event_id) {on_conflict}
"""


def replay_events(
    subscription: Subscription,
    *,
    since: datetime,
    until: datetime,
    replay: Replay = Replay.NEVER_OWED,
) -> int:
    """Owe the subscription what it selects of the events in `[since, until)`; how many are owed.

    Works in steps, each its own transaction; a repeat continues. Deliveries that are pending
    stay as they are. What was delivered and trimmed is owed again, under the id it had.
    """
    spaces = selected_spaces([subscription]).space_ids
    bounds: dict[str, Any] = {
        "since": since,
        "until": until,
        "subscription": subscription.pk,
        "spaces": spaces,
    }
    statement = OWE.format(uuid=DELIVERY_UUID, selects=SELECTS, on_conflict=ON_CONFLICT[replay])
    owed, after = 0, 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(STEP_END, {**bounds, "after": after, "step": STEP})
            last, looked_at = cursor.fetchone()
            if not looked_at:
                return owed
            cursor.execute(statement, {**bounds, "after": after, "last": last})
            owed += cursor.rowcount
            transaction.on_commit(lambda: wake(Work.ATTEMPT_DELIVERIES), robust=True)
        after = last
