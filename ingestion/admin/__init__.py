"""The screens of the admin, one module each; importing them registers them."""

from django.apps import apps

from ingestion.admin import (
    access_tokens,
    application_entities,
    association_records,
    events,
    instances,
    procedure_steps,
    receipts,
    retired_objects,
    revisions,
    series,
    storage_commitments,
    storage_spaces,
    studies,
    users,
    workitems,
)
from ingestion.admin.standard_names import use_standard_names

use_standard_names(apps.get_app_config("ingestion").get_models())

__all__ = [
    "access_tokens",
    "application_entities",
    "association_records",
    "events",
    "instances",
    "procedure_steps",
    "receipts",
    "retired_objects",
    "revisions",
    "series",
    "storage_commitments",
    "storage_spaces",
    "studies",
    "users",
    "workitems",
]
