"""`manage.py dimse_move DESTINATION --to TITLE`: has a peer send what it has (C-MOVE)."""

import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ingestion.dicom.attributes import Level
from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.status_texts import status_text
from ingestion.dimse.journal.association_log import record_at_once
from ingestion.dimse.requestor.query_retrieve import (
    MoveProgress,
    Root,
    move,
    proposal_of,
    with_level,
)
from ingestion.dimse.requestor.requesting import associate
from ingestion.errors import InvalidQuery
from ingestion.management.dimse_destinations import (
    CANNOT_WORK,
    INTERRUPTED,
    NOT_DONE,
    Way,
    add_destination_arguments,
    told_in_words,
    way_of,
)
from ingestion.management.operator_console import operator_console
from ingestion.management.query_keys import key_attribute
from ingestion.models.application_entity import ae_title_validator

SHOWN_MAX = 50  # failed instances that are listed

# Options from the lowest level up, with the unique key of each (PS3.4 C.6).
KEYS = (
    ("instance", Level.IMAGE, "00080018", "UI"),
    ("series", Level.SERIES, "0020000E", "UI"),
    ("study", Level.STUDY, "0020000D", "UI"),
    ("patient", Level.PATIENT, "00100020", "LO"),
)


class Command(BaseCommand):
    """Exit status 0: all was sent; 1: not all, or nothing; 2: cannot work; 130: cancelled."""

    help = "Have a peer send what it has to an application entity that it knows."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whom, where to, and what."""
        add_destination_arguments(parser)
        parser.add_argument("--to", required=True, help="AE title that the peer shall send to.")
        parser.add_argument("--patient", help="Patient ID: all studies, by patient root.")
        parser.add_argument("--study", nargs="+", help="Study Instance UIDs.")
        parser.add_argument("--series", nargs="+", help="Series Instance UIDs of one study.")
        parser.add_argument("--instance", nargs="+", help="SOP Instance UIDs of one series.")

    def handle(self, **options: Any) -> None:
        """Ask, show how far the peer is, and say what became of it."""
        way, level, identifier = way_of(options), _level(options), _identifier(options)
        root = Root.PATIENT if options["patient"] else Root.STUDY
        try:
            ae_title_validator(options["to"])
        except ValidationError as error:
            raise CommandError(f"--to: {error.messages[0]}", returncode=CANNOT_WORK) from error
        console = operator_console()
        try:
            with told_in_words():
                last = _moved(console, way, root, with_level(identifier, level), options["to"])
        except KeyboardInterrupt:
            self.stderr.write("Cancelled. What was sent already stays there.")
            sys.exit(INTERRUPTED)
        _print_summary(console, last)
        if last.status:
            sys.exit(NOT_DONE)


def _moved(
    console: Console, way: Way, root: Root, identifier: JsonDataSet, to: str
) -> MoveProgress:
    """The peer's last word; its earlier ones move a bar, or make a line each."""
    with (
        associate(
            way.destination,
            calling_ae_title=way.calling_ae_title,
            proposals=[proposal_of(root.move)],
            record=record_at_once,
        ) as association,
        closing(move(association, root, identifier, destination=to)) as told,
    ):
        return _shown(console, told)


def _shown(console: Console, told: Iterator[MoveProgress]) -> MoveProgress:
    bar = Progress(
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} instances"),
        BarColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    task = bar.add_task("", total=0)
    with bar:
        for progress in told:
            done, total = _amounts(progress)
            bar.update(task, completed=done, total=total)
            if progress.is_final:
                return progress
            if not console.is_terminal:
                console.print(f"{done:,} of {total:,} instances")
    raise AssertionError("a retrieval ends with a last word")


def _amounts(progress: MoveProgress) -> tuple[int, int]:
    """How many are done, and how many there are."""
    counts = progress.counts
    done = counts.completed + counts.failed + counts.warning
    return done, done + (counts.remaining or 0)


def _print_summary(console: Console, last: MoveProgress) -> None:
    table = Table("Status", "Sent", "With warnings", "Failed")
    counts = last.counts
    table.add_row(
        status_text(last.status),
        f"{counts.completed:,}",
        f"{counts.warning:,}",
        f"{counts.failed:,}",
    )
    console.print(table)
    if last.comment:
        console.print(f"The peer says: {last.comment}", markup=False)
    failed = last.failed_sop_instance_uids
    for uid in failed[:SHOWN_MAX]:
        console.print(f"not sent: {uid}", markup=False, highlight=False, soft_wrap=True)
    if len(failed) > SHOWN_MAX:
        console.print(f"and {len(failed) - SHOWN_MAX:,} more")


def _level(options: dict[str, Any]) -> Level:
    """The lowest level that is named. Raises `CommandError`."""
    named = [name for name, *_ in KEYS if options[name]]
    if not named:
        raise CommandError("name a --study or a --patient", returncode=CANNOT_WORK)
    level = next(level for name, level, *_ in KEYS if name == named[0])
    for above in {Level.SERIES: ("study",), Level.IMAGE: ("study", "series")}.get(level, ()):
        if len(options[above] or ()) != 1:
            raise CommandError(f"--{named[0]} needs one --{above}", returncode=CANNOT_WORK)
    return level


def _identifier(options: dict[str, Any]) -> JsonDataSet:
    identifier: JsonDataSet = {}
    for name, _, tag, vr in KEYS:
        given = options[name]
        if given:
            values = [given] if isinstance(given, str) else given
            try:
                identifier[tag] = key_attribute(int(tag, 16), vr, *values)
            except InvalidQuery as error:
                raise CommandError(str(error), returncode=CANNOT_WORK) from error
    return identifier
