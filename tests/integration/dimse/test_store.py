"""C-STORE as a sender lives it, down to the file and the receipt. Source: PS3.4 Annex B."""

import hashlib
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from pydicom import dcmread
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)
from pynetdicom import AE

from ingestion.models import (
    Backend,
    LocalApplicationEntity,
    Outcome,
    Receipt,
    RemoteApplicationEntity,
    StorageSpace,
)
from ingestion.use_cases.register_receipts import register_pending_receipts
from tests.builders import build_ct, data_set_bytes, new_uid
from tests.dicom_peers import call
from tests.eventually import eventually
from tests.integration.dimse.conftest import Service, Start, store
from tests.receipts import make_space
from tests.scripted_peer import (
    ASSOCIATE_AC,
    ASSOCIATE_RJ,
    CT_IMAGE_STORAGE,
    EXPLICIT_LITTLE,
    ScriptedPeer,
    p_data,
    pdv,
    store_command,
)

SYNTAXES = [
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    JPEG2000Lossless,
    HTJ2KLossless,
    RLELossless,
]


def associated(service: Service) -> ScriptedPeer:
    peer = service.connect()
    assert peer.associate().kind == ASSOCIATE_AC
    return peer


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda uid: uid.name.split(" (")[0])
def test_object_rests_as_it_came_labelled_with_the_negotiated_syntax(
    service: Service, syntax: str
) -> None:
    dataset = build_ct(transfer_syntax_uid=syntax)
    sent = data_set_bytes(dataset)
    with service.connect() as peer:
        peer.associate([(5, CT_IMAGE_STORAGE, [syntax])])
        assert peer.request(5, store_command(dataset.SOPInstanceUID), sent).status == 0
    (path,) = service.stored_files()
    assert path.read_bytes().endswith(sent)
    meta = dcmread(path, stop_before_pixels=True).file_meta
    assert meta.TransferSyntaxUID == syntax
    assert meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
    receipt = Receipt.objects.get()
    assert receipt.transfer_syntax_uid == syntax
    assert bytes(receipt.data_set_sha256) == hashlib.sha256(sent).digest()


def test_acknowledged_means_the_receipt_is_committed(service: Service, space: StorageSpace) -> None:
    dataset = build_ct()
    with associated(service) as peer:
        assert store(peer, dataset).status == 0
        receipt = Receipt.objects.get()  # at once, before the association ends
    assert receipt.storage_space == space
    assert receipt.sop_instance_uid == dataset.SOPInstanceUID
    assert (receipt.calling_ae_title, receipt.called_ae_title) == ("MODALITY", "INGEST")
    assert (receipt.sender_kind, receipt.peer_address) == ("dimse", "127.0.0.1")
    assert len(receipt.conversation_id) == 32
    assert register_pending_receipts() == 1
    assert Receipt.objects.get().outcome == Outcome.REGISTERED


def test_pynetdicom_sends_a_series(service: Service) -> None:
    entity = AE("MODALITY")
    entity.add_requested_context(CT_IMAGE_STORAGE, ExplicitVRLittleEndian)
    entity.add_requested_context("1.2.840.10008.1.1")
    association = call(entity, service.port)
    assert association.send_c_echo().Status == 0
    study = new_uid()
    for _ in range(5):
        assert association.send_c_store(build_ct(study_instance_uid=study)).Status == 0
    association.release()
    assert association.is_released
    assert Receipt.objects.filter(study_instance_uid=study).count() == 5


def test_associations_side_by_side_lose_nothing(service: Service) -> None:
    datasets = [[build_ct(rows=64, columns=64) for _ in range(10)] for _ in range(4)]
    statuses: list[int] = []

    def send(batch: int) -> None:
        with associated(service) as peer:
            for dataset in datasets[batch]:
                statuses.append(store(peer, dataset).status)
            peer.release()

    senders = [threading.Thread(target=send, args=(batch,)) for batch in range(4)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert statuses == [0] * 40
    assert Receipt.objects.count() == len(service.stored_files()) == 40


def test_bad_objects_are_refused_and_their_neighbours_kept(service: Service) -> None:
    good, truncated, other = build_ct(), build_ct(), build_ct()
    cases = {
        "garbage": (new_uid(), b"no data set at all, but long enough to look like one"),
        "truncated": (truncated.SOPInstanceUID, data_set_bytes(truncated)[:-40]),
        "other instance": (new_uid(), data_set_bytes(other)),
        "empty": (new_uid(), b"\0\0"),
        "no study": (
            (nameless := build_ct(extra=[(0x0020000D, "UI", None)])).SOPInstanceUID,
            data_set_bytes(nameless),
        ),
    }
    with associated(service) as peer:
        for name, (sop_instance_uid, data_set) in cases.items():
            response = peer.request(3, store_command(sop_instance_uid), data_set)
            assert response.status >> 12 in {0xA, 0xC} or response.status < 0x0300, name
            assert response.status != 0, name
            assert response.comment, name
        assert store(peer, good).status == 0
    assert Receipt.objects.get().sop_instance_uid == good.SOPInstanceUID
    assert len(service.stored_files()) == 1
    assert service.spooled_files() == []


def test_uid_that_would_escape_its_folder_is_refused(start_service: Start) -> None:
    service = start_service(dimse_data_path="fast")
    with associated(service) as peer:
        evil = store_command("../../../../tmp/evil")
        assert peer.request(3, evil, data_set_bytes(build_ct())).status != 0
        assert store(peer, build_ct()).status == 0
    assert len(service.stored_files()) == 1


def test_object_above_the_limit_is_refused_and_drained(
    start_service: Start, data_path: str
) -> None:
    service = start_service({"instance_bytes_max": 50_000}, dimse_data_path=data_path)
    with associated(service) as peer:
        refused = store(peer, build_ct(rows=256, columns=256))
        assert refused.status >> 8 in {0xA7, 0xC0, 0x01}
        assert "50000" in refused.comment.replace(",", "").replace("_", "")
        assert store(peer, build_ct()).status == 0
    assert Receipt.objects.count() == 1


def test_peer_that_vanishes_in_a_spilled_object_leaves_no_file(
    start_service: Start, data_path: str
) -> None:
    service = start_service({"spool_memory_bytes_max": 1000}, dimse_data_path=data_path)
    with associated(service) as peer:
        peer.send(p_data(pdv(3, store_command(new_uid()), command=True)))
        peer.send(*[p_data(pdv(3, bytes(16000), last=False))] * 10)
    with associated(service) as peer:
        assert store(peer, build_ct(rows=64, columns=64)).status == 0
    eventually(lambda: service.spooled_files() == [])
    assert Receipt.objects.count() == 1


def test_each_called_title_has_its_space(
    service: Service, space: StorageSpace, tmp_path: Path
) -> None:
    other = make_space("other", backend=Backend.FILESYSTEM, options={"root": str(tmp_path / "o")})
    LocalApplicationEntity.objects.create(ae_title="OTHER", storage_space=other)
    dataset = build_ct()
    for called in ("INGEST", "OTHER"):
        with service.connect() as peer:
            assert peer.associate(called=called).kind == ASSOCIATE_AC
            assert store(peer, dataset).status == 0
    spaces = Receipt.objects.order_by("received_at").values_list("storage_space", flat=True)
    assert list(spaces) == [space.pk, other.pk]
    assert len(service.stored_files()) == 1
    assert len(list((tmp_path / "o").rglob("*.dcm"))) == 1


def test_database_connection_cut_between_instances_is_not_noticed(service: Service) -> None:
    with associated(service) as peer:
        assert store(peer, build_ct()).status == 0
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        assert store(peer, build_ct()).status == 0
    assert Receipt.objects.count() == 2


def test_associations_keep_no_connection_to_the_database_each(service: Service) -> None:
    """Hundreds of peers that send again what is held would exhaust the server."""
    dataset = build_ct()
    with associated(service) as peer:
        assert store(peer, dataset).status == 0
    before = _database_sessions()
    with ExitStack() as stack:
        for _ in range(5):
            peer = stack.enter_context(associated(service))
            assert store(peer, dataset).status == 0
        assert _database_sessions() <= before + 1  # they share the one of their log
    assert len(service.stored_files()) == 1


def _database_sessions() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND backend_type = 'client backend'"
        )
        return int(cursor.fetchone()[0])


# --- policy, from the tables


def refused(service: Service, **fields: Any) -> tuple[int, ...]:
    """Result, source and reason; all zero when the association was accepted."""
    with service.connect() as peer:
        answer = peer.associate(**fields)
        return tuple(answer.body[1:]) if answer.kind == ASSOCIATE_RJ else (0, 0, 0)


def test_tables_decide_and_changes_are_seen_soon(service: Service, space: StorageSpace) -> None:
    assert refused(service) == (0, 0, 0)
    assert refused(service, called="UNKNOWN") == (1, 1, 7)
    assert refused(service, calling="UNKNOWN") == (1, 1, 3)
    LocalApplicationEntity.objects.filter(ae_title="INGEST").update(is_enabled=False)
    eventually(lambda: refused(service) == (1, 1, 7))
    LocalApplicationEntity.objects.filter(ae_title="INGEST").update(is_enabled=True)
    eventually(lambda: refused(service) == (0, 0, 0))
    StorageSpace.objects.filter(pk=space.pk).update(accepts_new_objects=False)
    eventually(lambda: refused(service) == (2, 1, 1))


def test_caller_from_another_network_or_for_another_title_is_refused(service: Service) -> None:
    RemoteApplicationEntity.objects.create(
        ae_title="FAR", addresses="10.0.0.0/8, 192.168.1.7", may_call_all=True
    )
    elsewhere = LocalApplicationEntity.objects.create(
        ae_title="ELSEWHERE", storage_space=StorageSpace.objects.get()
    )
    RemoteApplicationEntity.objects.create(ae_title="CHOOSY").may_call.add(elsewhere)
    RemoteApplicationEntity.objects.create(ae_title="OFF", is_enabled=False, may_call_all=True)
    assert refused(service, calling="FAR") == (1, 1, 3)
    assert refused(service, calling="CHOOSY") == (1, 1, 3)
    assert refused(service, calling="CHOOSY", called="ELSEWHERE") == (0, 0, 0)
    assert refused(service, calling="OFF") == (1, 1, 3)


def test_caller_whose_last_title_is_taken_away_may_call_none(service: Service) -> None:
    title = LocalApplicationEntity.objects.get(ae_title="INGEST")
    entity = RemoteApplicationEntity.objects.create(ae_title="CHOOSY")
    entity.may_call.add(title)
    assert refused(service, calling="CHOOSY") == (0, 0, 0)
    entity.may_call.clear()
    eventually(lambda: refused(service, calling="CHOOSY") == (1, 1, 3))


def test_any_caller_from_loopback_where_that_is_on(start_service: Start, data_path: str) -> None:
    service = start_service(dimse_data_path=data_path, dimse_any_calling_ae_from_loopback=True)
    assert refused(service, calling="WHOEVER") == (0, 0, 0)
    RemoteApplicationEntity.objects.create(ae_title="WHOEVER", is_enabled=False)
    eventually(lambda: refused(service, calling="WHOEVER") == (1, 1, 3))


def test_low_disk_is_congestion(start_service: Start, data_path: str) -> None:
    service = start_service({"spool_free_bytes_min": 1 << 60}, dimse_data_path=data_path)
    assert refused(service) == (2, 3, 1)


@pytest.mark.parametrize(
    "limits", [{"associations_max": 2}, {"associations_per_peer_max": 2}], ids=["process", "peer"]
)
def test_association_above_the_limit_is_refused_until_one_ends(
    start_service: Start, data_path: str, limits: dict[str, int]
) -> None:
    service = start_service(limits, dimse_data_path=data_path)
    with associated(service) as first, associated(service):
        assert refused(service) == (2, 3, 2)
        first.release()
        first.connection.close()
        eventually(lambda: refused(service) == (0, 0, 0))


def test_private_classes_and_syntaxes_need_the_option(start_service: Start, data_path: str) -> None:
    private = [(1, "1.2.3.4.5", [EXPLICIT_LITTLE]), (3, CT_IMAGE_STORAGE, ["1.2.3.4.6"])]
    closed = start_service(dimse_data_path=data_path)
    with closed.connect() as peer:
        assert _results(peer.associate(private).body) == [3, 4]
    open_ = start_service(dimse_data_path=data_path, dimse_accept_unknown_sop_classes=True)
    with open_.connect() as peer:
        assert _results(peer.associate(private).body) == [0, 0]
        dataset = build_ct(extra=[(0x00080016, "UI", "1.2.3.4.5")])
        command = store_command(dataset.SOPInstanceUID, sop_class_uid="1.2.3.4.5")
        assert peer.request(1, command, data_set_bytes(dataset)).status == 0
    assert Receipt.objects.get().sop_class_uid == "1.2.3.4.5"


def _results(body: bytes) -> list[int]:
    results, offset = [], 68
    while offset < len(body):
        length = int.from_bytes(body[offset + 2 : offset + 4], "big")
        if body[offset] == 0x21:
            results.append(body[offset + 6])
        offset += 4 + length
    return results
