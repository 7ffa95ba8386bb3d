"""`manage.py dimse_send DESTINATION PATH…`: sends files, or studies that we hold, by C-STORE."""

import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ingestion.dicom.status_texts import status_text
from ingestion.dimse.journal.association_log import AssociationLog
from ingestion.dimse.protocol.outgoing_data_sets import OutgoingInstance
from ingestion.dimse.requestor.association_pool import AssociationPool
from ingestion.dimse.requestor.files_on_disk import FileOnDisk, file_in
from ingestion.dimse.requestor.presented_instances import instance_in
from ingestion.dimse.requestor.send_instances import Sent, send_instances
from ingestion.dimse.requestor.sub_associations import InstanceSender, Present
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
from ingestion.management.send_progress import SendProgress
from ingestion.management.things_to_send import ThingsToSend, files_to_send, studies_to_send
from ingestion.models import StorageSpace

ASSOCIATIONS_MAX = 16
FAILURES_SHOWN_MAX = 20

Instance = TypeVar("Instance", bound=OutgoingInstance)


class Command(BaseCommand):
    """Exit status 0: all was sent; 1: something was not; 2: cannot work; 130: interrupted."""

    help = "Send files, or studies that we hold, to a peer by DIMSE."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whom, what, and over how many associations."""
        add_destination_arguments(parser)
        parser.add_argument("paths", nargs="*", type=Path, help="Files, and folders of files.")
        parser.add_argument("--study", nargs="+", default=[], help="Study Instance UIDs we hold.")
        parser.add_argument("--series", nargs="+", default=[], help="These series of it only.")
        parser.add_argument("--space", default="default", help="Slug of the storage space.")
        parser.add_argument(
            "--associations", type=int, default=1, help="Associations at the same time."
        )

    def handle(self, **options: Any) -> None:
        """Look what there is, send it, and tell what became of it."""
        if bool(options["paths"]) == bool(options["study"]):
            raise CommandError("give either paths or --study", returncode=CANNOT_WORK)
        if not 1 <= options["associations"] <= ASSOCIATIONS_MAX:
            raise CommandError(f"--associations is 1 to {ASSOCIATIONS_MAX}", returncode=CANNOT_WORK)
        way, console = way_of(options), operator_console()
        summary = _Summary()
        how: dict[str, Any] = {"summary": summary, "associations": options["associations"]}
        try:
            with told_in_words():
                if options["study"]:
                    held = studies_to_send(_space(options), options["study"], options["series"])
                    _send(console, way, things=held, present=instance_in, **how)
                else:
                    files = files_to_send(_existing(options["paths"]))
                    _send(console, way, things=files, present=file_in, **how)
        except KeyboardInterrupt:
            self.stderr.write("Interrupted. What was sent already stays there.")
            sys.exit(INTERRUPTED)
        finally:
            summary.print(console)
        if summary.failed:
            sys.exit(NOT_DONE)


class _Summary:
    """Counts what became of instances, and keeps the first failures."""

    def __init__(self) -> None:
        self.failed = 0
        self._counts: Counter[tuple[str, str]] = Counter()
        self._failures: list[tuple[str, str]] = []

    def skip(self, reasons: Counter[str]) -> None:
        """Files that are nothing to send."""
        for reason, files in reasons.items():
            self._counts["skipped", reason] += files

    def add(self, sent: Sent[Any]) -> None:
        """What became of one."""
        reason = sent.reason if sent.status is None else status_text(sent.status)
        if not sent.is_stored:
            self.failed += 1
            self._counts["failed", reason] += 1
            if len(self._failures) < FAILURES_SHOWN_MAX:
                self._failures.append((_name(sent.instance), reason))
        else:
            self._counts["sent", reason if sent.is_warning else ""] += 1

    def print(self, console: Console) -> None:
        """The counts, then the first failures."""
        if not self._counts:
            return
        counts = Table("Result", "Reason", "Instances")
        for (result, reason), instances in sorted(self._counts.items()):
            counts.add_row(result, escape(reason), f"{instances:,}")
        console.print(counts)
        if not self._failures:
            return
        failures = Table("Not sent", "Reason")
        for name, reason in self._failures:
            failures.add_row(escape(name), escape(reason))
        console.print(failures)
        if self.failed > len(self._failures):
            console.print(f"and {self.failed - len(self._failures):,} more")


def _send(
    console: Console,
    way: Way,
    *,
    things: ThingsToSend[Instance],
    present: Present[Instance],
    summary: _Summary,
    associations: int,
) -> None:
    summary.skip(things.skipped)
    if not things.total:
        raise CommandError("there is nothing to send", returncode=CANNOT_WORK)
    console.print(f"Sending to {way}", markup=False, highlight=False, soft_wrap=True)
    with AssociationLog() as log:
        pool = AssociationPool(
            associations_max=associations, per_destination_max=associations, record=log.record
        )
        senders = [
            InstanceSender(
                way.destination,
                calling_ae_title=way.calling_ae_title,
                kinds=things.kinds,
                present=present,
                pool=pool,
            )
            for _ in range(associations)
        ]
        try:
            with SendProgress(console, things.total) as progress:
                for sent in send_instances(things.instances, senders):
                    summary.add(sent)
                    progress.advance(sent.instance.size_bytes)
        finally:
            pool.close()


def _space(options: dict[str, Any]) -> StorageSpace:
    space = StorageSpace.objects.filter(slug=options["space"]).first()
    if space is None:
        raise CommandError(f"no storage space {options['space']}", returncode=CANNOT_WORK)
    return space


def _existing(paths: Sequence[Path]) -> Sequence[Path]:
    for path in paths:
        if not path.exists():
            raise CommandError(f"{path} does not exist", returncode=CANNOT_WORK)
    return paths


def _name(instance: OutgoingInstance) -> str:
    return str(instance.file) if isinstance(instance, FileOnDisk) else instance.sop_instance_uid
