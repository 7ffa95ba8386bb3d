"""Data sets that a service needs whole are bounded. Source: PS3.4 Table C.4-1 (A700)."""

from tests.integration.dimse.conftest import Start
from tests.scripted_peer import FIND_RQ, IMPLICIT_LITTLE, command_set, message

STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
FIND = command_set(FIND_RQ, sop_class_uid=STUDY_ROOT_FIND, data_set_type=0)


def test_query_above_the_limit_is_refused_and_the_next_one_served(start_service: Start) -> None:
    service = start_service(limits={"identifier_bytes_max": 4096})
    with service.connect() as peer:
        peer.associate([(1, STUDY_ROOT_FIND, [IMPLICIT_LITTLE])])
        for size_bytes, status in ((4097, 0xA700), (4096, 0xA900), (4097, 0xA700)):
            peer.send(message(1, FIND, bytes(size_bytes)))
            assert peer.read_message()[0].status == status
