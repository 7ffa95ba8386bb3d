"""`manage.py replay_events`: tells one subscription again what happened in a range of time."""

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bindings.models import Subscription
from bindings.replay_events import Replay, replay_events


class Command(BaseCommand):
    """Owes a subscription the events of a range of time."""

    help = "Owe a subscription what it selects of the events of a range of time."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name, range, and whether to tell what was delivered before."""
        parser.add_argument("subscription", help="The subscription's name.")
        parser.add_argument("--since", type=_moment, required=True, help="ISO 8601; UTC if bare.")
        parser.add_argument("--until", type=_moment, default=None, help="ISO 8601; default: now.")
        parser.add_argument(
            "--everything",
            dest="replay",
            action="store_const",
            const=Replay.EVERYTHING,
            default=Replay.NEVER_OWED,
            help="Also what was delivered or ended before, under the same delivery ids.",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Do it and say how much."""
        subscription = Subscription.objects.filter(name=options["subscription"]).first()
        if subscription is None:
            raise CommandError(f"there is no subscription {options['subscription']!r}")
        owed = replay_events(
            subscription,
            since=options["since"],
            until=options["until"] or datetime.now(UTC),
            replay=options["replay"],
        )
        self.stdout.write(f"{owed} deliveries are owed.")


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
