"""Progress of a sending: a bar on a terminal, a line now and then elsewhere."""

import time
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

LINE_SECONDS = 10.0
MB = 1_000_000


class SendProgress:
    """Instances, their rate, bytes, their rate, and remaining time."""

    def __init__(self, console: Console, instances_total: int) -> None:
        self._console = console
        self._total = instances_total
        self._instances = self._bytes = 0
        self._started = self._last_line = time.monotonic()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=instances_total)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
        self._console.print(self._text(), highlight=False)

    def advance(self, size_bytes: int) -> None:
        """One more instance is settled."""
        self._instances += 1
        self._bytes += size_bytes
        if self._console.is_terminal:
            self._bar.update(self._task, completed=self._instances, description=self._text())
        elif time.monotonic() - self._last_line > LINE_SECONDS:
            self._last_line = time.monotonic()
            self._console.print(self._text(), highlight=False)

    def _text(self) -> str:
        seconds = max(time.monotonic() - self._started, 0.001)
        return (
            f"{self._instances:,} of {self._total:,} instances,"
            f" {self._instances / seconds:,.0f}/s, {self._bytes / MB:,.1f} MB,"
            f" {self._bytes / MB / seconds:,.1f} MB/s"
        )
