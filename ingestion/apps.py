"""The Django application that holds the manifest."""

from django.apps import AppConfig


class IngestionConfig(AppConfig):
    """Storage spaces, custody, the manifest, revisions and events."""

    name = "ingestion"
    verbose_name = "Ingestion"
