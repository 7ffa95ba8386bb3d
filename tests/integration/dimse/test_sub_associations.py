"""Associations that retrievals have with a destination: shared, released at the end, recorded."""

from ingestion.models import AssociationRecord, Direction, RemoteApplicationEntity, StorageSpace
from tests.integration.dimse.conftest import Start
from tests.integration.dimse.moving import move_request
from tests.integration.dimse.retrieving import (
    SUCCESS,
    associate_to_move,
    collect,
    hold_study,
)
from tests.scripted_acceptor import ScriptedAcceptor, StoringPeer


def test_retrievals_share_an_association_that_is_recorded_once(
    start_service: Start, space: StorageSpace
) -> None:
    study = hold_study(space)
    peer = StoringPeer()
    service = start_service()
    with ScriptedAcceptor(peer) as acceptor:
        RemoteApplicationEntity.objects.create(
            ae_title="DEST", host="127.0.0.1", port=acceptor.port
        )
        for _ in range(2):
            with associate_to_move(service.connect()) as mover:
                mover.send(move_request(study))
                assert collect(mover).final.status == SUCCESS
        service.stop()
        assert (acceptor.connections, peer.aborted) == (1, 0)
    record = AssociationRecord.objects.get(direction=Direction.REQUESTED)
    assert (record.outcome, record.reason) == ("released", "")
    assert (record.calling_ae_title, record.called_ae_title) == ("INGEST", "DEST")
    assert (record.peer_address, record.peer_version) == ("127.0.0.1", "SCRIPTED")
    assert record.operations == {"C-STORE": 2 * len(study)}
    assert record.instances_sent == 2 * len(study)
    assert record.bytes_sent > 0
    assert {context["result"] for context in record.contexts} == {0}
