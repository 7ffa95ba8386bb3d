"""pynetdicom as the peer: retrieves by its own C-GET and C-MOVE, and is the destination."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, build_role, evt
from pynetdicom.association import Association

from ingestion.dimse.requestor.association_pool import process_pool
from ingestion.models import RemoteApplicationEntity, StorageSpace
from tests.builders import data_set_bytes
from tests.dicom_peers import call
from tests.integration.dimse.conftest import Start
from tests.integration.dimse.retrieving import STUDY_ROOT_GET, STUDY_ROOT_MOVE, hold_study


class Kept:
    """What a pynetdicom SCP was sent."""

    def __init__(self) -> None:
        self.data_sets: dict[str, bytes] = {}
        self.syntaxes: set[UID] = set()
        self.handlers: list[Any] = [(evt.EVT_C_STORE, self._keep)]

    def _keep(self, event: Any) -> int:
        self.data_sets[event.request.AffectedSOPInstanceUID] = event.request.DataSet.getvalue()
        self.syntaxes.add(event.context.transfer_syntax)
        return 0x0000


def keys(study: list[Dataset]) -> Dataset:
    identifier = Dataset()
    identifier.QueryRetrieveLevel = "STUDY"
    identifier.StudyInstanceUID = study[0].StudyInstanceUID
    return identifier


@contextmanager
def associated(entity: AE, port: int, **options: Any) -> Iterator[Association]:
    association = call(entity, port, **options)
    yield association
    association.release()


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_send_c_get(start_service: Start, space: StorageSpace, syntax: UID) -> None:
    study, service, kept = hold_study(space, 20), start_service(), Kept()
    entity = AE("MODALITY")
    entity.add_requested_context(STUDY_ROOT_GET)
    entity.add_requested_context(CTImageStorage, syntax)
    roles = [build_role(CTImageStorage, scp_role=True)]
    with associated(entity, service.port, ext_neg=roles, handlers=kept.handlers) as association:
        responses = association.send_c_get(keys(study), STUDY_ROOT_GET)
        statuses = [status for status, _ in responses]
    assert [status.Status for status in statuses][-1] == 0x0000
    assert {status.Status for status in statuses[:-1]} <= {0xFF00}
    assert statuses[-1].NumberOfCompletedSuboperations == 20
    assert "NumberOfRemainingSuboperations" not in statuses[-1]
    assert kept.data_sets == {
        image.SOPInstanceUID: data_set_bytes(image, syntax) for image in study
    }


def test_send_c_get_names_what_failed(start_service: Start, space: StorageSpace) -> None:
    study, service, kept = hold_study(space, 3), start_service(), Kept()
    service.stored_files()[0].unlink()
    entity = AE("MODALITY")
    entity.add_requested_context(STUDY_ROOT_GET)
    entity.add_requested_context(CTImageStorage)
    roles = [build_role(CTImageStorage, scp_role=True)]
    with associated(entity, service.port, ext_neg=roles, handlers=kept.handlers) as association:
        responses = association.send_c_get(keys(study), STUDY_ROOT_GET)
        status, failed = list(responses)[-1]
    assert failed is not None
    assert status.Status == 0xB000
    missing = {image.SOPInstanceUID for image in study} - set(kept.data_sets)
    assert missing == {failed.FailedSOPInstanceUIDList}


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_send_c_move(start_service: Start, space: StorageSpace, syntax: UID) -> None:
    study, service, kept = hold_study(space, 20), start_service(), Kept()
    receiver = AE("RECEIVER")
    receiver.add_supported_context(CTImageStorage, syntax)
    server: Any = receiver.start_server(("127.0.0.1", 0), block=False, evt_handlers=kept.handlers)
    RemoteApplicationEntity.objects.create(
        ae_title="RECEIVER", host="127.0.0.1", port=server.server_address[1], associations_max=2
    )
    entity = AE("MODALITY")
    entity.add_requested_context(STUDY_ROOT_MOVE)
    with associated(entity, service.port) as association:
        responses = association.send_c_move(keys(study), "RECEIVER", STUDY_ROOT_MOVE)
        final = list(responses)[-1][0]
    process_pool().close()
    server.shutdown()
    assert (final.Status, final.NumberOfCompletedSuboperations) == (0x0000, 20)
    assert kept.syntaxes == {syntax}
    assert kept.data_sets == {
        image.SOPInstanceUID: data_set_bytes(image, syntax) for image in study
    }
