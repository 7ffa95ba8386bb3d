"""Storage commitment as modalities live it. Source: PS3.4 Annex J."""

import struct

import pytest
from django.db.models.functions import Now
from pydicom.dataset import Dataset

from ingestion.dimse.services.commitment_reports import report_next_commitment
from ingestion.models import (
    Receipt,
    RemoteApplicationEntity,
    ReportAssociation,
    StorageCommitment,
    StorageSpace,
)
from tests.builders import build_ct, data_set_bytes
from tests.commitment_peer import CT, Told, ask, associated, listening, wanted
from tests.eventually import eventually
from tests.integration.dimse.conftest import Service, Start, store
from tests.scripted_peer import (
    ECHO_AND_CT,
    EXPLICIT_LITTLE,
    NO_DATA_SET,
    P_DATA,
    RELEASE_RP,
    ScriptedPeer,
    echo_command,
    element,
    elements,
    message,
)

PUSH = "1.2.840.10008.1.20.1"
PUSH_INSTANCE = "1.2.840.10008.1.20.1.1"
N_ACTION_RQ, N_EVENT_REPORT_RQ, N_EVENT_REPORT_RSP = 0x0130, 0x0100, 0x8100
CONTEXT_ID = 5
CONTEXTS = (*ECHO_AND_CT, (CONTEXT_ID, PUSH, [EXPLICIT_LITTLE]))


@pytest.fixture
def service(start_service: Start) -> Service:
    return start_service()


def sent(service: Service, *, amount: int = 1) -> list[str]:
    """SOP Instance UIDs of what MODALITY stored; nothing is registered yet."""
    uids = []
    with service.connect() as peer:
        peer.associate()
        for _ in range(amount):
            dataset = build_ct()
            assert store(peer, dataset).status == 0
            uids.append(str(dataset.SOPInstanceUID))
        peer.release()
    return uids


def state() -> str:
    return StorageCommitment.objects.get().state


def know_modality(port: int, **fields: object) -> None:
    RemoteApplicationEntity.objects.filter(ae_title="MODALITY").update(
        host="127.0.0.1", port=port, **fields
    )


def test_what_was_just_sent_is_committed_on_the_same_association(service: Service) -> None:
    uids, told = sent(service, amount=3), Told()
    with associated(service.port, told) as association:
        assert ask(association, wanted(*uids)) == 0
        eventually(lambda: told.reports)
        event_type, information = told.reports[0]
        assert (event_type, information.TransactionUID) == (1, "1.2.9")
        assert information.RetrieveAETitle == "INGEST"
        assert told.committed() == uids
        assert association.is_established
    assert eventually(lambda: state() == "reported")


def test_failures_are_told_with_their_reason(service: Service) -> None:
    (uid,), told = sent(service), Told()
    with associated(service.port, told) as association:
        assert ask(association, wanted(uid, "1.2.3.4")) == 0
        eventually(lambda: told.reports)
    assert told.reports[0][0] == 2
    assert (told.committed(), told.failed()) == ([uid], {"1.2.3.4": 0x0112})


def test_object_that_left_the_store_is_not_committed(service: Service) -> None:
    (uid,), told = sent(service), Told()
    (path,) = service.stored_files()
    path.unlink()
    with associated(service.port, told) as association:
        ask(association, wanted(uid))
        eventually(lambda: told.reports)
    assert told.failed() == {uid: 0x0112}
    assert "RetrieveAETitle" not in told.reports[0][1]


def test_several_requests_on_one_association(service: Service) -> None:
    uids, told = sent(service, amount=2), Told()
    with associated(service.port, told) as association:
        for number, uid in enumerate(uids):
            assert ask(association, wanted(uid, transaction_uid=f"1.2.{number}")) == 0
        eventually(lambda: len(told.reports) == 2)
    assert sorted(report.TransactionUID for _, report in told.reports) == ["1.2.0", "1.2.1"]


def test_peer_that_releases_at_once_is_told_on_another_association(service: Service) -> None:
    (uid,), told = sent(service), Told()
    with listening(told) as port:
        know_modality(port)
        with associated(service.port, Told()) as association:
            ask(association, wanted(uid))
        assert eventually(report_next_commitment)
    assert told.committed() == [uid]
    assert told.requestors == ["INGEST"]
    assert (state(), report_next_commitment()) == ("reported", 0)


def test_peer_that_vanishes_is_told_on_another_association(service: Service) -> None:
    (uid,), told = sent(service), Told()
    with listening(told) as port:
        know_modality(port)
        with service.connect() as peer:
            peer.associate(CONTEXTS)
            assert peer.request(CONTEXT_ID, action(), request(uid)).status == 0
        assert eventually(report_next_commitment)
    assert told.committed() == [uid]


def test_peer_that_wants_a_new_association_gets_one(service: Service) -> None:
    (uid,), told, unused = sent(service), Told(), Told()
    with listening(told) as port, associated(service.port, unused) as association:
        know_modality(port, commitment_reports=ReportAssociation.NEW)
        assert ask(association, wanted(uid)) == 0
        assert report_next_commitment() == 1
        assert told.committed() == [uid]
        assert unused.reports == []


def test_peer_that_is_away_is_told_when_it_is_back(service: Service) -> None:
    (uid,), told = sent(service), Told()
    with listening(told) as port:
        know_modality(port, commitment_reports=ReportAssociation.NEW)
    with associated(service.port, Told()) as association:
        for transaction in ("1.2.9", "1.2.10"):
            ask(association, wanted(uid, transaction_uid=transaction))
    assert report_next_commitment() == 1
    assert report_next_commitment() == 0  # it was asked once, for both
    tried = StorageCommitment.objects.get(attempts=1)
    assert "refused" in tried.problem
    with listening(told, port=port):
        StorageCommitment.objects.update(next_attempt_at=Now())
        assert (report_next_commitment(), report_next_commitment()) == (1, 1)
    assert len(told.reports) == 2
    assert set(StorageCommitment.objects.values_list("state", flat=True)) == {"reported"}


def test_peer_that_nobody_knows_how_to_reach_waits(service: Service) -> None:
    (uid,) = sent(service)
    with associated(service.port, Told()) as association:
        ask(association, wanted(uid))
    assert eventually(report_next_commitment)
    commitment = StorageCommitment.objects.get()
    assert commitment.problem == "no host and port of the AE MODALITY are known"
    assert commitment.state == "pending"


def test_report_that_the_peer_refuses_stays_due(service: Service) -> None:
    (uid,), told = sent(service), Told(status=0x0110)
    with associated(service.port, told) as association:
        ask(association, wanted(uid))
        eventually(lambda: StorageCommitment.objects.get().attempts)
    commitment = StorageCommitment.objects.get()
    assert (commitment.state, commitment.problem) == ("pending", "the peer answered 0110")


def test_ten_thousand_references_in_one_request(service: Service) -> None:
    (uid,), told = sent(service), Told()
    with associated(service.port, told) as association:
        assert ask(association, wanted(uid, *(f"1.2.3.{n}" for n in range(9_999)))) == 0
        eventually(lambda: told.reports, within_seconds=60)
    assert (told.committed(), len(told.failed())) == ([uid], 9_999)


def test_repeated_request_is_one_commitment_and_other_references_are_refused(
    service: Service,
) -> None:
    (uid,), told = sent(service), Told()
    with associated(service.port, told) as association:
        assert ask(association, wanted(uid)) == 0
        eventually(lambda: told.reports)
        assert ask(association, wanted(uid)) == 0
        eventually(lambda: len(told.reports) == 2)
        assert ask(association, wanted(uid, "1.2.3.4")) == 0x0115
    assert StorageCommitment.objects.count() == 1


def action(*, action_type: int = 1, sop_class: str = PUSH, instance: str = PUSH_INSTANCE) -> bytes:
    """N-ACTION-RQ: Requested UIDs and the action's type (PS3.7 Table 10.3-7)."""
    values = [
        (0x0003, sop_class.encode() + b"\0" * (len(sop_class) % 2)),
        (0x0100, struct.pack("<H", N_ACTION_RQ)),
        (0x0110, struct.pack("<H", 7)),
        (0x0800, struct.pack("<H", 0)),
        (0x1001, instance.encode() + b"\0" * (len(instance) % 2)),
        (0x1008, struct.pack("<H", action_type)),
    ]
    body = b"".join(element(number, value) for number, value in values)
    return element(0, struct.pack("<I", len(body))) + body


def request(*uids: str, **fields: str) -> bytes:
    return encoded(wanted(*uids, **fields))


def encoded(data_set: Dataset) -> bytes:
    return data_set_bytes(data_set, EXPLICIT_LITTLE)


def without(keyword: str) -> bytes:
    data_set = wanted("1.2.3")
    delattr(data_set, keyword)
    return encoded(data_set)


@pytest.mark.parametrize(
    ("command", "data_set", "status"),
    [
        (action(action_type=2), request("1.2.3"), 0x0123),
        (action(instance="1.2.3"), request("1.2.3"), 0x0112),
        (action(sop_class=CT), request("1.2.3"), 0x0118),
        (action(), without("TransactionUID"), 0x0114),
        (action(), without("ReferencedSOPSequence"), 0x0114),
        (action(), request(), 0x0114),
        (action(), request("1.2.3").replace(b"1.2.9", b"1.2.x"), 0x0115),
        (action(), b"no data set at all", 0x0115),
        (action(), request("1.2.3", "1.2.4", "1.2.5"), 0x0213),
        (action(), bytes(70_000), 0x0213),
    ],
    ids=[
        "no such action",
        "no such instance",
        "no such class",
        "no transaction",
        "no sequence",
        "no item",
        "wrong UID",
        "no data set",
        "too many references",
        "too many bytes",
    ],
)
def test_request_that_cannot_be_served_is_refused(
    start_service: Start, command: bytes, data_set: bytes, status: int
) -> None:
    limits = {"commitment_references_max": 2, "report_bytes_max": 64 * 1024}
    with start_service(limits=limits).connect() as peer:
        peer.associate(CONTEXTS)
        assert peer.request(CONTEXT_ID, command, data_set).status == status
        assert peer.release().kind == RELEASE_RP  # the association went on
    assert not StorageCommitment.objects.exists()


def answer(report: bytes, status: int = 0) -> bytes:
    """N-EVENT-REPORT-RSP to this request."""
    asked = elements(report)
    values = [
        (0x0002, asked[0x0002]),
        (0x0100, struct.pack("<H", N_EVENT_REPORT_RSP)),
        (0x0120, asked[0x0110]),
        (0x0800, struct.pack("<H", NO_DATA_SET)),
        (0x0900, struct.pack("<H", status)),
    ]
    body = b"".join(element(number, value) for number, value in values)
    return element(0, struct.pack("<I", len(body))) + body


def read_report(peer: ScriptedPeer) -> bytes:
    """The command set of the N-EVENT-REPORT-RQ that comes next; its data set is read too."""
    command = b""
    while True:
        pdu = peer.read_pdu()
        assert pdu.kind == P_DATA
        _, _, control = struct.unpack_from(">IBB", pdu.body)
        if control & 1:
            command = pdu.body[6:]
        elif control & 2:
            assert elements(command)[0x0100] == struct.pack("<H", N_EVENT_REPORT_RQ)
            return command


def test_peer_may_ask_on_before_it_answers_the_report(
    service: Service, space: StorageSpace
) -> None:
    (uid,) = sent(service)
    dataset = build_ct()
    with service.connect() as peer:
        peer.associate(CONTEXTS)
        assert peer.request(CONTEXT_ID, action(), request(uid)).status == 0
        report = read_report(peer)
        assert peer.request(1, echo_command()).status == 0
        assert store(peer, dataset).status == 0
        assert state() == "pending"
        peer.send(message(CONTEXT_ID, answer(report)))
        assert eventually(lambda: state() == "reported")
        assert peer.release().kind == RELEASE_RP
    assert Receipt.objects.filter(storage_space=space).count() == 2


def test_service_that_stops_before_the_answer_leaves_the_report_to_workers(
    service: Service,
) -> None:
    (uid,), told = sent(service), Told()
    with listening(told) as port, service.connect() as peer:
        know_modality(port)
        peer.associate(CONTEXTS)
        peer.request(CONTEXT_ID, action(), request(uid))
        read_report(peer)
        service.stop()
        assert report_next_commitment() == 1
    assert (told.committed(), state()) == ([uid], "reported")


def test_answer_to_nothing_ends_the_association(service: Service) -> None:
    (uid,) = sent(service)
    with service.connect() as peer:
        peer.associate(CONTEXTS)
        peer.request(CONTEXT_ID, action(), request(uid))
        report = read_report(peer)
        peer.send(message(CONTEXT_ID, answer(report)) * 2)
        assert peer.is_closed()
    assert eventually(lambda: state() == "reported")
