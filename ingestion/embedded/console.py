"""What the person at the terminal sees: lines of every process behind its name."""

import threading
from collections.abc import Mapping
from typing import IO, TextIO

OURS = "ingestion"
NAME_WIDTH = 10
COLOURS = (36, 32, 33, 35, 34, 96, 92, 93)
BOLD = 1


class Console:
    """Writes whole lines, from any thread; in colour only to a terminal."""

    def __init__(self, output: TextIO, *, environment: Mapping[str, str]) -> None:
        """Honours NO_COLOR (no-color.org)."""
        self._output = output
        self._is_coloured = output.isatty() and not environment.get("NO_COLOR")
        self._is_gone = False
        self._lock = threading.Lock()
        self._colours: dict[str, int] = {OURS: BOLD}

    def say(self, text: str) -> None:
        """Write a line of the supervisor's own."""
        self.line(OURS, text)

    def line(self, name: str, text: str) -> None:
        """Write one line of a process."""
        label = f"{name:<{NAME_WIDTH}}|"
        with self._lock:
            if self._is_coloured:
                colour = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
                label = f"\x1b[{colour}m{label}\x1b[0m"
            self._write(f"{label} {text}\n")

    def block(self, text: str) -> None:
        """Write several lines without a name before them."""
        with self._lock:
            self._write(f"\n{text}\n\n")

    def relay(self, name: str, pipe: IO[bytes]) -> threading.Thread:
        """Write every line of the pipe until it closes; the thread closes it."""
        thread = threading.Thread(target=self._relay, args=(name, pipe), daemon=True)
        thread.start()
        return thread

    def _relay(self, name: str, pipe: IO[bytes]) -> None:
        with pipe:
            for line in pipe:
                self.line(name, line.decode("utf-8", errors="replace").rstrip())

    def _write(self, text: str) -> None:
        """Write, until the reader is gone; the processes go on without one."""
        if self._is_gone:
            return
        try:
            self._output.write(text)
            self._output.flush()
        except OSError:
            self._is_gone = True
