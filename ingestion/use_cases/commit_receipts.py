"""Receipts become durable: several at a time, in one round trip and one transaction.

An acknowledgement follows the commit, never precedes it. Ids are made by us, so a commit
whose outcome was not learned can be repeated.
"""

from collections.abc import Sequence
from dataclasses import fields
from functools import lru_cache
from itertools import chain
from operator import attrgetter
from typing import Any
from weakref import WeakSet

from django.db import (
    DEFAULT_DB_ALIAS,
    DataError,
    InterfaceError,
    OperationalError,
    connections,
    transaction,
)
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model
from psycopg2 import Binary

from ingestion.dicom.attributes import IndexedAttributes
from ingestion.dicom.person_names import normalized
from ingestion.errors import DatabaseUnavailable, MalformedDataSet
from ingestion.models import HeaderDocument, Receipt
from ingestion.use_cases.registration_statements import Statement
from ingestion.use_cases.store_instance import StoredInstance
from ingestion.wakeups import Work, wake

# More are written faster by one statement for all, though PostgreSQL has to plan it each time.
PREPARED_MAX = 2

_ATTRIBUTES = tuple(field.name for field in fields(IndexedAttributes))
_attributes = attrgetter(*_ATTRIBUTES)
_normalized = lru_cache(maxsize=1024)(normalized)  # a study's instances share their names
_OWN_COLUMNS = (
    "id",
    "document_id",
    "storage_space_id",
    "sender_kind",
    "calling_ae_title",
    "called_ae_title",
    "principal",
    "peer_address",
    "conversation_id",
    "transfer_syntax_uid",
    "data_set_sha256",
    "location",
    "size_bytes",
    "data_set_offset",
    "pixel_data_offset",
    "patient_name_normalized",
    "referring_physician_name_normalized",
)


def commit_receipts(stored: Sequence[StoredInstance]) -> None:
    """Take custody: when this returns, every receipt is committed. Wakes a registrar.

    All or none. Safe to repeat. Raises `DatabaseUnavailable` when PostgreSQL did not confirm,
    `MalformedDataSet` when a value cannot be recorded.
    """
    if stored:
        insert_receipts(stored, connections[DEFAULT_DB_ALIAS])
        transaction.on_commit(_wake_registrar, robust=True)


def insert_receipts(stored: Sequence[StoredInstance], database: BaseDatabaseWrapper) -> None:
    """Commit receipts by this connection; once more on a fresh one if it was cut.

    Raises as `commit_receipts`.
    """
    try:
        write_receipts(stored, database)
    except (OperationalError, InterfaceError):
        _insert_again(stored, database)
    except DataError as error:
        raise MalformedDataSet("an attribute of the data set cannot be recorded") from error


def _wake_registrar() -> None:
    wake(Work.REGISTER_RECEIPTS)


def _insert_again(stored: Sequence[StoredInstance], database: BaseDatabaseWrapper) -> None:
    """Once more: a restart of the server may have cut the connection."""
    try:
        database.close()
        write_receipts(stored, database)
    except (OperationalError, InterfaceError) as error:
        raise DatabaseUnavailable("the database did not confirm") from error


def write_receipts(stored: Sequence[StoredInstance], database: BaseDatabaseWrapper) -> None:
    """Insert documents and receipts; all statements travel in one message.

    Outside a transaction PostgreSQL runs them as one. Raises what the driver raises.
    """
    with database.cursor() as cursor:
        if len(stored) > PREPARED_MAX:
            insertion = receipts_insertion(stored)
            cursor.execute(insertion.sql, insertion.values)
            return
        if cursor.connection not in _prepared:
            cursor.execute(_PREPARATION)
            _prepared.add(cursor.connection)
        values = [(*_document_values(item), *_receipt_values(item)) for item in stored]
        cursor.execute(_EXECUTION * len(stored), [*chain(*values)])


def receipts_insertion(stored: Sequence[StoredInstance]) -> Statement:
    """The statement that inserts documents and receipts."""
    documents, receipts = map(_document_values, stored), map(_receipt_values, stored)
    return Statement(_insertion(len(stored)), [*chain(*documents), *chain(*receipts)])


@lru_cache(maxsize=128)
def _insertion(amount: int) -> str:
    """The insertion of so many documents and receipts."""
    return "".join(
        _insert(table, columns, ",".join([_row(columns)] * amount)) for table, columns in _TABLES
    )


def _insert(table: type[Model], columns: Sequence[str], rows: str) -> str:
    return (
        f'INSERT INTO "{table._meta.db_table}" ({",".join(columns)})'  # noqa: S608  # constants
        f" VALUES {rows} ON CONFLICT (id) DO NOTHING;"
    )


def _row(columns: Sequence[str]) -> str:
    return f"({','.join(['%s'] * len(columns))})"


_TABLES: tuple[tuple[type[Model], tuple[str, ...]], ...] = (
    (HeaderDocument, ("id", "body")),
    (Receipt, (*_OWN_COLUMNS, *_ATTRIBUTES)),
)
# Planned once per connection. A failed transaction does not undo that.
_PREPARATION = "".join(
    f"PREPARE {table._meta.model_name}_insertion AS "
    + _insert(table, columns, f"({','.join(f'${n}' for n in range(1, len(columns) + 1))})")
    for table, columns in _TABLES
)
_EXECUTION = "".join(
    f"EXECUTE {table._meta.model_name}_insertion {_row(columns)};" for table, columns in _TABLES
)
_prepared: WeakSet[object] = WeakSet()


def _document_values(stored: StoredInstance) -> tuple[Any, ...]:
    return str(stored.receipt_id), Binary(stored.document)


def _receipt_values(stored: StoredInstance) -> tuple[Any, ...]:
    """The values of one receipt, in the order of `_OWN_COLUMNS` and `_ATTRIBUTES`."""
    sender, attributes = stored.sender, stored.attributes
    receipt_id = str(stored.receipt_id)
    return (
        receipt_id,
        receipt_id,
        stored.storage_space_id,
        sender.kind.value,
        sender.calling_ae_title[:16],
        sender.called_ae_title[:16],
        sender.principal[:100],
        sender.peer_address[:64],
        sender.conversation_id[:64],
        stored.transfer_syntax_uid,
        Binary(stored.data_set_sha256),
        stored.location,
        stored.size_bytes,
        stored.data_set_offset,
        stored.pixel_data_offset,
        _normalized(attributes.patient_name)[:324],
        _normalized(attributes.referring_physician_name)[:324],
        *_attributes(attributes),
    )
