"""`manage.py migrate`: Django's own, whose statements may last as long as they need."""

from typing import Any

from django.core.management.commands import migrate
from django.db import connections

from ingestion.database import unlimited_waits


class Command(migrate.Command):
    """Building an index over millions of rows takes longer than a request may."""

    def handle(self, *arguments: Any, **options: Any) -> None:
        """Migrate without the limit on statements."""
        with unlimited_waits(connections[options["database"]]):
            super().handle(*arguments, **options)
