"""The embedded run as a whole: it comes up, heals, stops, and survives being killed."""

import json
import os
import signal
import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg2
import pytest

from ingestion.embedded.ports import LOOPBACK, accepts, choose_port, is_free
from ingestion.embedded.postgres import postgres_url
from ingestion.embedded.processes import is_alive
from ingestion.embedded.product import PREFERRED_PORTS
from ingestion.embedded.state_folder import StateFolder
from tests.end_to_end.conftest import Run, get
from tests.eventually import eventually

pytestmark = pytest.mark.timeout(900)

# Where PostgreSQL and Valkey usually are, which the product does not want at all.
WELL_KNOWN_PORTS = (5432, 6379)


@pytest.fixture
def taken_ports(product: Run) -> Iterator[set[int]]:
    """The ports of an earlier start and the well-known ones, all taken by somebody else."""
    StateFolder(product.state).ports({name: choose_port() for name in PREFERRED_PORTS})
    ours = json.loads((product.state / "ports.json").read_text()).values()
    with ExitStack() as stack:
        for port in filter(is_free, (*ours, *WELL_KNOWN_PORTS)):
            stack.enter_context(socket.create_server((LOOPBACK, port)))
        yield {*ours, *WELL_KNOWN_PORTS}


def test_it_comes_up_heals_and_stops_without_a_trace(product: Run, taken_ports: set[int]) -> None:
    product.start()
    endpoints = product.endpoints()

    assert set(endpoints) == {
        *("ready", "dicomweb", "admin", "admin_user", "admin_password", "token", "dimse"),
        *("flower", "metrics"),
    }
    assert endpoints["ready"] is True
    assert set(endpoints["dimse"]) == {"host", "port", "ae_title"}
    ports = json.loads((product.state / "ports.json").read_text()).values()
    assert taken_ports.isdisjoint(ports)
    file = product.state / "endpoints.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    web = endpoints["metrics"].removesuffix("/metrics")
    assert get(f"{web}/health/ready") == 200
    assert get(f"{web}/health/live") == 200
    assert accepts(endpoints["dimse"]["port"])
    log = product.log.read_text()
    for secret in json.loads((product.state / "secrets.json").read_text()).values():
        assert log.count(secret) <= 1, "only the printed table shows a secret"

    before = {mark.pid for mark in product.children()}
    web_pid = pid_of(product, "gunicorn")
    os.kill(web_pid, signal.SIGKILL)
    eventually(lambda: "web is started again" in product.log.read_text(), within_seconds=60)
    eventually(lambda: get_or_zero(f"{web}/health/ready") == 200, within_seconds=60)
    assert pid_of(product, "gunicorn") not in before

    children = product.children()
    assert product.send(signal.SIGINT) == 0
    assert not any(map(is_alive, children))
    assert product.children() == []
    assert not file.exists()


def test_killed_outright_it_starts_again_with_its_data(product: Run) -> None:
    product.start()
    first = product.endpoints()
    execute(product, "CREATE TABLE kept AS SELECT 1 AS number")
    product.send(signal.SIGKILL)

    product.start()
    eventually(lambda: product.log.read_text().count("is ready") == 2, within_seconds=180)
    assert product.endpoints() == first
    assert execute(product, "SELECT number FROM kept") == [(1,)]
    assert product.send(signal.SIGTERM) == 0
    assert product.children() == []


def get_or_zero(url: str) -> int:
    try:
        return get(url)
    except OSError:
        return 0


def pid_of(product: Run, word: str) -> int:
    """The oldest process of the product whose command line has the word."""
    pids = [
        mark.pid
        for mark in product.children()
        if word.encode() in Path(f"/proc/{mark.pid}/cmdline").read_bytes()
    ]
    return min(pids)


def execute(product: Run, statement: str) -> list[tuple[object, ...]]:
    ports = json.loads((product.state / "ports.json").read_text())
    url = postgres_url(product.state / "postgres", port=ports["postgres"])
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()
