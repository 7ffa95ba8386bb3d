"""`python -m bench.peers.subscribe URL`, in the product's environment: tell this URL everything.

Studies settle at once, so that their revisions can be timed too.
"""

import os
import sys

import django


def subscribe(url: str) -> None:
    """Make a webhook subscription for every event, and let quiet periods last 0 s."""
    # Models can be imported once Django is set up.
    from bindings.models import BindingKind, Subscription
    from ingestion.models import EventType, StorageSpace

    StorageSpace.objects.update(quiet_seconds=0)
    Subscription.objects.create(
        name="bench",
        kind=BindingKind.WEBHOOK,
        event_types=EventType.values,
        all_spaces=True,
        url=url,
    )


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ingestion.settings")
    django.setup()
    subscribe(sys.argv[1])
