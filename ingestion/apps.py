"""The Django application that holds the manifest."""

from importlib import import_module

from django.apps import AppConfig
from django.conf import settings

from ingestion.database import limit_waits


class IngestionConfig(AppConfig):
    """Storage spaces, custody, the manifest, revisions and events."""

    name = "ingestion"
    verbose_name = "Ingestion"

    def ready(self) -> None:
        """Limit waits for the database; register the system checks, which need the models."""
        limit_waits(settings.ENVIRONMENT.database_statement_seconds_max)
        import_module("ingestion.checks")
