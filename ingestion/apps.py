"""The Django application that holds the manifest."""

from importlib import import_module

from django.apps import AppConfig


class IngestionConfig(AppConfig):
    """Storage spaces, custody, the manifest, revisions and events."""

    name = "ingestion"
    verbose_name = "Ingestion"

    def ready(self) -> None:
        """Register the system checks; they need the models."""
        import_module("ingestion.checks")
