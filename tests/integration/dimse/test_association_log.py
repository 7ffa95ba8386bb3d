"""What the log of associations says of associations that the service took or refused."""

from ingestion.dimse.journal.repeated_endings import ROWS_PER_PEER_MAX
from ingestion.models import AssociationRecord, Direction, StorageSpace
from tests.builders import build_ct
from tests.eventually import eventually
from tests.integration.dimse.conftest import Service, Start, store
from tests.scripted_peer import ASSOCIATE_RJ, ECHO_AND_CT, EXPLICIT_LITTLE


def the_record(**lookups: object) -> AssociationRecord:
    return eventually(lambda: AssociationRecord.objects.filter(**lookups).first())


def test_released_association_is_recorded(service: Service, space: StorageSpace) -> None:
    with service.connect() as peer:
        peer.associate([*ECHO_AND_CT, (5, "1.2.3", [EXPLICIT_LITTLE])])
        assert store(peer, build_ct()).status == 0
        peer.release()
    record = the_record()
    assert record.direction == Direction.ACCEPTED
    assert record.storage_space == space
    assert (record.calling_ae_title, record.called_ae_title) == ("MODALITY", "INGEST")
    assert (record.peer_address, record.peer_version) == ("127.0.0.1", "SCRIPTED")
    assert (record.outcome, record.reason) == ("released", "")
    assert record.instances_received == 1
    assert record.bytes_received > 0
    assert record.started_at < record.ended_at
    assert [context["result"] for context in record.contexts] == [0, 0, 3]
    assert record.contexts[1]["transfer_syntax_uid"] == EXPLICIT_LITTLE


def test_refused_association_is_recorded_with_its_reason(service: Service) -> None:
    with service.connect() as peer:
        assert peer.associate(called="NOBODY").kind == ASSOCIATE_RJ
    record = the_record()
    assert (record.outcome, record.called_ae_title) == ("refused", "NOBODY")
    assert record.reason.startswith("CALLED_AE_NOT_RECOGNIZED")
    assert record.contexts == []


def test_probe_of_the_port_is_not_recorded(service: Service) -> None:
    service.connect().connection.close()
    with service.connect() as peer:
        peer.associate()
        peer.release()
    the_record(outcome="released")
    assert AssociationRecord.objects.count() == 1


def test_flood_of_refusals_is_a_few_records(start_service: Start) -> None:
    service = start_service()
    for _ in range(100):
        with service.connect() as peer:
            peer.associate(called="NOBODY")
    service.stop()
    records = list(AssociationRecord.objects.all())
    assert len(records) <= ROWS_PER_PEER_MAX + 2  # a minute may end in between
    assert sum(record.repeats + 1 for record in records) == 100


def test_stopping_service_writes_what_it_knows(start_service: Start) -> None:
    service = start_service()
    with service.connect() as peer:
        peer.associate()
        service.stop()
    assert AssociationRecord.objects.get().outcome == "service stopped"
