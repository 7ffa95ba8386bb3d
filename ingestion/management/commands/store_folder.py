"""`manage.py store_folder PATH`: imports every DICOM file below a folder, with progress."""

import logging
import os
import signal
import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, Self

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ingestion.errors import IngestionError
from ingestion.management.import_progress import ImportProgress
from ingestion.models import StorageSpace
from ingestion.use_cases.store_files import FileReport, FileResult, store_files

SOMETHING_REFUSED = 1
CANNOT_WORK = 2
INTERRUPTED = 130


class Command(BaseCommand):
    """Exit status 0: all stored; 1: something was refused; 2: cannot work; 130: interrupted."""

    help = "Store every DICOM file below a folder. Run it again to go on after an interruption."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The folder, the space, the number of files stored at a time, the report."""
        parser.add_argument("path", type=Path, help="A folder, or one file.")
        parser.add_argument("--space", default="default", help="Slug of the storage space.")
        parser.add_argument("--jobs", type=int, default=2, help="Files stored at a time.")
        parser.add_argument(
            "--report", type=Path, help="Where files that were not stored are listed, with reasons."
        )

    def handle(self, **options: Any) -> None:
        """Import; exits with the status that the class describes."""
        space = StorageSpace.objects.filter(slug=options["space"]).first()
        if space is None:
            raise CommandError(f"no storage space {options['space']}", returncode=CANNOT_WORK)
        if not options["path"].exists():
            raise CommandError(f"{options['path']} does not exist", returncode=CANNOT_WORK)
        if options["jobs"] < 1:
            raise CommandError("--jobs must be at least 1", returncode=CANNOT_WORK)
        report = options["report"] or _default_report()
        try:
            with _quiet(), _Stop() as stop:
                counts = _import(
                    space, options["path"], jobs=options["jobs"], report=report, stop=stop
                )
        except IngestionError as error:
            raise CommandError(f"{error} ({error.code})", returncode=CANNOT_WORK) from error
        if stop.is_asked:
            self.stderr.write("Interrupted. Run the command again to go on.")
            sys.exit(INTERRUPTED)
        if any(result is FileResult.REFUSED for result, _ in counts):
            sys.exit(SOMETHING_REFUSED)


@contextmanager
def _quiet() -> Iterator[None]:
    """Let the progress tell what the log would."""
    logger = logging.getLogger("ingestion")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


class _Stop:
    """Ctrl-C ends the import after the batch under way; a second one at once."""

    def __init__(self) -> None:
        self.is_asked = False

    def __enter__(self) -> Self:
        self._previous = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._previous)

    def _ask(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.is_asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _import(
    space: StorageSpace, root: Path, *, jobs: int, report: Path, stop: _Stop
) -> Counter[tuple[FileResult, str]]:
    """Import all; returns how many files ended how, which is also printed."""
    counts: Counter[tuple[FileResult, str]] = Counter()
    console = Console()
    with ImportProgress(console, *_totals(root)) as progress, _ReportFile(report) as listing:
        try:
            for file in store_files(space, _until(stop, files_below(root)), jobs=jobs):
                counts[file.result, file.reason] += 1
                listing.add(file)
                progress.advance(file.size_bytes)
        finally:
            progress.stop()
            _print_summary(console, counts, report)
    return counts


def files_below(root: Path) -> Iterator[Path]:
    """Regular files in a stable order, whatever they are called."""
    if root.is_file():
        yield root
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            if path.is_file():
                yield path


def _until(stop: _Stop, paths: Iterator[Path]) -> Iterator[Path]:
    for path in paths:
        if stop.is_asked:
            return
        yield path


def _totals(root: Path) -> tuple[int, int]:
    """Numbers of files and bytes, for the progress only."""
    files = size_bytes = 0
    for path in files_below(root):
        files += 1
        size_bytes += path.stat().st_size
    return files, size_bytes


def _default_report() -> Path:
    name = f"store_folder-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tsv"
    return Path(settings.ENVIRONMENT.state_folder) / "reports" / name


class _ReportFile:
    """Lists files that were not stored; exists only if there are any. Paths may name patients."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            os.close(self._file)

    def add(self, report: FileReport) -> None:
        """Note a file, unless it is held now."""
        if report.result in (FileResult.STORED, FileResult.DUPLICATE):
            return
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        line = f"{report.result.value}\t{report.reason}\t{report.detail}\t{report.path}\n"
        os.write(self._file, line.encode("utf-8", "surrogateescape"))


def _print_summary(console: Console, counts: Counter[tuple[FileResult, str]], report: Path) -> None:
    table = Table("Result", "Reason", "Files")
    for (result, reason), files in sorted(counts.items()):
        table.add_row(result.value, escape(reason), f"{files:,}")
    console.print(table)
    if report.exists():
        console.print(f"Files that were not stored: {report}", markup=False, soft_wrap=True)
