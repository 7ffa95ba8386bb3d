"""Processes: known again, ended for certain, on a leash."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestion.embedded.processes import (
    ProcessMark,
    end_processes,
    is_alive,
    mark_of,
    processes_marked_with,
    start_process,
)
from tests.eventually import eventually

SLEEPER = [sys.executable, "-c", "import signal; signal.pause()"]
IGNORES_SIGTERM = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
while True:
    signal.pause()
"""
STUBBORN = [sys.executable, "-c", IGNORES_SIGTERM]


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that waits for signals."""
    process = start_process(
        SLEEPER, cwd=tmp_path, environment={"MARK": str(tmp_path)}, output=subprocess.DEVNULL
    )
    yield process
    process.kill()
    process.wait(60)


def test_a_living_process_is_known_again(sleeper: subprocess.Popen[bytes]) -> None:
    mark = mark_of(sleeper.pid)
    assert mark is not None
    assert is_alive(mark)


def test_another_process_with_the_same_pid_is_not_taken_for_it(
    sleeper: subprocess.Popen[bytes],
) -> None:
    assert not is_alive(ProcessMark(sleeper.pid, "another start time"))
    end_processes([ProcessMark(sleeper.pid, "another start time")])
    assert sleeper.poll() is None


def test_a_dead_process_is_not_alive_though_nobody_waited_for_it(
    sleeper: subprocess.Popen[bytes],
) -> None:
    mark = mark_of(sleeper.pid)
    assert mark is not None
    os.kill(sleeper.pid, signal.SIGKILL)
    eventually(lambda: not is_alive(mark))


def test_ending_says_how_many_lived(sleeper: subprocess.Popen[bytes]) -> None:
    mark = mark_of(sleeper.pid)
    assert mark is not None
    assert end_processes([mark]) == 1
    assert end_processes([mark]) == 0


def test_who_ignores_the_first_signal_gets_the_last(tmp_path: Path) -> None:
    process = start_process(STUBBORN, cwd=tmp_path, environment={}, output=subprocess.PIPE)
    assert process.stdout is not None
    with process, process.stdout as output:
        assert output.readline() == b"up\n"
        mark = mark_of(process.pid)
        assert mark is not None
        end_processes([mark], within_seconds=0.2)
        assert process.wait(60) == -signal.SIGKILL


def test_processes_are_found_by_a_variable_of_their_environment(
    sleeper: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    eventually(
        lambda: [mark.pid for mark in processes_marked_with("MARK", str(tmp_path))] == [sleeper.pid]
    )
    assert processes_marked_with("MARK", f"{tmp_path} no") == []


def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys, pathlib, signal\n"
        "from ingestion.embedded.processes import start_process\n"
        f"child = start_process({SLEEPER!r}, cwd=pathlib.Path({str(tmp_path)!r}),\n"
        "    environment={}, output=subprocess.DEVNULL)\n"
        "print(child.pid, flush=True)\n"
        "signal.pause()\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    with parent, parent.stdout as output:
        child = mark_of(int(output.readline()))
        assert child is not None
        parent.kill()
        eventually(lambda: not is_alive(child))
