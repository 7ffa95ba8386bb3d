"""The screens of the admin, one module each; importing them registers them."""

from ingestion.admin import (
    access_tokens,
    application_entities,
    events,
    instances,
    receipts,
    retired_objects,
    revisions,
    series,
    storage_spaces,
    studies,
    users,
)

__all__ = [
    "access_tokens",
    "application_entities",
    "events",
    "instances",
    "receipts",
    "retired_objects",
    "revisions",
    "series",
    "storage_spaces",
    "studies",
    "users",
]
