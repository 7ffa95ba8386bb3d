"""The state folder of an embedded run."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ingestion.embedded.processes import mark_of, start_process
from ingestion.embedded.state_folder import MARKER, StateFolder, environment_of_the_run
from ingestion.errors import Unavailable

SLEEPER = [sys.executable, "-c", "import signal; signal.pause()"]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_folder_and_its_secrets_are_for_their_owner_only(tmp_path: Path) -> None:
    state = StateFolder(tmp_path / "a new" / "folder")
    state.secrets()
    state.write_endpoints({"ready": True}, environment={})
    assert mode(state.path) == 0o700
    assert mode(state.path / "secrets.json") == 0o600
    assert mode(state.path / "endpoints.json") == 0o600


def test_secrets_are_made_once_and_differ(tmp_path: Path) -> None:
    secrets = StateFolder(tmp_path).secrets()
    assert StateFolder(tmp_path).secrets() == secrets
    assert len(set(secrets.values())) == len(secrets)
    assert min(map(len, secrets.values())) >= 16


def test_a_second_supervisor_is_refused_and_a_later_one_is_not(tmp_path: Path) -> None:
    first, second = StateFolder(tmp_path), StateFolder(tmp_path)
    with first.held(), pytest.raises(Unavailable, match="runs already"), second.held():
        raise AssertionError("held twice")
    with StateFolder(tmp_path).held():
        pass


def test_leftovers_are_ended_by_record_and_by_mark(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    recorded, marked, other = (
        start_process(SLEEPER, cwd=tmp_path, environment=environment, output=subprocess.DEVNULL)
        for environment in ({}, {MARKER: str(state.path)}, {MARKER: f"{state.path}/other"})
    )
    mark = mark_of(recorded.pid)
    assert mark is not None
    state.record_processes([mark])
    state.write_endpoints({"ready": True}, environment={})

    assert state.end_leftovers() == 2

    assert recorded.wait(60) < 0
    assert marked.wait(60) < 0
    assert other.poll() is None
    assert not (state.path / "endpoints.json").exists()
    other.kill()
    other.wait(60)


def test_commands_join_the_run_that_is_ready(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    given = {"INGESTION_STATE_FOLDER": str(tmp_path)}
    assert environment_of_the_run(given) == {}
    told = {"INGESTION_DATABASE_URL": "postgresql://here", MARKER: "x", "HOME": "/"}
    state.write_endpoints({"ready": True}, environment=told)
    assert environment_of_the_run(given) == {"INGESTION_DATABASE_URL": "postgresql://here"}
    assert environment_of_the_run(given | {"INGESTION_DATABASE_URL": "elsewhere"}) == {}
    assert (tmp_path / "environment.json").stat().st_mode & 0o777 == 0o600
    state.remove_endpoints()
    assert environment_of_the_run(given) == {}
