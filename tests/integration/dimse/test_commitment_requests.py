"""We ask peers to commit themselves. Source: PS3.4 J.3.2.1.2, J.3.3.1.3."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.events import Event

from ingestion.dimse.protocol.upper_layer import AssociationEnded, PeerUnreachable
from ingestion.dimse.services.commitment_requests import request_commitment
from ingestion.domain.commitment_information import Reference
from ingestion.errors import IngestionError, Misconfigured, OperationRefused
from ingestion.models import CommitmentRequest, RemoteApplicationEntity
from tests.builders import build_ct
from tests.commitment_peer import CT, PUSH, report
from tests.integration.dimse.conftest import Service, Start, store
from tests.scripted_peer import VERIFICATION


@pytest.fixture
def service(start_service: Start) -> Service:
    return start_service()


@contextmanager
def archive(*, status: int = 0x0000, sop_class: str = PUSH) -> Iterator[RemoteApplicationEntity]:
    """ARCHIVE, which takes requests and tells nothing on their association."""

    def take(_event: Event) -> tuple[int, Dataset | None]:
        return status, None

    peer = AE("ARCHIVE")
    peer.add_supported_context(sop_class)
    server = peer.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_N_ACTION, take)]
    )
    assert server is not None
    assert server.socket is not None
    try:
        yield known(server.socket.getsockname()[1], ae_title="ARCHIVE")
    finally:
        server.shutdown()


def known(port: int, *, ae_title: str) -> RemoteApplicationEntity:
    return RemoteApplicationEntity.objects.create(
        ae_title=ae_title, host="127.0.0.1", port=port, may_call_all=True
    )


def asked(
    remote: RemoteApplicationEntity, *uids: str, wait_seconds: float = 0.0
) -> CommitmentRequest:
    return request_commitment(
        remote,
        [Reference(CT, uid) for uid in uids],
        calling_ae_title="MODALITY",
        wait_seconds=wait_seconds,
    )


def result(
    request: CommitmentRequest, committed: list[str], failed: dict[str, int] | None = None
) -> Dataset:
    """Event Information for a request."""
    data_set = Dataset()
    data_set.TransactionUID = request.transaction_uid
    data_set.ReferencedSOPSequence = [_item(uid) for uid in committed]
    if failed:
        data_set.FailedSOPSequence = [_item(uid) for uid in failed]
        for item in data_set.FailedSOPSequence:
            item.FailureReason = failed[item.ReferencedSOPInstanceUID]
    return data_set


def _item(uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CT, uid
    return item


def test_result_on_the_same_association_is_waited_for(service: Service) -> None:
    dataset = build_ct()
    with service.connect() as peer:
        peer.associate()
        store(peer, dataset)
    remote = known(service.port, ae_title="INGEST")  # ourselves, as a peer
    request = asked(remote, str(dataset.SOPInstanceUID), "1.2.3.4", wait_seconds=60)
    assert request.answered_at is not None
    assert request.failed == [[CT, "1.2.3.4", 0x0112]]


def test_result_may_come_on_an_association_of_the_peer(service: Service) -> None:
    with archive() as remote:
        request = asked(remote, "1.1", "1.2")
        assert request.answered_at is None
        told = result(request, ["1.1"], {"1.2": 0x0213})
        assert report(service.port, 2, told) == 0
        answered = CommitmentRequest.objects.get()
        assert answered.answered_at is not None
        assert answered.failed == [[CT, "1.2", 0x0213]]


def test_what_a_result_does_not_mention_counts_as_failed(service: Service) -> None:
    with archive() as remote:
        request = asked(remote, "1.1", "1.2")
        assert report(service.port, 1, result(request, ["1.1"])) == 0
        request.refresh_from_db()
        assert request.failed == [[CT, "1.2", 0x0110]]


def test_result_that_we_did_not_ask_for_is_refused(service: Service) -> None:
    known(1, ae_title="STRANGER")
    with archive() as remote:
        request = asked(remote, "1.1")
        told = result(request, ["1.1"])
        assert report(service.port, 1, told, calling="STRANGER") == 0x0115
        assert report(service.port, 3, told) == 0x0113
        told.TransactionUID = "1.2.3.4.5"
        assert report(service.port, 1, told) == 0x0115
        request.refresh_from_db()
        assert request.answered_at is None


def test_request_that_the_peer_does_not_take_is_forgotten(transactional_db: None) -> None:
    with archive(status=0x0213) as remote:
        assert type(_refusal(remote)) is OperationRefused
    with archive(sop_class=VERIFICATION) as remote:
        assert type(_refusal(remote)) is AssociationEnded
    assert type(_refusal(remote)) is PeerUnreachable
    remote.host = ""
    assert type(_refusal(remote)) is Misconfigured
    assert not CommitmentRequest.objects.exists()


def _refusal(remote: RemoteApplicationEntity) -> IngestionError:
    with pytest.raises(IngestionError) as raised:
        asked(remote, "1.1")
    return raised.value
