"""The supervisor, with stand-in processes."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from ingestion.embedded.console import Console
from ingestion.embedded.processes import ProcessMark, is_alive, mark_of, start_process
from ingestion.embedded.supervisor import ProcessPlan, Stopped, StopRequests, Supervisor, Tier
from ingestion.errors import Unavailable
from tests.eventually import eventually

SLEEPER = "import signal; signal.pause()"
STUBBORN = (
    "import signal, pathlib\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "pathlib.Path('up').touch()\n"
    "while True: signal.pause()"
)
PARENT = (
    "import subprocess, sys, pathlib\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
    "pathlib.Path('child.new').write_text(str(child.pid))\n"
    "pathlib.Path('child.new').rename('child')\n"
    "child.wait()"
)
LAST_WORDS = (
    "import signal, pathlib, sys\n"
    "def end(*_):\n"
    "    with open('ended', 'a') as file: file.write('{name} ')\n"
    "    sys.exit()\n"
    "signal.signal(signal.SIGTERM, end)\n"
    "pathlib.Path('{name}').touch()\n"
    "while True: signal.pause()"
)


class Rig:
    """A supervisor, what it said, and what it recorded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said = io.StringIO()
        self.recorded: Sequence[ProcessMark] = ()
        self.requests = StopRequests()
        console = Console(self.said, environment={})
        self.supervisor = Supervisor(console, requests=self.requests, record=self._record)

    def plan(
        self,
        name: str,
        program: str,
        *,
        tier: Tier = Tier.EDGE,
        is_ready: Callable[[], bool] = lambda: True,
        stop_seconds: float = 60.0,
    ) -> ProcessPlan:
        return ProcessPlan(
            name=name,
            tier=tier,
            start=lambda: self.start_process(program),
            is_ready=is_ready,
            stop_seconds=stop_seconds,
        )

    def start_process(self, program: str) -> subprocess.Popen[bytes]:
        return start_process(
            [sys.executable, "-c", program],
            cwd=self.folder,
            environment={},
            output=subprocess.DEVNULL,
        )

    def has(self, name: str) -> Callable[[], bool]:
        return (self.folder / name).exists

    def _record(self, marks: Sequence[ProcessMark]) -> None:
        self.recorded = tuple(marks)


def read(file: Path) -> str:
    return file.read_text() if file.exists() else ""


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.supervisor.stop()


def test_a_process_that_dies_is_started_again_and_that_is_said(rig: Rig) -> None:
    rig.supervisor.start(rig.plan("web", "open('log', 'a').write('x')"))
    twice = rig.plan("other", SLEEPER, is_ready=lambda: read(rig.folder / "log").startswith("xx"))
    rig.supervisor.start(twice)
    rig.supervisor.wait_until_ready(within_seconds=60)
    assert "web ended (exit status 0); starting it again in 0.5 s" in rig.said.getvalue()
    assert "web is started again" in rig.said.getvalue()


def test_a_killed_process_has_a_new_pid_afterwards(rig: Rig) -> None:
    rig.supervisor.start(rig.plan("web", SLEEPER))
    (first,) = rig.recorded
    os.kill(first.pid, signal.SIGKILL)
    has_changed = rig.plan("other", SLEEPER, is_ready=lambda: first not in rig.recorded)
    rig.supervisor.start(has_changed)
    rig.supervisor.wait_until_ready(within_seconds=60)
    assert "web ended (signal SIGKILL)" in rig.said.getvalue()


def test_tiers_stop_in_order(rig: Rig) -> None:
    for tier in (Tier.DATABASE, Tier.EDGE, Tier.BROKER, Tier.WORKER):
        program = LAST_WORDS.format(name=tier.name)
        rig.supervisor.start(rig.plan(tier.name, program, tier=tier, is_ready=rig.has(tier.name)))
    rig.supervisor.wait_until_ready(within_seconds=60)
    rig.supervisor.stop()
    assert (rig.folder / "ended").read_text().split() == ["EDGE", "WORKER", "BROKER", "DATABASE"]
    assert rig.recorded == ()


def test_who_does_not_stop_in_time_is_killed(rig: Rig) -> None:
    rig.supervisor.start(rig.plan("web", STUBBORN, is_ready=rig.has("up"), stop_seconds=0.2))
    rig.supervisor.wait_until_ready(within_seconds=60)
    (mark,) = rig.recorded
    rig.supervisor.stop()
    assert not is_alive(mark)
    assert "web did not stop in time: killed" in rig.said.getvalue()


def test_grandchildren_end_with_their_process(rig: Rig) -> None:
    rig.supervisor.start(rig.plan("web", PARENT, is_ready=rig.has("child")))
    rig.supervisor.wait_until_ready(within_seconds=60)
    child = int((rig.folder / "child").read_text())
    rig.supervisor.stop()
    eventually(lambda: mark_of(child) is None)


def test_a_request_to_stop_ends_the_watch(rig: Rig) -> None:
    rig.supervisor.start(rig.plan("web", SLEEPER))
    rig.requests.count = 1
    with pytest.raises(Stopped):
        rig.supervisor.watch()


def test_signals_are_counted() -> None:
    requests = StopRequests()
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        requests.listen()
        requests.check()
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        assert requests.count == 2
        with pytest.raises(Stopped):
            requests.check()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_who_is_not_ready_in_time_is_named(rig: Rig) -> None:
    rig.supervisor.start(rig.plan("web", SLEEPER))
    rig.supervisor.start(rig.plan("dimse", SLEEPER, is_ready=lambda: False))
    with pytest.raises(Unavailable, match=r"not ready after 0 s: dimse$"):
        rig.supervisor.wait_until_ready(within_seconds=0.1)


def test_a_preparation_that_fails_is_named(rig: Rig) -> None:
    with pytest.raises(Unavailable, match="migrate failed with exit status 3"):
        rig.supervisor.finish("migrate", rig.start_process("raise SystemExit(3)"))


def test_a_request_to_stop_ends_a_preparation(rig: Rig) -> None:
    rig.requests.count = 1
    process = rig.start_process(SLEEPER)
    with pytest.raises(Stopped):
        rig.supervisor.finish("migrate", process)
    assert process.poll() is not None
