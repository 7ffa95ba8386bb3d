"""Orphans are found and leave after retention; what is known stays; what is missing is told."""

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ingestion.models import Outcome, Receipt, RetiredObject, SenderKind, StorageSpace
from ingestion.use_cases.commit_receipts import commit_receipts
from ingestion.use_cases.reconcile_objects import reconcile_objects
from ingestion.use_cases.register_receipts import register_pending_receipts
from ingestion.use_cases.retain_objects import remove_retired_objects
from ingestion.use_cases.store_instance import Sender, StoredInstance, receive_file
from tests.builders import build_ct, part10_bytes
from tests.receipts import make_space

pytestmark = pytest.mark.django_db(transaction=True)

TWO_DAYS = 2 * 24 * 3600


@pytest.fixture
def space(tmp_path: Path) -> StorageSpace:
    return make_space(backend="filesystem", options={"root": str(tmp_path / "objects")})


def put(space: StorageSpace, content: bytes = b"") -> StoredInstance:
    """An object without receipt, two days old."""
    with receive_file(space, Sender(SenderKind.STOW, "r1")) as incoming:
        incoming.write(content or part10_bytes(build_ct()))
        stored = incoming.store()
    before = time.time() - TWO_DAYS
    os.utime(path_of(space, stored), (before, before))
    return stored


def held(space: StorageSpace) -> StoredInstance:
    """An object in the manifest, received two days ago."""
    stored = put(space)
    commit_receipts([stored])
    register_pending_receipts()
    return stored


def path_of(space: StorageSpace, stored: StoredInstance) -> Path:
    return Path(space.options["root"]) / stored.location


def run(*arguments: str) -> int:
    try:
        call_command("reconcile_objects", *arguments)
    except CommandError as error:
        return error.returncode
    except SystemExit as ended:
        return int(str(ended.code))
    return 0


def test_store_that_holds_what_is_known_is_in_order(
    space: StorageSpace, capsys: pytest.CaptureFixture[str]
) -> None:
    held(space)
    pending = put(space)
    commit_receipts([pending])
    assert run() == 0
    assert "main: 2 objects, 0 orphans, 0 missing, 0 not ours" in capsys.readouterr().out


def test_orphan_is_told_and_stays(space: StorageSpace, capsys: pytest.CaptureFixture[str]) -> None:
    held(space)
    orphan = put(space)
    assert run("--space", "main") == 1
    told = capsys.readouterr().out
    assert f"orphan\tmain\t{orphan.size_bytes}\t{orphan.location}\n" in told
    assert "main: 2 objects, 1 orphans, 0 missing" in told
    assert not RetiredObject.objects.exists()


def test_orphan_is_removed_when_retention_has_ended(space: StorageSpace) -> None:
    kept, orphan = held(space), put(space)
    assert run("--remove") == 1
    retired = RetiredObject.objects.get()
    assert (retired.location, retired.reason) == (orphan.location, "orphaned")
    assert retired.removable_at > timezone.now() + timedelta(days=29)
    assert remove_retired_objects() == 0
    assert run("--remove") == 0, "it is known now"
    RetiredObject.objects.update(removable_at=timezone.now())
    assert remove_retired_objects() == 1
    assert not path_of(space, orphan).exists()
    assert path_of(space, kept).exists()


def test_orphan_that_a_sender_brings_again_stays(space: StorageSpace) -> None:
    content = part10_bytes(build_ct())
    put(space, content)
    assert run("--remove") == 1
    again = put(space, content)
    commit_receipts([again])
    register_pending_receipts()
    RetiredObject.objects.update(removable_at=timezone.now())
    assert remove_retired_objects() == 1
    assert path_of(space, again).exists()


def test_young_object_may_yet_get_its_receipt(space: StorageSpace) -> None:
    os.utime(path_of(space, put(space)))
    assert run() == 0


def test_what_we_did_not_put_there_is_left_alone(
    space: StorageSpace, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(space.options["root"])
    root.mkdir()
    (root / "notes.txt").write_text("not ours")
    os.utime(root / "notes.txt", (0, 0))
    assert run("--remove") == 0
    assert "1 objects, 0 orphans, 0 missing, 1 not ours" in capsys.readouterr().out
    assert not RetiredObject.objects.exists()


@pytest.mark.parametrize("outcome", [Outcome.PENDING, Outcome.REGISTERED])
def test_known_object_that_is_not_there_is_told(
    space: StorageSpace, capsys: pytest.CaptureFixture[str], outcome: Outcome
) -> None:
    stored = put(space)
    commit_receipts([stored])
    if outcome == Outcome.REGISTERED:
        register_pending_receipts()
    assert Receipt.objects.get().outcome == outcome
    path_of(space, stored).unlink()
    assert run() == 1
    assert capsys.readouterr().out.count(f"missing\tmain\t\t{stored.location}\n") == 1


def test_spaces_that_share_a_folder_leave_each_others_objects(tmp_path: Path) -> None:
    options = {"root": str(tmp_path / "objects")}
    outer = make_space("outer", backend="filesystem", options=options)
    inner = make_space("inner", backend="filesystem", options=options, prefix="inner")
    held(outer)
    held(inner)
    assert run("--remove") == 0
    assert not RetiredObject.objects.exists()


def test_nested_folders_are_not_compared(tmp_path: Path) -> None:
    for name, root in (("outer", tmp_path), ("inner", tmp_path / "inner")):
        held(make_space(name, backend="filesystem", options={"root": str(root)}))
    assert run("--remove") == 2
    assert not RetiredObject.objects.exists()


def test_unknown_space_cannot_work(space: StorageSpace) -> None:
    assert run("--space", "nowhere") == 2


def test_batch_costs_one_statement(space: StorageSpace) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as queries:
            list(reconcile_objects(space))
        return len(queries)

    held(space)
    of_one = statements()
    for _ in range(5):
        put(space)
    assert statements() == of_one == 4  # the spaces, the table, the batch, what is missing
