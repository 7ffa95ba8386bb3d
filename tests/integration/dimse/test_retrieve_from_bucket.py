"""A space in a bucket: stored by C-STORE, fetched by C-GET, sent by C-MOVE, to the byte."""

import pytest
from pydicom.dataset import Dataset

from ingestion.models import Backend, StorageSpace
from ingestion.use_cases.register_receipts import register_pending_receipts
from tests.builders import build_ct, data_set_bytes, new_uid
from tests.integration.dimse.conftest import Service, Start, store
from tests.integration.dimse.moving import destination, moved, study_key, uids
from tests.integration.dimse.retrieving import (
    GET_RQ,
    STUDY_ROOT_GET,
    SUCCESS,
    associate_to_get,
    collect,
    retrieve_request,
)
from tests.scripted_acceptor import StoringPeer
from tests.scripted_peer import ASSOCIATE_AC, RELEASE_RP
from tests.services.buckets import s3_server_of_this_run


@pytest.fixture
def service(space: StorageSpace, start_service: Start) -> Service:
    server = s3_server_of_this_run()
    assert server is not None, "the run starts one"
    space.backend = Backend.S3
    space.options = server.options(server.new_bucket())
    space.save()
    return start_service()


def images() -> list[Dataset]:
    """One series; the last does not fit into what is read ahead."""
    study, series = new_uid(), new_uid()
    built = []
    for number, rows in enumerate([8, 8, 64, 64, 900, 8, 1200], start=1):
        image = build_ct(
            study_instance_uid=study, series_instance_uid=series, rows=rows, columns=700
        )
        image.InstanceNumber = number
        built.append(image)
    return built


def test_objects_in_a_bucket_come_back_to_the_byte(service: Service) -> None:
    study = images()
    sent = {image.SOPInstanceUID: data_set_bytes(image) for image in study}
    with service.connect() as peer:
        assert peer.associate().kind == ASSOCIATE_AC
        assert [store(peer, image).status for image in study] == [SUCCESS] * len(study)
        assert peer.release().kind == RELEASE_RP
    register_pending_receipts()
    with associate_to_get(service.connect()) as peer:
        peer.send(retrieve_request(GET_RQ, STUDY_ROOT_GET, study_key(study)))
        fetched = collect(peer)
    assert fetched.final.counts == (None, len(study), 0, 0)
    assert list(fetched.stored) == uids(study)
    assert {uid: message.data_set for uid, message in fetched.stored.items()} == sent
    storing = StoringPeer()
    with destination(storing, associations_max=2):
        assert moved(service, study).final.counts == (None, len(study), 0, 0)
    assert {each.sop_instance_uid: each.data_set for each in storing.messages} == sent
