"""Receipts become durable: several at a time, in one round trip and one transaction.

An acknowledgement follows the commit, never precedes it. Ids are made by us, so a commit
whose outcome was not learned can be repeated.
"""

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import fields
from typing import Any

import structlog
from django.conf import settings
from django.db import (
    DataError,
    InterfaceError,
    OperationalError,
    close_old_connections,
    connection,
    transaction,
)
from psycopg2 import Binary

from ingestion.dicom.attributes import IndexedAttributes
from ingestion.dicom.person_names import normalized
from ingestion.errors import DatabaseUnavailable, IngestionError, MalformedDataSet
from ingestion.models import HeaderDocument, Receipt
from ingestion.use_cases.store_instance import StoredInstance
from ingestion.wakeups import Work, wake

log = structlog.get_logger(__name__)

_ATTRIBUTES = tuple(field.name for field in fields(IndexedAttributes))

# Column of the receipt → its value.
_COLUMNS: dict[str, Callable[[StoredInstance], Any]] = {
    "id": lambda stored: str(stored.receipt_id),
    "document_id": lambda stored: str(stored.receipt_id),
    "storage_space_id": lambda stored: stored.storage_space_id,
    "sender_kind": lambda stored: stored.sender.kind.value,
    "calling_ae_title": lambda stored: stored.sender.calling_ae_title[:16],
    "called_ae_title": lambda stored: stored.sender.called_ae_title[:16],
    "principal": lambda stored: stored.sender.principal[:100],
    "peer_address": lambda stored: stored.sender.peer_address[:64],
    "conversation_id": lambda stored: stored.sender.conversation_id[:64],
    "transfer_syntax_uid": lambda stored: stored.transfer_syntax_uid,
    "data_set_sha256": lambda stored: Binary(stored.data_set_sha256),
    "location": lambda stored: stored.location,
    "size_bytes": lambda stored: stored.size_bytes,
    "data_set_offset": lambda stored: stored.data_set_offset,
    "pixel_data_offset": lambda stored: stored.pixel_data_offset,
    "patient_name_normalized": lambda stored: normalized(stored.attributes.patient_name)[:324],
    "referring_physician_name_normalized": lambda stored: normalized(
        stored.attributes.referring_physician_name
    )[:324],
}
_RECEIPT_SQL = 'INSERT INTO "{}" ({}) VALUES {} ON CONFLICT (id) DO NOTHING'
_DOCUMENT_SQL = 'INSERT INTO "{}" (id, body) VALUES {} ON CONFLICT (id) DO NOTHING'


def commit_receipts(stored: Sequence[StoredInstance]) -> None:
    """Take custody: when this returns, every receipt is committed.

    All or none. Safe to repeat. Raises `DatabaseUnavailable` when PostgreSQL did not
    confirm, `MalformedDataSet` when a value cannot be recorded.
    """
    if not stored:
        return
    try:
        _insert(stored)
    except (OperationalError, InterfaceError):
        _insert_again(stored)
    except DataError as error:
        raise MalformedDataSet("an attribute of the data set cannot be recorded") from error
    transaction.on_commit(_wake_registrar, robust=True)


def _wake_registrar() -> None:
    wake(Work.REGISTER_RECEIPTS)


def _insert_again(stored: Sequence[StoredInstance]) -> None:
    """Once more on a fresh connection: the first may have been cut by a restart."""
    try:
        close_old_connections()
        connection.close()
        _insert(stored)
    except (OperationalError, InterfaceError) as error:
        raise DatabaseUnavailable("the database did not confirm") from error


def _insert(stored: Sequence[StoredInstance]) -> None:
    names = [*_COLUMNS, *_ATTRIBUTES]
    receipt_row = "(" + ",".join(["%s"] * len(names)) + ")"
    statement = ";".join(
        (
            _DOCUMENT_SQL.format(
                HeaderDocument._meta.db_table, ",".join(["(%s,%s)"] * len(stored))
            ),
            _RECEIPT_SQL.format(
                Receipt._meta.db_table, ",".join(names), ",".join([receipt_row] * len(stored))
            ),
        )
    )
    values: list[Any] = []
    for item in stored:
        values += (str(item.receipt_id), Binary(item.document))
    for item in stored:
        values += [value(item) for value in _COLUMNS.values()]
        values += [getattr(item.attributes, name) for name in _ATTRIBUTES]
    with connection.cursor() as cursor:
        # Both statements travel in one message, which PostgreSQL runs as one transaction.
        cursor.execute(statement, values)


class GroupCommit:
    """One writer thread that commits the receipts of several associations together."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[_Ticket | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="receipt-writer", daemon=True)

    def start(self) -> None:
        """Start the writer; once."""
        self._thread.start()

    def stop(self) -> None:
        """Commit what waits, then end the writer."""
        self._waiting.put(None)
        self._thread.join()

    def commit(self, stored: StoredInstance) -> None:
        """Return when the receipt is committed. Raises as `commit_receipts`."""
        ticket = _Ticket(stored)
        self._waiting.put(ticket)
        ticket.committed.result()

    def _run(self) -> None:
        group_max = settings.ENVIRONMENT.commit_group_max
        stopping = False
        while not stopping:
            group = [self._waiting.get()]
            while len(group) < group_max and not self._waiting.empty():
                group.append(self._waiting.get())
            stopping = None in group
            _commit_group([ticket for ticket in group if ticket is not None])
        connection.close()


class _Ticket:
    """A stored instance and the promise of its commit."""

    __slots__ = ("committed", "stored")

    def __init__(self, stored: StoredInstance) -> None:
        self.stored = stored
        self.committed: Future[None] = Future()


def _commit_group(group: Sequence[_Ticket]) -> None:
    """Commit together; if one of several cannot be recorded, each by itself."""
    try:
        commit_receipts([ticket.stored for ticket in group])
    except MalformedDataSet as error:
        if len(group) > 1:
            for ticket in group:
                _commit_group([ticket])
        else:
            group[0].committed.set_exception(error)
    except IngestionError as error:
        for ticket in group:
            ticket.committed.set_exception(error)
    except Exception as error:  # noqa: BLE001  # the writer outlives whatever the driver raises
        log.error("receipts were not committed", reason=type(error).__name__)
        for ticket in group:
            ticket.committed.set_exception(DatabaseUnavailable(type(error).__name__))
    else:
        for ticket in group:
            ticket.committed.set_result(None)
