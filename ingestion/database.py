"""How long this process waits for PostgreSQL, whatever became of it.

A server that dies closes its connections and is noticed. One that hangs, or a network that
swallows what it is given, says nothing at all: `statement_timeout` takes a server that works,
and keepalives are answered by its kernel. So each wait of the driver ends by our own clock too.
"""

import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from django.db import DatabaseError, InterfaceError
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg2 import OperationalError, extensions

from ingestion.errors import DatabaseUnavailable

CONNECT_SECONDS_MAX = 5
ANSWER_SECONDS_MAX = 3  # beyond the time that the server grants a statement
LEFT_SECONDS_MAX = 2  # that a server works on for a client that closed its connection
_CONNECTING = 20  # psycopg2's CONN_STATUS_CONNECTING, which it does not export
_WATCH_SECONDS = 0.25
_EVENTS = {extensions.POLL_READ: select.POLLIN, extensions.POLL_WRITE: select.POLLOUT}


def libpq_options(statement_seconds_max: int) -> dict[str, str | int]:
    """Parameters of a connection: a lost peer is noticed by both, a long statement is ended."""
    return {
        "connect_timeout": CONNECT_SECONDS_MAX,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 20_000,  # milliseconds
        "options": (
            f"-c statement_timeout={statement_seconds_max}s"
            f" -c client_connection_check_interval={LEFT_SECONDS_MAX}s"
        ),
    }


def limit_waits(statement_seconds_max: int) -> None:
    """From now on no wait of this process for PostgreSQL lasts longer.

    Beyond it the connection is closed and `OperationalError` raised.
    """
    seconds = statement_seconds_max + ANSWER_SECONDS_MAX
    extensions.set_wait_callback(partial(_wait, seconds=seconds))


@contextmanager
def watched_waits(check: Callable[[], None]) -> Iterator[None]:
    """While this thread waits for the database inside, `check` is called a few times a second.

    What it raises is passed on. The connection is closed then, and the server gives up.
    """
    _watch.check = check
    try:
        yield
    finally:
        _watch.check = None


@contextmanager
def unlimited_waits(database: BaseDatabaseWrapper) -> Iterator[None]:
    """Let statements of this connection last as long as they need; it is closed at the end.

    For a process that does nothing else meanwhile. Raises Django's `DatabaseError`.
    """
    limiting = extensions.get_wait_callback()
    extensions.set_wait_callback(None)
    try:
        with database.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")
        yield
    finally:
        extensions.set_wait_callback(limiting)
        database.close()


@contextmanager
def database_answers() -> Iterator[None]:
    """Whatever the database or its driver refuses inside is `DatabaseUnavailable`."""
    try:
        yield
    except (DatabaseError, InterfaceError) as error:
        raise DatabaseUnavailable(f"the database did not answer: {type(error).__name__}") from error


class _Watch(threading.local):
    """Who watches the waits of this thread."""

    check: Callable[[], None] | None = None


_watch = _Watch()


def _wait(connection: extensions.connection, *, seconds: float) -> None:
    """What psycopg2 calls to wait; whatever it raises costs the connection."""
    is_connecting = connection.status == _CONNECTING
    deadline = time.monotonic() + (CONNECT_SECONDS_MAX if is_connecting else seconds)
    while (state := connection.poll()) != extensions.POLL_OK:
        waiting = select.poll()
        waiting.register(connection.fileno(), _EVENTS[state])
        while not waiting.poll(_next_look_milliseconds(deadline)):
            if time.monotonic() >= deadline:
                raise OperationalError("the server did not answer in time")
            if _watch.check is not None:
                _watch.check()


def _next_look_milliseconds(deadline: float) -> float:
    left = max(0.0, deadline - time.monotonic())
    return 1000 * (left if _watch.check is None else min(left, _WATCH_SECONDS))
