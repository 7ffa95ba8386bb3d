"""Lets association threads use the database by turns, on few connections that stay open.

There may be hundreds of associations, and a connection for each would be too many for PostgreSQL.
Whoever has a turn finds its connection where Django looks for one, so that use cases, transactions
and cursors of the server work as everywhere else.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from ingestion.database import database_answers
from ingestion.errors import Unavailable

_LOOK_SECONDS = 0.25

# For whom a turn is taken: the address and the calling AE title of a peer, or ourselves.
Peer = tuple[str, str]
_OURSELVES: Peer = ("", "")


class DatabaseTurns:
    """Connections that the threads of a process share, each for one thread at a time.

    At most `Limits.dimse_queries_max` are in use at once. A peer that has turns gets another one
    only while more are left for others than it has: a single one gets half of them, and however
    slowly it reads, there is room for the next.
    """

    def __init__(self) -> None:
        """Nothing is connected yet."""
        self._changed = threading.Condition()
        self._idle: list[BaseDatabaseWrapper] = []  # the one used last is taken first
        self._in_use: Counter[Peer] = Counter()
        self._mine = threading.local()

    @contextmanager
    def turn(
        self, check: Callable[[], None] = lambda: None, *, peer: Peer = _OURSELVES
    ) -> Iterator[None]:
        """Let this thread use the database inside; a turn inside a turn is the same one.

        While it waits for one `check` is called a few times a second; what it raises is passed on.
        Raises `Unavailable` when no turn comes in time, and for what the database refuses.
        """
        if getattr(self._mine, "has_turn", False):
            yield
            return
        database = self._take(check, peer)
        self._mine.has_turn = True
        try:
            with _as_connection_of_this_thread(database), database_answers():
                yield
        finally:
            self._mine.has_turn = False
            self._give_back(database, peer)

    def close(self) -> None:
        """End the connections that nobody uses. A later turn opens one again."""
        with self._changed:
            idle, self._idle = self._idle, []
        for database in idle:
            database.close()

    def _take(self, check: Callable[[], None], peer: Peer) -> BaseDatabaseWrapper:
        deadline = time.monotonic() + settings.ENVIRONMENT.dimse_query_wait_seconds
        while not self._has_begun(peer, deadline):
            check()
        with self._changed:
            if self._idle:
                return self._idle.pop()
        database = connections.create_connection(DEFAULT_DB_ALIAS)
        database.inc_thread_sharing()  # one thread at a time: whoever has the turn
        return database

    def _has_begun(self, peer: Peer, deadline: float) -> bool:
        """Wait a moment for a turn, and count it if it came."""
        with self._changed:
            if not self._is_free_for(peer):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Unavailable(self._too_many(peer))
                self._changed.wait(min(left, _LOOK_SECONDS))
            if not self._is_free_for(peer):
                return False
            self._in_use[peer] += 1
            return True

    def _is_free_for(self, peer: Peer) -> bool:
        left = settings.LIMITS.dimse_queries_max - self._in_use.total()
        return left > (0 if peer == _OURSELVES else self._in_use[peer])

    def _too_many(self, peer: Peer) -> str:
        turns_max = settings.LIMITS.dimse_queries_max
        if self._in_use.total() >= turns_max:
            return f"dimse_queries_max = {turns_max} queries are under way"
        own = self._in_use[peer]
        return f"{own} queries of this peer are under way; dimse_queries_max = {turns_max} for all"

    def _give_back(self, database: BaseDatabaseWrapper, peer: Peer) -> None:
        is_reusable = not database.in_atomic_block  # left in the middle, nobody may go on there
        try:
            if is_reusable:
                database.close_if_unusable_or_obsolete()
            else:
                database.close()
        finally:
            with self._changed:
                self._in_use -= Counter({peer: 1})  # forgets who has none any more
                if is_reusable:
                    self._idle.append(database)
                self._changed.notify_all()  # not everyone may take it


@contextmanager
def _as_connection_of_this_thread(database: BaseDatabaseWrapper) -> Iterator[None]:
    previous = next(
        (one for one in connections.all(initialized_only=True) if one.alias == DEFAULT_DB_ALIAS),
        None,
    )
    database.close_if_unusable_or_obsolete()
    connections[DEFAULT_DB_ALIAS] = database
    try:
        yield
    finally:
        if previous is None:
            del connections[DEFAULT_DB_ALIAS]
        else:
            connections[DEFAULT_DB_ALIAS] = previous


_TURNS = DatabaseTurns()
database_turn = _TURNS.turn
close_idle_connections = _TURNS.close
