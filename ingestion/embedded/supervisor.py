"""Keeps a table of processes running: starts them, restarts what dies, stops all in order."""

import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from ingestion.embedded.console import Console
from ingestion.embedded.processes import ProcessMark, mark_of, send_signal, wait_until
from ingestion.errors import IngestionError, Unavailable

TICK_SECONDS = 0.05
RESTART_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
# A process that lived this long is well; its next death starts the back-off anew.
WELL_AFTER_SECONDS = 60.0
# How long a killed process may take to be gone.
KILL_SECONDS = 5.0


class Tier(IntEnum):
    """The order of stopping: nobody loses what it still needs."""

    EDGE = 0
    WORKER = 1
    BROKER = 2
    DATABASE = 3


@dataclass(frozen=True, slots=True)
class ProcessPlan:
    """One row of the table: how a process starts, how one sees it ready, how it stops."""

    name: str
    tier: Tier
    start: Callable[[], subprocess.Popen[bytes]]
    is_ready: Callable[[], bool]
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0


class Stopped(Exception):
    """Somebody asked to stop."""


class StopRequests:
    """Counts the requests to stop: Ctrl-C, SIGTERM, a terminal that closes."""

    def __init__(self) -> None:
        """Nobody has asked yet."""
        self.count = 0

    def listen(self) -> None:
        """Take the signals from now on."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._count)

    def check(self) -> None:
        """Raise `Stopped` if somebody asked."""
        if self.count:
            raise Stopped

    def _count(self, *_: object) -> None:
        self.count += 1  # a handler does no more, since it may interrupt anything


@dataclass(slots=True)
class _Running:
    plan: ProcessPlan
    process: subprocess.Popen[bytes] | None = None
    mark: ProcessMark | None = None
    started: float = 0.0
    deaths: int = 0
    restart_at: float = 0.0
    is_ready: bool = field(default=False)


class Supervisor:
    """Runs the processes it is given until it is told to stop. Use it from the main thread."""

    def __init__(
        self,
        console: Console,
        *,
        requests: StopRequests,
        record: Callable[[Sequence[ProcessMark]], None],
    ) -> None:
        """`record` is told what runs whenever that changes."""
        self._console = console
        self._requests = requests
        self._record = record
        self._running: list[_Running] = []

    def start(self, plan: ProcessPlan) -> None:
        """Start a process and keep it running. Raises what its start raises."""
        entry = _Running(plan)
        self._running.append(entry)
        self._start(entry)

    def finish(self, name: str, process: subprocess.Popen[bytes]) -> None:
        """Wait for a process that ends by itself. Raises `Unavailable` if it fails, `Stopped`."""
        try:
            while process.poll() is None:
                self._tick()
        finally:
            _kill_group(process)
        if process.returncode != 0:
            raise Unavailable(f"{name} failed with exit status {process.returncode}")

    def wait_until_ready(self, *, within_seconds: float) -> None:
        """Wait until every process is ready. Raises `Unavailable` with who is not, `Stopped`."""
        deadline = time.monotonic() + within_seconds
        while waiting := [entry for entry in self._running if not self._check_ready(entry)]:
            if time.monotonic() > deadline:
                names = ", ".join(entry.plan.name for entry in waiting)
                raise Unavailable(f"not ready after {within_seconds:.0f} s: {names}")
            self._tick()

    def watch(self) -> None:
        """Restart what dies until somebody asks to stop, then raise `Stopped`."""
        while True:
            self._tick()

    def stop(self) -> None:
        """Stop everything, tier by tier, in bounded time; a second request makes it harsh."""
        asked = self._requests.count
        for tier in Tier:
            entries = [entry for entry in self._running if entry.plan.tier is tier]
            self._stop([entry for entry in entries if _lives(entry)], asked=asked)
        self._running.clear()
        self._record([])

    def _tick(self) -> None:
        self._requests.check()
        for entry in self._running:
            self._revive(entry)
        time.sleep(TICK_SECONDS)

    def _start(self, entry: _Running) -> None:
        entry.process = entry.plan.start()
        entry.mark = mark_of(entry.process.pid)
        entry.started = time.monotonic()
        entry.is_ready = False
        self._record([entry.mark for entry in self._running if entry.mark is not None])

    def _revive(self, entry: _Running) -> None:
        """Notice a death, and start the process again when its time has come."""
        now = time.monotonic()
        if entry.process is not None and entry.process.poll() is not None:
            _kill_group(entry.process)
            entry.deaths = 0 if now - entry.started > WELL_AFTER_SECONDS else entry.deaths
            ending = _ending(entry.process)
            entry.process = entry.mark = None
            self._put_off(entry, why=f"ended ({ending})")
        elif entry.process is None and now >= entry.restart_at:
            self._restart(entry)

    def _restart(self, entry: _Running) -> None:
        try:
            self._start(entry)
        except (IngestionError, OSError) as error:
            self._put_off(entry, why=f"could not be started: {error}")
            return
        self._console.say(f"{entry.plan.name} is started again")

    def _put_off(self, entry: _Running, *, why: str) -> None:
        wait = RESTART_SECONDS[min(entry.deaths, len(RESTART_SECONDS) - 1)]
        entry.deaths += 1
        entry.restart_at = time.monotonic() + wait
        self._console.say(f"{entry.plan.name} {why}; starting it again in {wait} s")

    def _check_ready(self, entry: _Running) -> bool:
        entry.is_ready = entry.is_ready or (entry.process is not None and entry.plan.is_ready())
        return entry.is_ready

    def _stop(self, entries: Sequence[_Running], *, asked: int) -> None:
        """Ask, wait, then kill whoever is left; after one more request, at once.

        Servers with data are always let finish: they take milliseconds without clients.
        """
        for entry in entries:
            if entry.process is not None:
                send_signal(entry.process.pid, entry.plan.stop_signal)
        patience = max((entry.plan.stop_seconds for entry in entries), default=0.0)
        wait_until(
            lambda: (
                not any(map(_lives, entries))
                or (self._requests.count > asked and entries[0].plan.tier < Tier.BROKER)
            ),
            within_seconds=patience,
        )
        for entry in entries:
            if _lives(entry):
                self._console.say(f"{entry.plan.name} did not stop in time: killed")
            if entry.process is not None:
                _kill_group(entry.process)


def _lives(entry: _Running) -> bool:
    return entry.process is not None and entry.process.poll() is None


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """End a process and whatever it started that outlived it."""
    send_signal(process.pid, signal.SIGKILL, whole_group=True)
    wait_until(lambda: process.poll() is not None, within_seconds=KILL_SECONDS)


def _ending(process: subprocess.Popen[bytes]) -> str:
    status = process.returncode
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
