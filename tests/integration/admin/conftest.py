"""A signed-in administrator, and one row or more of everything that the screens show."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from ingestion.domain.commitment_information import (
    ActionInformation,
    EventInformation,
    Reference,
)
from ingestion.domain.workitem_states import ProcedureStepState
from ingestion.models import (
    AccessToken,
    AttributeConflict,
    Backend,
    LocalApplicationEntity,
    Outcome,
    Receipt,
    RemoteApplicationEntity,
    StorageCommitment,
    StorageSpace,
    Study,
)
from ingestion.models.access_token import token_digest
from ingestion.use_cases.change_workitem import change_workitem_state
from ingestion.use_cases.commit_to_storage import CommitmentOrder, accept_commitment
from ingestion.use_cases.create_workitem import create_workitem
from ingestion.use_cases.record_procedure_steps import change_step, create_step
from ingestion.use_cases.register_receipts import register_pending_receipts
from ingestion.use_cases.request_commitments import begin_request, record_result
from ingestion.use_cases.revise_studies import revise_due_studies
from ingestion.use_cases.search_manifest import Scope
from ingestion.use_cases.subscribe_to_workitems import subscribe_to_worklist
from tests.association_records import make_record
from tests.procedure_steps import STEP, begun, ended
from tests.receipts import CT, make_receipt, make_space
from tests.workitems import build_workitem

SECRET = "s3cr3t-that-no-page-shows"
TOKEN = "ing_a-token-that-no-page-shows"
LOCK = "1.2.826.0.1.3680043.8.498.77"  # of a workitem, which no page shows either


@pytest.fixture
def administrator(db: None, client: Client) -> Client:
    """A browser with an administrator's session."""
    client.force_login(
        get_user_model().objects.create_superuser("root", password=SECRET),
        backend="django.contrib.auth.backends.ModelBackend",
    )
    return client


@pytest.fixture
def space(db: None, tmp_path: Path) -> StorageSpace:
    """A space with a secret among its options."""
    return make_space(
        backend=Backend.S3,
        options={
            "bucket": "images",
            "endpoint_url": "http://127.0.0.1:9",
            "access_key": "AKIA",
            "secret_key": SECRET,
        },
    )


@pytest.fixture
def held(space: StorageSpace) -> Study:
    """A revised study with a conflict, a replaced version, and receipts of several outcomes."""
    patient: dict[str, Any] = {"patient_name": "Doe^Jane", "patient_name_normalized": "doe jane"}
    for sop in ("1.1", "1.2", "1.3"):
        make_receipt(space, sop=sop, patient_id="P-1", accession_number="A-1", **patient)
    register_all()
    make_receipt(space, sop="1.1", content=b"other", **patient)
    register_all()
    revise_due_studies()
    make_receipt(space, study="1.2.9", series="1.2.9.1", sop="1.1")  # quarantined: other study
    register_all()
    failed = make_receipt(space, sop="1.4")
    Receipt.objects.filter(pk=failed).update(outcome=Outcome.FAILED, reason="out of luck")
    study = Study.objects.get(study_instance_uid="1.2.3")
    AttributeConflict.objects.create(study=study, keyword="PatientName", value="Roe^Jane")
    local = LocalApplicationEntity.objects.create(ae_title="INGEST", storage_space=space)
    remote = RemoteApplicationEntity.objects.create(ae_title="CT_1", host="10.0.0.1", port=104)
    remote.may_call.add(local)
    make_record(storage_space=space)
    token = AccessToken.objects.create(
        name="viewer", digest=token_digest(TOKEN), expires_at=timezone.now()
    )
    token.spaces.add(space)
    subscribe_to_worklist(space, ae_title="WATCHER", matching_keys="", has_deletion_lock=True)
    claimed = create_workitem(space, build_workitem(), sop_instance_uid="1.2.8").workitem
    change_workitem_state(
        Scope((space.pk,)),
        claimed.sop_instance_uid,
        wanted=ProcedureStepState.IN_PROGRESS,
        transaction_uid=LOCK,
    )
    _keep_what_modalities_say(space, local, remote)
    return study


def _keep_what_modalities_say(
    space: StorageSpace, local: LocalApplicationEntity, remote: RemoteApplicationEntity
) -> None:
    """A completed step, a commitment that is judged, one that we asked for."""
    create_step(space, begun(), sop_instance_uid=STEP)
    change_step(space, STEP, ended("1.1", "1.2"))
    action = ActionInformation("1.2.77", (Reference(CT, "1.1"), Reference(CT, "1.9")))
    order = CommitmentOrder(space, remote.ae_title, local.ae_title, "10.0.0.1", action)
    commitment = accept_commitment(order).commitment_id
    failed = [[CT, "1.9", 0x0112]]
    StorageCommitment.objects.filter(pk=commitment).update(failed=failed, judged_at=Now())
    request, _ = begin_request(remote, action.references)
    told = EventInformation(request.transaction_uid, action.references[:1], ())
    record_result(told, ae_title=remote.ae_title)


@pytest.fixture
def many_studies(space: StorageSpace) -> Callable[[int], None]:
    """Makes so many more studies."""

    def make(number: int) -> None:
        Study.objects.bulk_create(
            Study(storage_space=space, study_instance_uid=f"1.9.{n}", patient_id=f"M-{n}")
            for n in range(number)
        )

    return make


def register_all() -> None:
    """Register whatever is pending."""
    while register_pending_receipts():
        pass
