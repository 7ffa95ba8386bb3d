"""The queues of wake-ups, each with workers of its own if one wants. Rows are the real queues."""

from typing import Final

from kombu import Exchange, Queue

INGEST: Final = "ingest"
REVISIONS: Final = "revisions"
DELIVER: Final = "deliver"
HOUSEKEEPING: Final = "housekeeping"

QUEUES: Final = tuple(
    Queue(name, Exchange(name, type="direct"), routing_key=name)  # else all share one key
    for name in (INGEST, REVISIONS, DELIVER, HOUSEKEEPING)
)

# A wake-up more than so many that wait would find nothing left to do.
MESSAGES_MAX = 200
