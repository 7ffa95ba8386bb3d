"""`manage.py dimse`: runs the DIMSE service."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ingestion.dimse.serve import serve_dimse
from ingestion.errors import Misconfigured


class Command(BaseCommand):
    """Takes associations until SIGTERM or SIGINT, then lets them finish."""

    help = "Run the DIMSE service (C-ECHO, C-STORE) until SIGTERM or SIGINT."
    requires_system_checks = ()  # checks open database connections before the fork

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Serve. A taken port or a bad address ends with a message."""
        try:
            serve_dimse()
        except Misconfigured as error:
            raise CommandError(str(error)) from error
