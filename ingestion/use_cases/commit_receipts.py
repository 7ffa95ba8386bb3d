"""Receipts become durable: several at a time, in one round trip and one transaction.

An acknowledgement follows the commit, never precedes it. Ids are made by us, so a commit
whose outcome was not learned can be repeated.
"""

from collections.abc import Sequence
from dataclasses import fields
from functools import lru_cache
from operator import attrgetter
from typing import Any

from django.db import (
    DEFAULT_DB_ALIAS,
    DataError,
    InterfaceError,
    OperationalError,
    connections,
    transaction,
)
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg2 import Binary

from ingestion.dicom.attributes import IndexedAttributes
from ingestion.dicom.person_names import normalized
from ingestion.errors import DatabaseUnavailable, MalformedDataSet
from ingestion.models import HeaderDocument, Receipt
from ingestion.use_cases.registration_statements import Statement
from ingestion.use_cases.store_instance import StoredInstance
from ingestion.wakeups import Work, wake

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
    """Insert documents and receipts; both statements travel in one message.

    Outside a transaction PostgreSQL runs them as one. Raises what the driver raises.
    """
    insertion = receipts_insertion(stored)
    with database.cursor() as cursor:
        cursor.execute(insertion.sql, insertion.values)


def receipts_insertion(stored: Sequence[StoredInstance]) -> Statement:
    """The statement that inserts documents and receipts."""
    values: list[Any] = []
    for item in stored:
        values += (str(item.receipt_id), Binary(item.document))
    for item in stored:
        values += _receipt_values(item)
    return Statement(_insertion(len(stored)), values)


@lru_cache(maxsize=128)
def _insertion(amount: int) -> str:
    """The insertion of so many documents and receipts."""
    names = (*_OWN_COLUMNS, *_ATTRIBUTES)
    document_rows = ",".join(["(%s,%s)"] * amount)
    receipt_rows = ",".join([f"({','.join(['%s'] * len(names))})"] * amount)
    return (
        f'INSERT INTO "{HeaderDocument._meta.db_table}" (id, body)'  # noqa: S608  # constants
        f" VALUES {document_rows} ON CONFLICT (id) DO NOTHING;"
        f'INSERT INTO "{Receipt._meta.db_table}" ({",".join(names)})'
        f" VALUES {receipt_rows} ON CONFLICT (id) DO NOTHING;"
    )


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
