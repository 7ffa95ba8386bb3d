"""C-MOVE as both peers see it: who asked, and the destination that is called."""

from contextlib import suppress

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000Lossless

from ingestion.models import RemoteApplicationEntity, StorageSpace
from tests.builders import build_ct, data_set_bytes, part10_bytes
from tests.held_instances import hold
from tests.integration.dimse.conftest import Service, Start
from tests.integration.dimse.moving import Script, destination, move, moved, study_key, uids
from tests.integration.dimse.retrieving import (
    MESSAGE_ID,
    MR_IMAGE_STORAGE,
    NONE_SENT,
    PATIENT_ROOT_MOVE,
    PATIENT_STUDY_ONLY_MOVE,
    SOME_FAILED,
    STUDY_ROOT_MOVE,
    SUCCESS,
    associate_to_move,
    extended,
    hold_study,
    identifier,
)
from tests.scripted_acceptor import (
    ScriptedAcceptor,
    StoringPeer,
    accept,
    associate_rj,
    read_message,
    read_request,
    response,
)
from tests.scripted_peer import (
    CT_IMAGE_STORAGE,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    ConnectionEnded,
    ScriptedPeer,
    abort,
)


@pytest.fixture
def service(start_service: Start) -> Service:
    return start_service()


def test_study_reaches_the_destination_to_the_byte(service: Service, study: list[Dataset]) -> None:
    peer = StoringPeer()
    with destination(peer):
        with associate_to_move(service.connect()) as mover:
            retrieved = move(mover, study_key(study), priority=1)
        assert (retrieved.final.status, retrieved.final.counts) == (SUCCESS, (None, 3, 0, 0))
        assert [message.sop_instance_uid for message in peer.messages] == uids(study)
        for image, message in zip(study, peer.messages, strict=True):
            assert message.data_set == data_set_bytes(image)
            assert message.elements[0x1030].decode().strip() == "MODALITY"
            assert int.from_bytes(message.elements[0x1031], "little") == MESSAGE_ID
            assert message.elements[0x0700] == b"\1\0"
        assert (peer.asked[0].calling, peer.asked[0].called) == ("INGEST", "DEST")


def test_each_level_of_each_model(service: Service, study: list[Dataset]) -> None:
    image = study[1]
    every = {
        "PatientID": image.PatientID,
        "StudyInstanceUID": image.StudyInstanceUID,
        "SeriesInstanceUID": image.SeriesInstanceUID,
        "SOPInstanceUID": image.SOPInstanceUID,
    }
    models = {
        PATIENT_ROOT_MOVE: ["PATIENT", "STUDY", "SERIES", "IMAGE"],
        STUDY_ROOT_MOVE: ["STUDY", "SERIES", "IMAGE"],
        PATIENT_STUDY_ONLY_MOVE: ["PATIENT", "STUDY"],
    }
    peer = StoringPeer()
    with destination(peer):
        for sop_class_uid, levels in models.items():
            with associate_to_move(service.connect(), sop_class_uid=sop_class_uid) as mover:
                for level in levels:
                    keys = identifier(level, **every)
                    peer.messages.clear()
                    final = move(mover, keys, sop_class_uid=sop_class_uid).final
                    expected = [image.SOPInstanceUID] if level == "IMAGE" else uids(study)
                    assert [message.sop_instance_uid for message in peer.messages] == expected
                    assert final.counts == (None, len(expected), 0, 0)


def test_relational_retrieval_is_agreed_or_refused(service: Service, study: list[Dataset]) -> None:
    keys = identifier("SERIES", SeriesInstanceUID=study[0].SeriesInstanceUID)
    with destination(StoringPeer()):
        with associate_to_move(service.connect()) as mover:
            assert move(mover, keys).final.status == 0xA900
        items = extended(STUDY_ROOT_MOVE, b"\x01")
        with associate_to_move(service.connect(), user_items=items) as mover:
            assert move(mover, keys).final.counts == (None, 3, 0, 0)


@pytest.mark.parametrize(
    "fields",
    [{"is_enabled": False}, {"host": ""}, {"port": None}, {"ae_title": "OTHER"}],
    ids=["disabled", "no host", "no port", "another title"],
)
def test_unknown_destination(
    service: Service, study: list[Dataset], fields: dict[str, object]
) -> None:
    values = {"ae_title": "DEST", "host": "127.0.0.1", "port": 1}
    RemoteApplicationEntity.objects.create(**(values | fields))
    final = moved(service, study).final
    assert (final.status, final.counts) == (0xA801, (None,) * 4)
    assert final.comment == "no such destination, or it has no address"


def test_nothing_that_matches_calls_nobody(service: Service, study: list[Dataset]) -> None:
    peer = StoringPeer()
    with destination(peer) as acceptor, associate_to_move(service.connect()) as mover:
        retrieved = move(mover, identifier("STUDY", StudyInstanceUID="1.2.3"))
        assert (retrieved.final.status, retrieved.final.counts) == (SUCCESS, (None, 0, 0, 0))
        assert acceptor.connections == 0


def test_destination_that_nobody_answers_for(service: Service, study: list[Dataset]) -> None:
    with ScriptedAcceptor(lambda _peer: None) as acceptor:
        port = acceptor.port  # free again when the acceptor is gone
    RemoteApplicationEntity.objects.create(ae_title="DEST", host="127.0.0.1", port=port)
    final = moved(service, study).final
    assert (final.status, final.counts) == (NONE_SENT, (None, 0, 3, 0))
    assert final.failed_uids == uids(study)
    assert "refused" in final.comment.lower()


def reject(peer: ScriptedPeer) -> None:
    read_request(peer)
    peer.send(associate_rj(1, 1, 7))


def abort_at_once(peer: ScriptedPeer) -> None:
    read_request(peer)
    peer.send(abort(2, 0))


@pytest.mark.parametrize("script", [reject, abort_at_once])
def test_destination_that_refuses_the_association(
    service: Service, study: list[Dataset], script: Script
) -> None:
    with destination(script):
        final = moved(service, study).final
    assert (final.status, final.counts) == (NONE_SENT, (None, 0, 3, 0))
    assert final.failed_uids == uids(study)
    assert final.comment


def test_silent_destination_fails_in_its_time(service: Service, study: list[Dataset]) -> None:
    def keep_silent(peer: ScriptedPeer) -> None:
        accept(peer)
        with suppress(ConnectionEnded, AssertionError):  # it is aborted
            while read_message(peer) is not None:
                pass

    with destination(keep_silent, response_timeout_seconds=0.3):
        final = moved(service, study).final
    assert (final.status, final.counts) == (NONE_SENT, (None, 0, 3, 0))


def test_statuses_of_the_destination_add_up(service: Service, study: list[Dataset]) -> None:
    statuses = dict(zip(uids(study), (0x0000, 0xA700, 0xB006), strict=True))
    with destination(StoringPeer(statuses=statuses)):
        final = moved(service, study).final
    assert (final.status, final.counts) == (SOME_FAILED, (None, 1, 1, 1))
    assert final.failed_uids == [study[1].SOPInstanceUID]


def test_sop_class_that_the_destination_does_not_take_fails_singly(
    service: Service, space: StorageSpace, study: list[Dataset]
) -> None:
    other = build_ct(
        study_instance_uid=study[0].StudyInstanceUID,
        extra=[(0x00080016, "UI", MR_IMAGE_STORAGE)],
    )
    hold(space, part10_bytes(other))
    with destination(StoringPeer(sop_classes=[CT_IMAGE_STORAGE])):
        final = moved(service, study).final
    assert (final.status, final.counts) == (SOME_FAILED, (None, 3, 1, 0))
    assert final.failed_uids == [other.SOPInstanceUID]


def test_destination_that_takes_implicit_vr_only_gets_that(
    service: Service, space: StorageSpace, study: list[Dataset]
) -> None:
    broken = build_ct(
        study_instance_uid=study[0].StudyInstanceUID, transfer_syntax_uid=JPEG2000Lossless
    )
    hold(space, part10_bytes(broken))
    peer = StoringPeer(only=[IMPLICIT_LITTLE])
    with destination(peer):
        final = moved(service, study).final
    assert [message.data_set for message in peer.messages] == [
        data_set_bytes(image, IMPLICIT_LITTLE) for image in study
    ]
    assert final.failed_uids == [broken.SOPInstanceUID]


def test_stored_syntax_is_proposed_by_itself(service: Service, study: list[Dataset]) -> None:
    peer = StoringPeer()
    with destination(peer):
        moved(service, study)
    assert (CT_IMAGE_STORAGE, [EXPLICIT_LITTLE]) in peer.asked[0].contexts.values()


def test_missing_object_fails_singly(service: Service, study: list[Dataset]) -> None:
    next(path for path in service.stored_files() if study[1].SOPInstanceUID in path.name).unlink()
    peer = StoringPeer()
    with destination(peer):
        final = moved(service, study).final
    assert [message.sop_instance_uid for message in peer.messages] == uids(study)[::2]
    assert (final.status, final.failed_uids) == (SOME_FAILED, [study[1].SOPInstanceUID])


def test_broken_association_is_replaced_and_loses_nothing(
    service: Service, study: list[Dataset]
) -> None:
    stored: list[str] = []

    def store_one_then_abort(peer: ScriptedPeer) -> None:
        accept(peer)
        first = read_message(peer)
        assert first is not None
        peer.send(response(first))
        stored.append(first.sop_instance_uid)
        if len(stored) < 3:
            peer.send(abort())
            assert peer.is_closed()
        else:
            assert read_message(peer) is None

    with destination(store_one_then_abort) as acceptor:
        final = moved(service, study).final
        assert acceptor.connections == 3
    assert (final.status, final.counts) == (SUCCESS, (None, 3, 0, 0))
    assert stored == uids(study)


def test_instance_that_always_breaks_the_association_fails_alone(
    service: Service, study: list[Dataset]
) -> None:
    def abort_at_the_second(peer: ScriptedPeer) -> None:
        accept(peer)
        while (message := read_message(peer)) is not None:
            if message.sop_instance_uid == study[1].SOPInstanceUID:
                peer.send(abort())
                assert peer.is_closed()
                return
            peer.send(response(message))

    with destination(abort_at_the_second) as acceptor:
        final = moved(service, study).final
        assert acceptor.connections == 3  # tried twice
    assert (final.status, final.counts) == (SOME_FAILED, (None, 2, 1, 0))
    assert final.failed_uids == [study[1].SOPInstanceUID]


def test_destination_that_breaks_every_association_is_given_up(
    service: Service, space: StorageSpace
) -> None:
    study = hold_study(space, 8)

    def always_abort(peer: ScriptedPeer) -> None:
        accept(peer)
        read_message(peer)
        peer.send(abort())
        assert peer.is_closed()

    with destination(always_abort) as acceptor:
        final = moved(service, study).final
        assert acceptor.connections == 6
    assert (final.status, final.counts) == (NONE_SENT, (None, 0, 8, 0))
    assert sorted(final.failed_uids) == sorted(uids(study))
