"""C-GET as a peer sees it: objects on the same association, counts, and what failed."""

from collections.abc import Callable

import pytest
from django.utils import timezone
from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit

from ingestion.models import Instance, LocalApplicationEntity, StorageSpace
from tests.builders import build_ct, data_set_bytes, part10_bytes
from tests.held_instances import hold
from tests.integration.dimse.conftest import Service, Start
from tests.integration.dimse.retrieving import (
    CANCELLED,
    CT_CONTEXTS,
    GET_RQ,
    MR_IMAGE_STORAGE,
    NONE_SENT,
    PATIENT_ROOT_GET,
    PATIENT_STUDY_ONLY_GET,
    SOME_FAILED,
    STUDY_ROOT_GET,
    SUCCESS,
    Retrieved,
    associate_to_get,
    cancel_request,
    collect,
    extended,
    hold_study,
    identifier,
    retrieve_request,
    scp_roles,
)
from tests.receipts import make_space
from tests.scripted_acceptor import Message
from tests.scripted_peer import (
    ABORT,
    CT_IMAGE_STORAGE,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    RELEASE_RP,
    ScriptedPeer,
    abort,
    echo_command,
    message,
    store_command,
)

Ask = Callable[..., Retrieved]


@pytest.fixture
def service(start_service: Start) -> Service:
    return start_service()


def get(
    peer: ScriptedPeer,
    keys: bytes,
    *,
    sop_class_uid: str = STUDY_ROOT_GET,
    answer: Callable[[Message], int] = lambda _request: 0,
    before_answer: Callable[[Message], None] = lambda _request: None,
) -> Retrieved:
    peer.send(retrieve_request(GET_RQ, sop_class_uid, keys))
    return collect(peer, answer=answer, before_answer=before_answer)


def uids(study: list[Dataset]) -> list[str]:
    return [image.SOPInstanceUID for image in study]


def study_key(study: list[Dataset]) -> bytes:
    return identifier("STUDY", StudyInstanceUID=study[0].StudyInstanceUID)


def test_study_comes_to_the_byte_and_in_order(service: Service, study: list[Dataset]) -> None:
    with associate_to_get(service.connect()) as peer:
        retrieved = get(peer, study_key(study))
        assert peer.release().kind == RELEASE_RP
    assert list(retrieved.stored) == uids(study)
    for image in study:
        came = retrieved.stored[image.SOPInstanceUID]
        assert came.data_set == data_set_bytes(image)
        assert came.elements[0x0002].rstrip(b"\0").decode() == CT_IMAGE_STORAGE
        assert 0x1030 not in came.elements, "a Move Originator is of C-MOVE alone"
    assert retrieved.final.status == SUCCESS
    assert retrieved.final.counts == (None, 3, 0, 0)
    assert retrieved.pending[0].counts == (3, 0, 0, 0)


def test_each_level_of_each_model(service: Service, study: list[Dataset]) -> None:
    image = study[1]
    every = {
        "PatientID": image.PatientID,
        "StudyInstanceUID": image.StudyInstanceUID,
        "SeriesInstanceUID": image.SeriesInstanceUID,
        "SOPInstanceUID": image.SOPInstanceUID,
    }
    models = {
        PATIENT_ROOT_GET: ["PATIENT", "STUDY", "SERIES", "IMAGE"],
        STUDY_ROOT_GET: ["STUDY", "SERIES", "IMAGE"],
        PATIENT_STUDY_ONLY_GET: ["PATIENT", "STUDY"],
    }
    for sop_class_uid, levels in models.items():
        with associate_to_get(service.connect(), sop_class_uid=sop_class_uid) as peer:
            for level in levels:
                retrieved = get(peer, identifier(level, **every), sop_class_uid=sop_class_uid)
                expected = [image.SOPInstanceUID] if level == "IMAGE" else uids(study)
                assert list(retrieved.stored) == expected, (sop_class_uid, level)
                assert retrieved.final.status == SUCCESS


def test_list_of_uids_and_nothing_that_matches(service: Service, study: list[Dataset]) -> None:
    with associate_to_get(service.connect()) as peer:
        keys = {
            "StudyInstanceUID": study[0].StudyInstanceUID,
            "SeriesInstanceUID": study[0].SeriesInstanceUID,
        }
        some = identifier("IMAGE", SOPInstanceUID=[*uids(study)[::2], "1.2.3"], **keys)
        assert list(get(peer, some).stored) == uids(study)[::2]
        none = get(peer, identifier("STUDY", StudyInstanceUID="1.2.3"))
        assert (none.final.status, none.final.counts, none.pending) == (0, (None, 0, 0, 0), [])


def test_keys_above_are_needed_unless_relational_retrieval_was_agreed(
    service: Service, study: list[Dataset]
) -> None:
    keys = identifier("IMAGE", SOPInstanceUID=study[1].SOPInstanceUID)
    with associate_to_get(service.connect()) as peer:
        refused = get(peer, keys).final
        assert (refused.status, refused.counts) == (0xA900, (None,) * 4)
        assert refused.offending_elements == bytes.fromhex("2000 0d00")
        assert refused.comment == "StudyInstanceUID must have one value"
        assert get(peer, study_key(study)).final.status == SUCCESS, "the association goes on"
    items = scp_roles(CT_CONTEXTS) + extended(STUDY_ROOT_GET, b"\x01")
    with associate_to_get(service.connect(), user_items=items) as peer:
        assert list(get(peer, keys).stored) == [study[1].SOPInstanceUID]


@pytest.mark.parametrize(
    ("keys", "status"),
    [
        (identifier("PATIENT", PatientID="P-1001"), 0xA900),
        (identifier("FRAME", StudyInstanceUID="1.2"), 0xA900),
        (identifier("STUDY", StudyInstanceUID="1.*"), 0xA900),
        (identifier("STUDY"), 0xA900),
        (b"", 0xA900),
        (b"\x08\x00\x52\x00\xff\xff\x00\x00CS", 0xC000),
        (b"\x08\x00\x52\x00" + (2 << 20).to_bytes(4, "little") + bytes(2 << 20), 0xC000),
    ],
    ids=["level of another model", "unknown level", "pattern", "no key", "empty", "cut", "huge"],
)
def test_identifier_that_cannot_be_served_is_refused(
    service: Service, study: list[Dataset], keys: bytes, status: int
) -> None:
    with associate_to_get(service.connect()) as peer:
        refused = get(peer, keys)
        assert (refused.final.status, refused.stored) == (status, {})
        assert get(peer, study_key(study)).final.counts == (None, 3, 0, 0)


def test_statuses_of_the_peer_add_up(service: Service, study: list[Dataset]) -> None:
    statuses = dict(zip(uids(study), (0x0000, 0xA700, 0xB007), strict=True))
    with associate_to_get(service.connect()) as peer:
        retrieved = get(
            peer, study_key(study), answer=lambda request: statuses[request.sop_instance_uid]
        )
        assert retrieved.final.status == SOME_FAILED
        assert retrieved.final.counts == (None, 1, 1, 1)
        assert retrieved.final.failed_uids == [study[1].SOPInstanceUID]
        all_failed = get(peer, study_key(study), answer=lambda _request: 0xC001)
        assert all_failed.final.status == NONE_SENT
        assert all_failed.final.counts == (None, 0, 3, 0)
        assert all_failed.final.failed_uids == uids(study)
        assert all_failed.final.comment == "the peer answered C-STORE with C001"


def test_peer_that_takes_no_role_gets_nothing_and_is_told(
    service: Service, study: list[Dataset]
) -> None:
    with associate_to_get(service.connect(), user_items=b"") as peer:
        retrieved = get(peer, study_key(study))
    assert (retrieved.final.status, retrieved.stored) == (NONE_SENT, {})
    assert retrieved.final.failed_uids == uids(study)
    assert retrieved.final.comment == "the peer has no context as SCP for its SOP Class"


def test_role_of_scp_alone_lets_the_peer_store_nothing(
    service: Service, study: list[Dataset]
) -> None:
    image = build_ct()
    with associate_to_get(service.connect()) as peer:
        command = store_command(image.SOPInstanceUID)
        assert peer.request(3, command, data_set_bytes(image)).status == 0x0211
        assert get(peer, study_key(study)).final.status == SUCCESS


def test_sop_class_without_a_context_fails_singly(
    service: Service, space: StorageSpace, study: list[Dataset]
) -> None:
    other = build_ct(
        study_instance_uid=study[0].StudyInstanceUID,
        extra=[(0x00080016, "UI", MR_IMAGE_STORAGE)],
    )
    hold(space, part10_bytes(other))
    with associate_to_get(service.connect()) as peer:
        retrieved = get(peer, study_key(study))
        assert list(retrieved.stored) == uids(study)
        assert retrieved.final.status == SOME_FAILED
        assert retrieved.final.counts == (None, 3, 1, 0)
        assert retrieved.final.failed_uids == [other.SOPInstanceUID]


def test_stored_syntax_goes_before_others_and_is_transcoded_where_it_must(
    service: Service, space: StorageSpace
) -> None:
    native = build_ct()
    compressed = build_ct(
        study_instance_uid=native.StudyInstanceUID, transfer_syntax_uid=JPEGBaseline8Bit
    )
    hold(space, part10_bytes(native))
    hold(space, part10_bytes(compressed))
    each = [(3, CT_IMAGE_STORAGE, [IMPLICIT_LITTLE]), (5, CT_IMAGE_STORAGE, [EXPLICIT_LITTLE])]
    with associate_to_get(
        service.connect(), [*each, (7, CT_IMAGE_STORAGE, [JPEGBaseline8Bit])]
    ) as peer:
        retrieved = get(peer, study_key([native]))
        came = {uid: request.context_id for uid, request in retrieved.stored.items()}
        assert came == {native.SOPInstanceUID: 5, compressed.SOPInstanceUID: 7}
        assert retrieved.stored[compressed.SOPInstanceUID].data_set == data_set_bytes(compressed)
    with associate_to_get(service.connect(), each[:1]) as peer:
        retrieved = get(peer, study_key([native]))
        assert retrieved.stored[native.SOPInstanceUID].data_set == data_set_bytes(
            native, IMPLICIT_LITTLE
        )
        assert retrieved.final.failed_uids == [compressed.SOPInstanceUID]  # no JPEG in it
        assert retrieved.final.status == SOME_FAILED


def test_missing_object_fails_singly(service: Service, study: list[Dataset]) -> None:
    missing = next(path for path in service.stored_files() if study[1].SOPInstanceUID in path.name)
    missing.unlink()
    with associate_to_get(service.connect()) as peer:
        retrieved = get(peer, study_key(study))
        assert list(retrieved.stored) == uids(study)[::2]
        assert retrieved.final.failed_uids == [study[1].SOPInstanceUID]
        assert retrieved.final.status == SOME_FAILED
        missing.write_bytes(b"short")
        assert get(peer, study_key(study)).final.failed_uids == [study[1].SOPInstanceUID]


def test_deleted_instances_and_other_spaces_are_not_sent(
    service: Service, space: StorageSpace, study: list[Dataset]
) -> None:
    other = make_space("other", backend="filesystem", options=space.options, prefix="other/")
    LocalApplicationEntity.objects.create(ae_title="OTHER", storage_space=other)
    elsewhere = hold_study(other, 1)
    Instance.objects.filter(sop_instance_uid=study[0].SOPInstanceUID).update(
        deleted_at=timezone.now()
    )
    with associate_to_get(service.connect()) as peer:
        assert list(get(peer, study_key(study)).stored) == uids(study)[1:]
        assert get(peer, study_key(elsewhere)).final.counts == (None, 0, 0, 0)
    with associate_to_get(service.connect(), called="OTHER") as peer:
        assert list(get(peer, study_key(elsewhere)).stored) == uids(elsewhere)


def test_cancel_stops_before_the_next_instance(service: Service, study: list[Dataset]) -> None:
    with associate_to_get(service.connect()) as peer:
        retrieved = get(
            peer, study_key(study), before_answer=lambda _request: peer.send(cancel_request())
        )
        assert retrieved.final.status == CANCELLED
        assert retrieved.final.counts == (2, 1, 0, 0)
        assert len(retrieved.stored) == 1
        peer.send(cancel_request())  # too late: it means nothing
        assert peer.request(3, echo_command()).status == 0x0211
        assert get(peer, study_key(study)).final.status == SUCCESS


def test_cancel_of_another_message_means_nothing(service: Service, study: list[Dataset]) -> None:
    with associate_to_get(service.connect()) as peer:
        retrieved = get(
            peer, study_key(study), before_answer=lambda _request: peer.send(cancel_request(99))
        )
        assert retrieved.final.counts == (None, 3, 0, 0)


def test_peer_that_aborts_in_the_middle_ends_it(
    start_service: Start, space: StorageSpace, study: list[Dataset]
) -> None:
    service = start_service()
    with associate_to_get(service.connect()) as peer:
        peer.send(retrieve_request(GET_RQ, STUDY_ROOT_GET, study_key(study)), abort())
        assert peer.is_closed()
    with associate_to_get(service.connect()) as peer:
        assert get(peer, study_key(study)).final.status == SUCCESS


def test_response_to_another_message_is_a_violation(service: Service, study: list[Dataset]) -> None:
    with associate_to_get(service.connect()) as peer:
        peer.send(retrieve_request(GET_RQ, STUDY_ROOT_GET, study_key(study)))
        peer.read_pdu()  # the first Pending response
        wrong = bytes.fromhex("0000 0001 0200 0000 0180 0000 2001 0200 0000 0900")
        wrong += bytes.fromhex("0000 0008 0200 0000 0101 0000 0009 0200 0000 0000")
        length = b"\0\0\0\0\x04\0\0\0" + len(wrong).to_bytes(4, "little")
        peer.send(message(3, length + wrong))
        kinds = []
        while (kind := peer.read_pdu().kind) != ABORT:
            kinds.append(kind)
        assert peer.is_closed()


def test_undecodable_pixels_fail_singly(service: Service, space: StorageSpace) -> None:
    good, broken = hold_study(space, 1)[0], build_ct(transfer_syntax_uid=JPEG2000Lossless)
    broken.StudyInstanceUID = good.StudyInstanceUID
    hold(space, part10_bytes(broken))
    with associate_to_get(service.connect()) as peer:
        retrieved = get(peer, study_key([good]))
        assert list(retrieved.stored) == [good.SOPInstanceUID]
        assert retrieved.final.failed_uids == [broken.SOPInstanceUID]
