"""Receipts of several associations in one commit, without a thread to hand them to.

Whoever finds nobody committing commits for all that wait. A lone association pays no hand-over;
the more there are, the more share a commit.
"""

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import structlog
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from ingestion.errors import DatabaseUnavailable, IngestionError, MalformedDataSet
from ingestion.use_cases.commit_receipts import insert_receipts
from ingestion.use_cases.store_instance import StoredInstance
from ingestion.wakeups import Work, wake

log = structlog.get_logger(__name__)


class GroupCommit:
    """Commits for every thread of a process, on one connection of its own."""

    def __init__(self) -> None:
        self._waiting: deque[_Ticket] = deque()
        self._leading = threading.Lock()
        self._database = connections.create_connection(DEFAULT_DB_ALIAS)
        self._database.inc_thread_sharing()  # one thread at a time: whoever leads

    def commit(self, stored: StoredInstance) -> None:
        """Return when the receipt is committed. Raises as `commit_receipts`."""
        ticket = _Ticket(stored)
        self._waiting.append(ticket)
        with self._leading:
            while not ticket.is_settled:
                self._settle(self._next_group())
        if ticket.error is not None:
            raise ticket.error
        wake(Work.REGISTER_RECEIPTS)

    @contextmanager
    def borrow(self) -> Iterator[BaseDatabaseWrapper]:
        """The connection, while nobody commits: for a statement or two, in no transaction."""
        with self._leading:
            yield self._database

    def close(self) -> None:
        """End the connection. A later commit opens it again."""
        with self._leading:
            self._database.close()

    def _next_group(self) -> "list[_Ticket]":
        amount = min(len(self._waiting), settings.ENVIRONMENT.commit_group_max)
        return [self._waiting.popleft() for _ in range(amount)]

    def _settle(self, group: "Sequence[_Ticket]") -> None:
        """Commit together; if one of several cannot be recorded, each by itself."""
        error: IngestionError | None = None
        try:
            insert_receipts([ticket.stored for ticket in group], self._database)
        except MalformedDataSet as malformed:
            if len(group) > 1:
                for ticket in group:
                    self._settle([ticket])
                return
            error = malformed
        except IngestionError as refused:
            error = refused
        except Exception as surprise:  # noqa: BLE001  # nobody may wait for ever
            log.error("receipts were not committed", reason=type(surprise).__name__)
            error = DatabaseUnavailable("the database did not confirm")
        for ticket in group:
            ticket.error = error
            ticket.is_settled = True


class _Ticket:
    """A stored instance, and what became of its receipt."""

    __slots__ = ("error", "is_settled", "stored")

    def __init__(self, stored: StoredInstance) -> None:
        self.stored = stored
        self.is_settled = False
        self.error: IngestionError | None = None
