"""Procedure steps and availability notifications over the wire. Source: PS3.4 Annexes F, R."""

import struct
from collections.abc import Iterator

import pytest
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pynetdicom import AE
from pynetdicom.association import Association

from ingestion.dicom.json_model import JsonDataSet, element
from ingestion.models import (
    CompletenessHint,
    LocalApplicationEntity,
    PerformedProcedureStep,
    StorageSpace,
    StudyRevision,
)
from ingestion.use_cases.hint_completeness import fulfil_hints
from ingestion.use_cases.register_receipts import register_pending_receipts
from ingestion.use_cases.revise_studies import revise_due_studies
from tests.builders import build_ct, data_set_bytes
from tests.dicom_peers import call
from tests.integration.dimse.conftest import Service, Start, store
from tests.procedure_steps import STEP, begun, ended, notification
from tests.receipts import make_space
from tests.scripted_peer import (
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    RELEASE_RP,
    Response,
    command_set,
)

PROCEDURE_STEP = "1.2.840.10008.3.1.2.3.3"
RETRIEVE_STEP = "1.2.840.10008.3.1.2.3.4"
AVAILABILITY = "1.2.840.10008.5.1.4.33"
N_CREATE_RQ = 0x0140
CONTEXT_ID = 1


@pytest.fixture
def service(start_service: Start) -> Service:
    return start_service()


@pytest.fixture(params=[EXPLICIT_LITTLE, IMPLICIT_LITTLE, "1.2.840.10008.1.2.2"])
def syntax(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def modality(service: Service) -> Iterator[Association]:
    """CT1's association for all three services."""
    yield from _associated(service, EXPLICIT_LITTLE)


def _associated(service: Service, syntax: str, *, called: str = "INGEST") -> Iterator[Association]:
    peer = AE("MODALITY")
    for sop_class in (PROCEDURE_STEP, RETRIEVE_STEP, AVAILABILITY):
        peer.add_requested_context(sop_class, syntax)
    association = call(peer, service.port, ae_title=called)
    yield association
    if association.is_established:
        association.release()


def as_dataset(data_set: JsonDataSet) -> Dataset:
    return Dataset.from_json(data_set)


def create(association: Association, step: JsonDataSet, uid: str | None = STEP) -> Dataset:
    status, _ = association.send_n_create(as_dataset(step), PROCEDURE_STEP, uid)
    return status


def change(association: Association, changes: JsonDataSet) -> Dataset:
    status, _ = association.send_n_set(as_dataset(changes), PROCEDURE_STEP, STEP)
    return status


def read(association: Association, *tags: int) -> tuple[int, Dataset | None]:
    wanted = [Tag(tag) for tag in tags]
    status, data_set = association.send_n_get(wanted, RETRIEVE_STEP, STEP)
    return int(status.Status), data_set


def test_step_is_created_changed_and_read_in_every_transfer_syntax(
    service: Service, syntax: str
) -> None:
    name = {"vr": "PN", "Value": [{"Alphabetic": "MÜLLER^JÖRG", "Ideographic": "山田^太郎"}]}
    charset = element("CS", "ISO_IR 192")
    for association in _associated(service, syntax):
        step = begun({"00100010": name, "00080005": charset})
        assert create(association, step).Status == 0
        assert change(association, ended("1.1", "1.2")).Status == 0
        status, told = read(association)
    assert status == 0
    assert told is not None
    assert told.PerformedProcedureStepStatus == "COMPLETED"
    assert told.PatientName == "MÜLLER^JÖRG=山田^太郎"
    assert told.SpecificCharacterSet == "ISO_IR 192"
    images = told.PerformedSeriesSequence[0].ReferencedImageSequence
    assert [item.ReferencedSOPInstanceUID for item in images] == ["1.1", "1.2"]
    assert PerformedProcedureStep.objects.get().patient_name == "MÜLLER^JÖRG=山田^太郎"


def test_only_attributes_asked_for_are_told(modality: Association) -> None:
    create(modality, begun())
    status, told = read(modality, 0x00400252, 0x00400253, 0x00080090)
    assert (status, told) == (
        0,
        as_dataset({"00400252": element("CS", "IN PROGRESS"), "00400253": element("SH", "PPS1")}),
    )


def create_encoded(
    service: Service, step: JsonDataSet, *, uid: str = "", change: tuple[bytes, bytes] = (b"", b"")
) -> Response:
    """The response to a step whose encoded data set is changed somewhere."""
    with service.connect() as peer:
        peer.associate([(CONTEXT_ID, PROCEDURE_STEP, [EXPLICIT_LITTLE])])
        encoded = data_set_bytes(as_dataset(step), EXPLICIT_LITTLE).replace(*change)
        command = command_set(
            N_CREATE_RQ, sop_class_uid=PROCEDURE_STEP, sop_instance_uid=uid, data_set_type=0
        )
        response = peer.request(CONTEXT_ID, command, encoded)
        assert peer.release().kind == RELEASE_RP  # the association went on
    return response


@pytest.mark.parametrize("uid", ["abc", "1.2\0.3", "1..2"])
def test_uid_that_is_none_is_refused(service: Service, uid: str) -> None:
    assert create_encoded(service, begun(), uid=uid).status == 0x0117


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ((b"DOE^JANE", b"DOE\0JANE"), 0x0106),
        ((b"PPS1", b"P\0S1"), 0x0106),
        ((b"\x40\x00\x70\x02SQ", b"\x40\x00\x70\x02UT"), 0x0121),
        ((b"CT1", b"\xff\xfe\x80"), 0),
        ((b"\x40\x00\x70\x02SQ", b"\x40\x00\x70\x02S"), 0x0115),
    ],
    ids=["null in a name", "null in an id", "no sequence", "no ASCII", "cut off"],
)
def test_odd_bytes_are_kept_or_refused(
    service: Service, change: tuple[bytes, bytes], status: int
) -> None:
    assert create_encoded(service, begun(), change=change).status == status


def test_response_names_the_attributes_that_are_missing(service: Service) -> None:
    response = create_encoded(service, begun({"00080060": None, "00400253": None}))
    assert response.status == 0x0120
    identifiers = struct.unpack("<4H", response.elements[0x1005])  # PS3.7 C.5.13
    assert sorted(zip(identifiers[::2], identifiers[1::2], strict=True)) == [
        (0x0008, 0x0060),
        (0x0040, 0x0253),
    ]
    assert response.comment == "PerformedProcedureStepID, Modality must be there"


def test_uid_of_a_step_that_has_none_is_returned(service: Service) -> None:
    response = create_encoded(service, begun())
    assert (response.status, response.command_field) == (0, 0x8140)
    assert response.sop_instance_uid == PerformedProcedureStep.objects.get().sop_instance_uid


def test_ended_step_is_not_changed_and_the_reason_has_its_id(modality: Association) -> None:
    create(modality, begun())
    assert change(modality, ended("1.1")).Status == 0
    refused = change(modality, ended("1.1", "1.2"))
    assert (refused.Status, refused.ErrorID) == (0x0110, 0xA710)
    assert refused.ErrorComment == "Performed Procedure Step Object may no longer be updated"


def test_refusals_have_the_statuses_of_the_standard(modality: Association) -> None:
    assert change(modality, ended("1.1")).Status == 0x0112
    assert read(modality)[0] == 0x0112
    assert create(modality, begun({"00080060": None})).Status == 0x0120
    assert create(modality, begun({"00080060": element("CS")})).Status == 0x0121
    assert create(modality, begun({"00400252": element("CS", "COMPLETED")})).Status == 0x0106
    assert create(modality, begun()).Status == 0
    assert create(modality, begun()).Status == 0x0111
    unknown, _ = modality.send_n_get([], PROCEDURE_STEP, STEP)
    assert unknown.Status == 0x0211
    assert modality.is_established


def test_step_of_another_space_is_unknown(start_service: Start) -> None:
    LocalApplicationEntity.objects.create(ae_title="OTHER", storage_space=make_space("other"))
    service = start_service()
    for modality in _associated(service, EXPLICIT_LITTLE):
        create(modality, begun())
    for modality in _associated(service, EXPLICIT_LITTLE, called="OTHER"):
        assert change(modality, ended("1.1")).Status == 0x0112


def test_completed_step_closes_its_study_without_waiting(
    service: Service, modality: Association, space: StorageSpace
) -> None:
    StorageSpace.objects.update(quiet_seconds=3600, max_wait_seconds=3600)
    datasets = [build_ct(), build_ct()]
    study = datasets[1].StudyInstanceUID = datasets[0].StudyInstanceUID
    uids = [str(dataset.SOPInstanceUID) for dataset in datasets]
    create(modality, begun(study=str(study)))
    with service.connect() as peer:
        peer.associate()
        for number, dataset in enumerate(datasets):
            assert store(peer, dataset).status == 0
            if number == 0:
                assert change(modality, ended(*uids)).Status == 0
            work()
            assert StudyRevision.objects.count() == number
    additions = StudyRevision.objects.get().additions
    assert sorted(added.partition("/")[2] for added in additions) == sorted(uids)


def test_availability_notification_is_taken_as_a_hint(modality: Association) -> None:
    told = as_dataset(notification("ONLINE", "ONLINE"))
    status, _ = modality.send_n_create(told, AVAILABILITY, "1.2.7")
    assert status.Status == 0
    hint = CompletenessHint.objects.get()
    assert (hint.source, hint.source_uid, hint.study_instance_uid) == (
        "availability",
        "1.2.7",
        "1.2.3",
    )
    assert hint.sop_instance_uids == ["1.2.3.1", "1.2.3.2"]
    repeated, _ = modality.send_n_create(told, AVAILABILITY, "1.2.7")
    assert repeated.Status == 0x0111
    del told.StudyInstanceUID
    refused, _ = modality.send_n_create(told, AVAILABILITY, "1.2.8")
    assert refused.Status == 0x0120


def work() -> None:
    """What the workers do once they are awake."""
    while register_pending_receipts():
        pass
    fulfil_hints()
    revise_due_studies()
