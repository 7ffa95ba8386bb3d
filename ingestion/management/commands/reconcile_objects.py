"""`manage.py reconcile_objects`: objects that nobody points at, and those that are missing."""

import sys
import time
from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from ingestion.database import unlimited_waits
from ingestion.errors import IngestionError
from ingestion.models import StorageSpace
from ingestion.use_cases.reconcile_objects import Findings, reconcile_objects, retire_orphans

SOMETHING_FOUND = 1
CANNOT_WORK = 2
PROGRESS_SECONDS = 10.0


class Command(BaseCommand):
    """Exit status 0: all is as it should be; 1: something was found; 2: cannot work."""

    help = (
        "Compare object stores with the database: list objects older than a day without receipt,"
        " instance or retired object, and known objects that are missing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The space, and whether orphans shall go."""
        parser.add_argument("--space", help="Slug of one storage space; all without it.")
        parser.add_argument(
            "--remove",
            action="store_true",
            help=(
                "Have orphans removed when the space's retention has ended. Only where no other"
                " installation keeps objects in the same bucket or folder."
            ),
        )

    def handle(self, **options: Any) -> None:
        """Look through the spaces; exits with the status that the class describes."""
        spaces = StorageSpace.objects.order_by("slug")
        if options["space"]:
            spaces = spaces.filter(slug=options["space"])
            if not spaces:
                raise CommandError(f"no storage space {options['space']}", returncode=CANNOT_WORK)
        found = 0
        try:
            with unlimited_waits(connection):
                for space in list(spaces):
                    found += self._reconcile(space, remove=options["remove"])
        except IngestionError as error:
            raise CommandError(f"{error} ({error.code})", returncode=CANNOT_WORK) from error
        if found:
            sys.exit(SOMETHING_FOUND)

    def _reconcile(self, space: StorageSpace, *, remove: bool) -> int:
        """How many orphans and missing objects the space has."""
        counts: Counter[str] = Counter()
        told_at = time.monotonic()
        for findings in reconcile_objects(space):
            self._tell(space, findings)
            counts += _counted(findings)
            if remove and findings.orphans:
                retire_orphans(space, findings.orphans)
            if time.monotonic() - told_at > PROGRESS_SECONDS:
                told_at = time.monotonic()
                self.stderr.write(f"{space.slug}: {counts['objects']:,} objects looked at")
        removal = ", to be removed after retention" if remove and counts["orphans"] else ""
        self.stdout.write(
            f"{space.slug}: {counts['objects']:,} objects, {counts['orphans']:,} orphans{removal},"
            f" {counts['missing']:,} missing, {counts['foreign']:,} not ours"
        )
        return counts["orphans"] + counts["missing"]

    def _tell(self, space: StorageSpace, findings: Findings) -> None:
        for orphan in findings.orphans:
            self.stdout.write(f"orphan\t{space.slug}\t{orphan.size_bytes}\t{orphan.location}")
        for location in findings.missing:
            self.stdout.write(f"missing\t{space.slug}\t\t{location}")


def _counted(findings: Findings) -> Counter[str]:
    return Counter(
        objects=findings.objects,
        orphans=len(findings.orphans),
        missing=len(findings.missing),
        foreign=findings.foreign,
    )
