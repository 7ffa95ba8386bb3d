"""`manage.py bootstrap`: the first storage space, AE title, administrator and access token."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from pydantic import SecretStr

from ingestion.use_cases.bootstrap import bootstrap


class Command(BaseCommand):
    """Makes what a new installation lacks; safe to run at every start."""

    help = "Make the first storage space, AE title, administrator and access token, if missing."

    def handle(self, **_: Any) -> None:
        """Run once; prints what was made, never a secret."""
        environment = settings.ENVIRONMENT
        made = bootstrap(
            Path(environment.state_folder).absolute() / "objects",
            admin_password=_revealed(environment.bootstrap_admin_password),
            token=_revealed(environment.bootstrap_token),
        )
        for line in made or ["nothing to do"]:
            self.stdout.write(f"bootstrap: {line}")


def _revealed(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
