"""`manage.py dimse_echo DESTINATION`: asks a peer whether it answers (C-ECHO)."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.table import Table

from ingestion.dimse.journal.association_log import record_at_once
from ingestion.dimse.requestor.echo import VERIFICATION, verify
from ingestion.dimse.requestor.requested_association import RequestedAssociation
from ingestion.dimse.requestor.requesting import associate
from ingestion.management.dimse_destinations import (
    CANNOT_WORK,
    Way,
    add_destination_arguments,
    told_in_words,
    way_of,
)
from ingestion.management.operator_console import operator_console


class Command(BaseCommand):
    """Exit status 0: it answers; 1: it does not; 2: cannot work."""

    help = "Ask a peer by DIMSE whether it answers."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whom, and how often."""
        add_destination_arguments(parser)
        parser.add_argument("--count", type=int, default=1, help="How often it is asked.")

    def handle(self, **options: Any) -> None:
        """Associate, ask, release; say how long each took."""
        if options["count"] < 1:
            raise CommandError("--count must be at least 1", returncode=CANNOT_WORK)
        console = operator_console()
        way = way_of(options)
        console.print(f"Calling {way}", markup=False, highlight=False, soft_wrap=True)
        with told_in_words():
            console.print(_table(way, options["count"]))


def _table(way: Way, count: int) -> Table:
    """What was done, with the time that each step took."""
    table = Table("Step", "Answer")
    table.add_column("Time", justify="right")
    started = time.monotonic()
    with associate(
        way.destination,
        calling_ae_title=way.calling_ae_title,
        proposals=[VERIFICATION],
        record=record_at_once,
    ) as association:
        table.add_row("Association", _described(association), _since(started))
        for number in range(count):
            started = time.monotonic()
            verify(association)
            table.add_row(f"C-ECHO {number + 1}", "success", _since(started))
    return table


def _described(association: RequestedAssociation) -> str:
    acceptance = association.acceptance
    limit = f"{acceptance.pdu_bytes_max:,} bytes" if acceptance.pdu_bytes_max else "any size"
    peer = acceptance.implementation_version_name
    return f"accepted{f' by {peer}' if peer else ''}, takes PDUs of {limit}"


def _since(started: float) -> str:
    return f"{(time.monotonic() - started) * 1000:,.1f} ms"
