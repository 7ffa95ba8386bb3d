"""Receipts and manifest at once: for a sender who will search for what it stored.

One transaction instead of two spares a commit. When the database refuses the batch, custody
comes first: the receipts are committed by themselves, and a registrar settles them.
"""

from collections.abc import Sequence
from uuid import UUID

from django.db import DatabaseError, InterfaceError, OperationalError, transaction

from ingestion.errors import DatabaseUnavailable
from ingestion.models import Outcome
from ingestion.use_cases.commit_receipts import commit_receipts, receipts_insertion
from ingestion.use_cases.register_receipts import Raced, register_claimed, register_receipts
from ingestion.use_cases.store_instance import StoredInstance


def commit_and_register(stored: Sequence[StoredInstance]) -> dict[UUID, Outcome]:
    """Take custody and register; the outcome of every receipt, `PENDING` if it must wait.

    Raises `DatabaseUnavailable`: nothing was committed; `MalformedDataSet` when a value cannot
    be recorded.
    """
    if not stored:
        return {}
    try:
        with transaction.atomic():
            ids = [str(item.receipt_id) for item in stored]
            return register_claimed(ids, after=receipts_insertion(stored))
    except (OperationalError, InterfaceError) as error:
        raise DatabaseUnavailable("the database did not confirm") from error
    except (DatabaseError, Raced):
        return _one_after_the_other(stored)


def _one_after_the_other(stored: Sequence[StoredInstance]) -> dict[UUID, Outcome]:
    commit_receipts(stored)
    ids = [item.receipt_id for item in stored]
    try:
        return register_receipts(ids)
    except DatabaseUnavailable:  # they are ours all the same
        return dict.fromkeys(ids, Outcome.PENDING)
