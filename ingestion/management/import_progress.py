"""Progress of an import: a bar on a terminal, a line now and then elsewhere."""

import time
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

LINE_SECONDS = 10.0
MB = 1_000_000


class ImportProgress:
    """Files, bytes, rate and remaining time."""

    def __init__(self, console: Console, files_total: int, bytes_total: int) -> None:
        self._console = console
        self._files_total = files_total
        self._bytes_total = bytes_total
        self._files = self._bytes = 0
        self._started = self._last_line = time.monotonic()
        self._bar = Progress(
            TextColumn("{task.fields[files]} of {task.fields[files_total]} files"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=bytes_total, files=0, files_total=files_total)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def advance(self, size_bytes: int) -> None:
        """One more file is settled."""
        self._files += 1
        self._bytes += size_bytes
        self._bar.update(self._task, completed=self._bytes, files=self._files)
        if not self._console.is_terminal and time.monotonic() - self._last_line > LINE_SECONDS:
            self._print_line()

    def stop(self) -> None:
        """End the bar, or print the last line. Repeats are harmless."""
        self._bar.stop()
        if not self._console.is_terminal and self._files:
            self._print_line()
            self._files = 0

    def _print_line(self) -> None:
        self._last_line = time.monotonic()
        seconds = max(self._last_line - self._started, 0.001)
        rate = self._bytes / seconds
        left = (self._bytes_total - self._bytes) / rate if rate else 0.0
        self._console.print(
            f"{self._files:,} of {self._files_total:,} files, {self._bytes / MB:,.1f} MB,"
            f" {rate / MB:,.1f} MB/s, about {left:,.0f} s left"
        )
