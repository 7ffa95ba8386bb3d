"""What modalities tell and ask for, carried on by real workers."""

from pathlib import Path

import pytest

from ingestion.domain.commitment_information import ActionInformation, Reference
from ingestion.models import (
    HintSource,
    RemoteApplicationEntity,
    ReportAssociation,
    StorageCommitment,
    StudyRevision,
)
from ingestion.use_cases.commit_to_storage import CommitmentOrder, accept_commitment
from ingestion.use_cases.hint_completeness import expect_instances
from ingestion.wakeups import Work, wake
from tests.commitment_peer import Told, listening
from tests.eventually import eventually
from tests.integration.workers.conftest import StartCelery
from tests.receipts import CT, make_receipt, make_space

pytestmark = pytest.mark.django_db(transaction=True)


def test_study_that_waits_for_quiet_closes_when_the_last_instance_is_here(
    start_worker: StartCelery, start_celery: StartCelery, broker_url: str
) -> None:
    start_worker(broker_url=broker_url)
    start_celery("beat", broker_url=broker_url)
    space = make_space(quiet_seconds=3600, max_wait_seconds=3600)
    make_receipt(space, sop="1.1")
    expect_instances(
        space,
        "1.2.3",
        sop_instance_uids=["1.1", "1.2"],
        source=HintSource.PROCEDURE_STEP,
        source_uid="1.2.9",
    )
    make_receipt(space, sop="1.2")
    wake(Work.REGISTER_RECEIPTS)
    eventually(StudyRevision.objects.exists, within_seconds=60)
    assert len(StudyRevision.objects.get().additions) == 2


def test_commitment_is_reported_by_wake_ups_alone(
    start_worker: StartCelery, broker_url: str, tmp_path: Path
) -> None:
    start_worker(broker_url=broker_url)
    space = make_space(backend="filesystem", options={"root": str(tmp_path / "objects")})
    action = ActionInformation("1.2.9", (Reference(CT, "1.2.3.4"),))
    with listening(told := Told()) as port:
        RemoteApplicationEntity.objects.create(
            ae_title="MODALITY",
            host="127.0.0.1",
            port=port,
            commitment_reports=ReportAssociation.NEW,
        )
        accept_commitment(CommitmentOrder(space, "MODALITY", "INGEST", "", action))

        def has_told() -> bool:
            # A wake-up is best effort; as the sweep would, say it again until it is heard.
            wake(Work.REPORT_COMMITMENTS)
            return bool(told.reports)

        eventually(has_told, within_seconds=60, every_seconds=1)
        eventually(lambda: StorageCommitment.objects.get().reported_at)
    assert told.failed() == {"1.2.3.4": 0x0112}
    assert StorageCommitment.objects.get().attempts == 1
