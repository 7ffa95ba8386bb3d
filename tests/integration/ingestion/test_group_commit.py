"""Receipts of several associations share a commit, and no commit takes more than its limit."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from ingestion.models import Receipt, SenderKind, StorageSpace
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
    assert len([sql for sql in statements if "INSERT" in sql]) == 3
