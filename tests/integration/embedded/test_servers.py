"""The private PostgreSQL and Valkey."""

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
import pytest
import redis
from psycopg2.extras import wait_select

from ingestion.embedded.ports import LOOPBACK, choose_port
from ingestion.embedded.postgres import start_postgres
from ingestion.embedded.postgres_binaries import (
    choose_identity,
    postgres_binaries,
    run_once,
    version,
)
from ingestion.embedded.processes import Identity, ProcessMark, is_alive, mark_of
from ingestion.embedded.servers import Server
from ingestion.embedded.valkey import start_valkey
from ingestion.errors import Unavailable
from tests.eventually import eventually


@contextmanager
def stopping(server: Server) -> Iterator[Server]:
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose path has spaces and is too long for a Unix socket."""
    return tmp_path / "a folder with spaces" / ("and a long name " * 8)


def ask(url: str, question: str) -> object:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(question)
        return cursor.fetchone() if cursor.description else None


def test_postgres_keeps_its_data_from_one_start_to_the_next(folder: Path) -> None:
    with stopping(start_postgres(folder, durable=True)) as server:
        ask(server.url, "CREATE TABLE kept AS SELECT 1 AS number")
    with stopping(start_postgres(folder, durable=True)) as server:
        assert ask(server.url, "SELECT number FROM kept") == (1,)


@pytest.mark.parametrize(("durable", "fsync"), [(True, "on"), (False, "off")])
def test_postgres_forgets_only_when_told_to(folder: Path, durable: bool, fsync: str) -> None:
    with stopping(start_postgres(folder, durable=durable)) as server:
        assert ask(server.url, "SHOW fsync") == (fsync,)
        assert ask(server.url, "SHOW synchronous_commit") == (fsync,)


def test_postgres_orders_by_code_point_and_folds_case_beyond_ascii(folder: Path) -> None:
    with stopping(start_postgres(folder, durable=False)) as server:
        assert ask(server.url, "SELECT lower('MÜLLER'), 'Z' < 'a', 'z' < 'é'") == (
            "müller",
            True,
            True,
        )


def test_postgres_logs_no_values(folder: Path) -> None:
    with stopping(start_postgres(folder, durable=False)) as server:
        ask(server.url, "CREATE TABLE patients (name text UNIQUE)")
        ask(server.url, "INSERT INTO patients VALUES ('Roe^Jane')")
        with pytest.raises(psycopg2.errors.UniqueViolation):
            ask(server.url, "INSERT INTO patients VALUES ('Roe^Jane')")
    logged = (folder / "log").read_text()
    assert "duplicate key" in logged
    assert "Roe" not in logged


def test_postgres_wants_its_password(folder: Path) -> None:
    with stopping(start_postgres(folder, durable=False)) as server:
        assert stat.S_IMODE((folder / "password").stat().st_mode) == 0o600
        with pytest.raises(psycopg2.OperationalError, match="password"):
            ask(server.url.replace((folder / "password").read_text(), "wrong"), "SELECT 1")


def test_postgres_left_by_a_killed_supervisor_is_ended_by_the_next_start(folder: Path) -> None:
    first = start_postgres(folder, durable=False)
    mark = mark_of(first.pid)
    assert mark is not None
    with stopping(start_postgres(folder, durable=False)) as second:
        assert not is_alive(mark)
        assert ask(second.url, "SELECT 1") == (1,)
    first.process.wait(60)


def test_session_that_outlives_a_killed_postgres_is_no_obstacle(folder: Path) -> None:
    """It notices the death when its statement ends; a server beside it would be refused."""
    server = start_postgres(folder, durable=False)
    with closing(psycopg2.connect(server.url, async_=True)) as connection:
        wait_select(connection)
        connection.cursor().execute("SELECT count(*) FROM generate_series(1, 1000000000000)")
        mark = eventually(lambda: _busy_session(server))
        os.kill(server.pid, signal.SIGKILL)
        server.process.wait(60)
        assert is_alive(mark)
        with stopping(start_postgres(folder, durable=False)) as second:
            assert ask(second.url, "SELECT 1") == (1,)
        assert not is_alive(mark)


def _busy_session(server: Server) -> ProcessMark | None:
    busy = "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()"
    found = ask(server.url, busy)
    return mark_of(found[0]) if isinstance(found, tuple) else None


def test_postgres_ends_when_its_starter_is_killed(folder: Path) -> None:
    program = (
        "import os, pathlib, signal\n"
        "from ingestion.embedded.postgres import start_postgres\n"
        f"server = start_postgres(pathlib.Path({str(folder)!r}), durable=False)\n"
        "print(server.pid, flush=True)\n"
        "signal.pause()\n"
    )
    starter = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert starter.stdout is not None
    with starter, starter.stdout as output:
        mark = mark_of(int(output.readline()))
        assert mark is not None
        starter.kill()
        eventually(lambda: not is_alive(mark))


def test_a_lock_whose_pid_belongs_to_another_program_now_is_no_obstacle(folder: Path) -> None:
    start_postgres(folder, durable=False).stop()
    lock = folder / "data" / "postmaster.pid"
    lock.write_text(f"{os.getppid()}\n{folder / 'data'}\n0\n")
    lock.chmod(0o600)
    with stopping(start_postgres(folder, durable=False)) as server:
        assert ask(server.url, "SELECT 1") == (1,)


def test_an_unfinished_cluster_is_made_anew(folder: Path) -> None:
    (folder / "data.new" / "base").mkdir(parents=True)
    (folder / "data.new" / "PG_VERSION").write_text("17")
    with stopping(start_postgres(folder, durable=False)) as server:
        assert ask(server.url, "SELECT 1") == (1,)


@pytest.mark.parametrize("start", [start_postgres, start_valkey])
def test_a_server_whose_port_is_taken_says_so(folder: Path, start: Callable[..., Server]) -> None:
    port = choose_port()
    with (
        socket.create_server((LOOPBACK, port)),
        pytest.raises(Unavailable, match=r"(?si)did not start.*address already in use"),
    ):
        start(folder, durable=False, port=port)


def test_valkey_keeps_what_is_durable(folder: Path) -> None:
    with stopping(start_valkey(folder, durable=True)) as server:
        with closing(redis.Redis.from_url(server.url)) as client:
            client.rpush("queue", "task")
        os.kill(server.pid, signal.SIGKILL)
        server.process.wait(60)
    with (
        stopping(start_valkey(folder, durable=True)) as server,
        closing(redis.Redis.from_url(server.url)) as client,
    ):
        assert client.lrange("queue", 0, -1) == [b"task"]


def test_valkey_wants_its_password_and_drops_nothing_for_room(folder: Path) -> None:
    with stopping(start_valkey(folder, durable=False)) as server:
        with closing(redis.Redis.from_url(server.url)) as client:
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        with (
            closing(redis.Redis(port=server.port)) as stranger,
            pytest.raises(redis.AuthenticationError),
        ):
            stranger.ping()


def test_root_runs_postgres_as_somebody_else_with_or_without_a_namespace(folder: Path) -> None:
    folder.mkdir(parents=True, mode=0o700)
    binaries = postgres_binaries()
    is_root = os.geteuid() == 0
    assert (choose_identity(binaries, folder=folder) is Identity.OURSELVES) is not is_root
    nobody = Identity.AS_NOBODY if is_root else Identity.OURSELVES
    assert version(binaries, identity=nobody) is not None
    # A home that only its owner may enter is passed through, by access(2) as by open(2).
    words = ["sh", "-c", 'id -u; [ -r "$0" ] && ls "$0"', str(folder)]
    seen = run_once(words, identity=nobody)
    assert seen.returncode == 0
    assert seen.stdout != b"0\n"
