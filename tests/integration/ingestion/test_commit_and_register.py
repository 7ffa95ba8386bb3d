"""Custody and registration in one transaction: what STOW-RS answers after."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ingestion.models import Outcome, Receipt, RetiredObject, SenderKind, StorageSpace, Study
from ingestion.use_cases.commit_and_register import commit_and_register
from ingestion.use_cases.store_instance import Sender, StoredInstance, receive_file
from tests.builders import build_ct, part10_bytes

pytestmark = pytest.mark.django_db

SENDER = Sender(kind=SenderKind.STOW, conversation_id="r1", principal="tester")
TRANSACTION = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")


def stored(space: StorageSpace, content: bytes) -> StoredInstance:
    with receive_file(space, SENDER) as incoming:
        incoming.write(content)
        return incoming.store()


def messages(captured: CaptureQueriesContext) -> list[str]:
    """What went to the server in one message each, but for the transaction's own."""
    statements = [query["sql"] for query in captured.captured_queries]
    return [sql for sql in statements if not sql.startswith(TRANSACTION)]


def test_an_instance_is_in_custody_and_in_the_manifest_after_two_messages(
    folder_space: StorageSpace,
) -> None:
    commit_and_register([stored(folder_space, part10_bytes(build_ct()))])  # prepares statements
    another = stored(folder_space, part10_bytes(build_ct()))
    with CaptureQueriesContext(connection) as captured:
        outcomes = commit_and_register([another])
    assert outcomes == {another.receipt_id: Outcome.REGISTERED}
    assert len(messages(captured)) == 2
    assert Receipt.objects.get(pk=another.receipt_id).outcome == Outcome.REGISTERED


def test_the_same_objects_in_one_request_are_judged_in_their_order(
    folder_space: StorageSpace,
) -> None:
    dataset = build_ct()
    first = stored(folder_space, part10_bytes(dataset))
    again = stored(folder_space, part10_bytes(dataset))
    dataset.PatientID = "P2"
    changed = stored(folder_space, part10_bytes(dataset))
    assert commit_and_register([first, again, changed]) == {
        first.receipt_id: Outcome.REGISTERED,
        again.receipt_id: Outcome.DUPLICATE,
        changed.receipt_id: Outcome.MODIFIED,
    }
    study = Study.objects.get()
    assert (study.number_of_series, study.number_of_instances) == (1, 1)
    assert study.size_bytes == changed.size_bytes
    assert study.patient_id == "P2"
    assert RetiredObject.objects.get().location == first.location
