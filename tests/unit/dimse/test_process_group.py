"""The parent and its processes: real forks, real signals."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestion.dimse.process_group import RESTART_SECONDS_MIN
from tests.eventually import eventually

PROGRAM = """
import os, socket, sys
from ingestion.dimse.process_group import ProcessGroup

def say(word):
    os.write(1, f"{word} {os.getpid()}\\n".encode())  # at once: others write here too

def serve(wait_for_stop):
    say("up")
    if sys.argv[1] == "dies":
        os._exit(3)
    wait_for_stop()
    if sys.argv[1] == "hangs":
        import time
        time.sleep(60)
    say("down")

drain_seconds = float(sys.argv[2])
listening = socket.socket()
ProcessGroup(
    serve, [listening], count=2, drain_seconds=drain_seconds, kill_grace_seconds=0.2
).run()
print("ended", flush=True)
"""


class Group:
    """A process group in a process of its own, and what it printed so far."""

    def __init__(self, folder: Path, behaviour: str, drain_seconds: float = 60) -> None:
        self.output = folder / "output"
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, behaviour, str(drain_seconds)],
                stdout=output,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def children(self, word: str = "up") -> list[int]:
        lines = self.output.read_text().splitlines()
        return [int(line.split()[1]) for line in lines if line.startswith(word)]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[Group]]:
    groups: list[Group] = []
    yield groups
    for group in groups:
        if group.process.poll() is None:
            os.killpg(group.process.pid, signal.SIGKILL)
        group.process.wait(60)


def is_running(process_id: int) -> bool:
    try:
        status = Path(f"/proc/{process_id}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_signal_lets_children_finish(
    started: list[Group], tmp_path: Path, number: signal.Signals
) -> None:
    group = Group(tmp_path, "serves")
    started.append(group)
    eventually(lambda: len(group.children()) == 2)
    group.process.send_signal(number)
    assert group.process.wait(60) == 0
    assert sorted(group.children("down")) == sorted(group.children())
    assert "ended" in group.output.read_text()


def test_dead_child_is_replaced(started: list[Group], tmp_path: Path) -> None:
    group = Group(tmp_path, "serves")
    started.append(group)
    first = eventually(lambda: group.children() if len(group.children()) == 2 else None)
    os.kill(first[0], signal.SIGKILL)
    eventually(lambda: len(group.children()) == 3)
    assert is_running(first[1])


def test_child_that_dies_at_once_is_not_replaced_in_a_rush(
    started: list[Group], tmp_path: Path
) -> None:
    begun_at = time.monotonic()
    group = Group(tmp_path, "dies")
    started.append(group)
    eventually(lambda: len(group.children()) >= 3)
    count, seconds = len(group.children()), time.monotonic() - begun_at
    assert count <= 2 * (1 + int(seconds / RESTART_SECONDS_MIN))


def test_children_end_with_a_killed_parent(started: list[Group], tmp_path: Path) -> None:
    group = Group(tmp_path, "serves")
    started.append(group)
    children = eventually(lambda: group.children() if len(group.children()) == 2 else None)
    group.process.kill()
    eventually(lambda: not any(is_running(child) for child in children))
    assert sorted(group.children("down")) == sorted(children)


def test_child_that_hangs_is_killed(started: list[Group], tmp_path: Path) -> None:
    group = Group(tmp_path, "hangs", drain_seconds=0.1)
    started.append(group)
    children = eventually(lambda: group.children() if len(group.children()) == 2 else None)
    group.process.terminate()
    assert group.process.wait(60) == 0
    assert not any(is_running(child) for child in children)
