"""Receipts of several associations share a commit, and no commit takes more than its limit."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from ingestion.models import Receipt, SenderKind, StorageSpace
from ingestion.use_cases.commit_receipts import PREPARED_MAX, write_receipts
from ingestion.use_cases.group_commit import GroupCommit
from ingestion.use_cases.store_instance import Sender, StoredInstance, receive_file
from tests.builders import build_ct, part10_bytes
from tests.eventually import eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def group_commit() -> Iterator[GroupCommit]:
    made = GroupCommit()
    yield made
    made.close()


def stored_in(space: StorageSpace) -> StoredInstance:
    with receive_file(space, Sender(SenderKind.DIMSE, "a1")) as incoming:
        incoming.write(part10_bytes(build_ct()))
        return incoming.store()


def test_commits_are_shared_up_to_the_limit(
    folder_space: StorageSpace, group_commit: GroupCommit, settings: Any
) -> None:
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"commit_group_max": 2})
    statements: list[str] = []

    def note(execute: Any, sql: str, *rest: Any) -> Any:
        statements.append(sql)
        return execute(sql, *rest)

    waiting = [
        threading.Thread(target=group_commit.commit, args=(stored_in(folder_space),))
        for _ in range(5)
    ]
    with group_commit._database.execute_wrapper(note):
        with group_commit.borrow():  # so that nobody commits before all wait
            for thread in waiting:
                thread.start()
            eventually(lambda: len(group_commit._waiting) == len(waiting))
        for thread in waiting:
            thread.join(60)
    assert Receipt.objects.count() == 5
    assert len([sql for sql in statements if sql.startswith("EXECUTE")]) == 3


@pytest.mark.parametrize("amount", [1, PREPARED_MAX, PREPARED_MAX + 1])
def test_receipts_are_written_whole_however_many_share_a_commit(
    folder_space: StorageSpace, amount: int
) -> None:
    stored = [stored_in(folder_space) for _ in range(amount)]
    for _ in range(2):  # a repeat changes nothing
        write_receipts(stored, connection)
    for one in stored:
        receipt = Receipt.objects.select_related("document").get(pk=one.receipt_id)
        assert receipt.document is not None
        assert bytes(receipt.document.body) == one.document
        assert bytes(receipt.data_set_sha256) == one.data_set_sha256
        assert receipt.location == one.location
        assert receipt.study_instance_uid == one.attributes.study_instance_uid
        assert receipt.patient_name == one.attributes.patient_name
        assert receipt.requested_procedure_ids == one.attributes.requested_procedure_ids


def test_statements_are_planned_once_per_connection(
    folder_space: StorageSpace, group_commit: GroupCommit
) -> None:
    for _ in range(3):
        group_commit.commit(stored_in(folder_space))
    with group_commit.borrow() as database, database.cursor() as cursor:
        cursor.execute("SELECT generic_plans + custom_plans FROM pg_prepared_statements")
        assert cursor.fetchall() == [(3,), (3,)]


def test_a_connection_that_was_cut_is_replaced_by_one_that_knows_the_statements(
    folder_space: StorageSpace, group_commit: GroupCommit
) -> None:
    group_commit.commit(stored_in(folder_space))
    with group_commit.borrow() as database, database.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (backend_pid,) = cursor.fetchone()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [backend_pid])
    group_commit.commit(stored_in(folder_space))
    assert Receipt.objects.count() == 2
