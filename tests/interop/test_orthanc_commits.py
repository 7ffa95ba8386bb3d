"""We ask Orthanc for storage commitment; it tells us on an association of its own."""

from pathlib import Path

from ingestion.dimse.services.commitment_requests import request_commitment
from ingestion.domain.commitment_information import Reference
from ingestion.models import CommitmentRequest, RemoteApplicationEntity
from tests.builders import build_ct, new_uid, part10_bytes
from tests.eventually import eventually
from tests.integration.dimse.conftest import Start, space, start_service
from tests.interop.orthanc import AE_TITLE, run_orthanc

__all__ = ["space", "start_service"]  # fixtures


def test_orthanc_commits_to_what_it_holds(start_service: Start, tmp_path: Path) -> None:
    remote = RemoteApplicationEntity.objects.create(
        ae_title=AE_TITLE, host="127.0.0.1", may_call_all=True
    )
    modalities: dict[str, list[object]] = {"us": ["INGEST", "127.0.0.1", start_service().port]}
    held = build_ct()
    known = Reference(str(held.SOPClassUID), str(held.SOPInstanceUID))
    strange = Reference(known.sop_class_uid, new_uid())
    with run_orthanc(tmp_path / "orthanc", modalities=modalities) as orthanc:
        orthanc.store(part10_bytes(held))
        remote.port = orthanc.dicom_port
        request_commitment(remote, [known, strange], calling_ae_title="INGEST", wait_seconds=0.5)
        eventually(
            lambda: CommitmentRequest.objects.get().answered_at is not None, within_seconds=60
        )
    ((_, failed, reason),) = CommitmentRequest.objects.get().failed
    assert (failed, reason) == (strange.sop_instance_uid, 0x0112)
