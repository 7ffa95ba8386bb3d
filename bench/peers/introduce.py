"""`python -m bench.peers.introduce TITLE PORT`, in the product's environment: where to send."""

import os
import sys

import django

from bench.peers.peer import LOOPBACK


def introduce(ae_title: str, port: int) -> None:
    """Make a remote application entity on loopback known."""
    # Models can be imported once Django is set up.
    from ingestion.models import RemoteApplicationEntity

    RemoteApplicationEntity.objects.create(ae_title=ae_title, host=LOOPBACK, port=port)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ingestion.settings")
    django.setup()
    introduce(sys.argv[1], int(sys.argv[2]))
