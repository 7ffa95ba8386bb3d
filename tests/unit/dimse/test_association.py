"""Associations that go well, from request to log, as a peer sees them. Source: PS3.8 9.2."""

import logging
import struct

import pytest

from ingestion.errors import DatabaseUnavailable, MalformedDataSet, OutOfSpace
from tests.eventually import eventually
from tests.scripted_peer import (
    ASSOCIATE_AC,
    CANCEL_RQ,
    CT_IMAGE_STORAGE,
    FIND_RQ,
    RELEASE_RP,
    STORE_RQ,
    Pdu,
    associate_rq,
    command_set,
    echo_command,
    element,
    message,
    p_data,
    pdv,
    store_command,
)
from tests.unit.dimse.conftest import Connect
from tests.unit.dimse.custodian import Custodian
from tests.unit.dimse.peers import associated, ended

DATA_SET = bytes(range(256)) * 300  # 76,800 bytes: several PDUs


def test_echo_is_answered_and_release_is_confirmed(connect: Connect) -> None:
    peer = associated(connect())
    response = peer.request(1, echo_command(message_id=7))
    assert (response.command_field, response.message_id, response.status) == (0x8030, 7, 0)
    assert peer.release() == Pdu(RELEASE_RP, bytes(4))


def test_acceptance_sends_titles_and_what_is_reserved_back(connect_fast: Connect) -> None:
    """PS3.8 Table 9-17, bytes 11 to 74: identical to those of the request."""
    names = b"  INGEST".ljust(16) + b"MODALITY".ljust(16, b"\0") + bytes(range(32))
    asked = bytearray(associate_rq())
    asked[10:74] = names
    peer = connect_fast()
    peer.send(bytes(asked))
    answer = peer.read_pdu()
    assert answer.kind == ASSOCIATE_AC
    assert answer.body[4:68] == names


def test_stored_data_set_is_kept_byte_for_byte(connect: Connect, custodian: Custodian) -> None:
    peer = associated(connect())
    response = peer.request(3, store_command("1.2.3", message_id=9), DATA_SET)
    assert (response.context_id, response.command_field, response.message_id) == (3, 0x8001, 9)
    assert (response.status, response.sop_instance_uid) == (0, "1.2.3")
    assert response.elements[0x0002] == CT_IMAGE_STORAGE.encode() + b"\0"
    assert custodian.kept == {"1.2.3": DATA_SET}
    arrival = custodian.arrivals[0]
    assert arrival.transfer_syntax_uid == "1.2.840.10008.1.2.1"
    assert arrival.sop_class_uid == CT_IMAGE_STORAGE
    conversation = arrival.conversation
    assert (conversation.calling_ae_title, conversation.called_ae_title) == ("MODALITY", "INGEST")
    assert (conversation.peer_address, conversation.storage_space.slug) == ("127.0.0.1", "main")
    assert conversation.association_id


def test_many_instances_in_one_association_are_all_kept(
    connect: Connect, custodian: Custodian
) -> None:
    peer = associated(connect())
    for number in range(20):
        assert peer.request(3, store_command(f"1.{number}"), b"%d" % number).status == 0
    assert custodian.kept == {f"1.{number}": b"%d" % number for number in range(20)}


@pytest.mark.parametrize("step", ["take", "write", "keep"])
@pytest.mark.parametrize(
    ("error", "status_class"),
    [
        (OutOfSpace("the spool's disk is below its free space limit"), 0xA7),
        (MalformedDataSet("an element ends too early"), 0xC0),
        (DatabaseUnavailable("the database did not confirm"), None),
    ],
    ids=["space", "malformed", "database"],
)
def test_failure_of_one_instance_leaves_its_neighbours_alone(
    connect: Connect, custodian: Custodian, step: str, error: Exception, status_class: int | None
) -> None:
    custodian.failures["1.2"] = (step, error)  # type: ignore[assignment]
    peer = associated(connect())
    assert peer.request(3, store_command("1.1"), DATA_SET).status == 0
    refused = peer.request(3, store_command("1.2"), DATA_SET)
    assert refused.status != 0
    assert status_class is None or refused.status >> 8 == status_class
    assert (refused.comment, refused.sop_instance_uid) == (str(error), "1.2")
    assert peer.request(3, store_command("1.3"), DATA_SET).status == 0
    assert sorted(custodian.kept) == ["1.1", "1.3"]
    assert custodian.open_count == 0


def test_store_without_data_set_is_refused(connect: Connect, custodian: Custodian) -> None:
    peer = associated(connect())
    command = command_set(STORE_RQ, sop_class_uid=CT_IMAGE_STORAGE, sop_instance_uid="1.2")
    assert peer.request(3, command).status >> 8 == 0xC0
    assert peer.request(3, store_command("1.3"), b"x").status == 0
    assert list(custodian.kept) == ["1.3"]


def test_sop_class_other_than_the_contexts_is_refused(
    connect: Connect, custodian: Custodian
) -> None:
    peer = associated(connect())
    other = store_command("1.2", sop_class_uid="1.2.840.10008.5.1.4.1.1.4")
    assert peer.request(3, other, DATA_SET).status == 0x0122
    assert not custodian.arrivals


@pytest.mark.parametrize(
    ("context_id", "command", "data_set"),
    [
        (3, command_set(FIND_RQ, sop_class_uid=CT_IMAGE_STORAGE, data_set_type=1), b"identifier"),
        (3, command_set(0x0030, sop_class_uid="1.2.840.10008.1.1"), None),
        (1, store_command("1.2", sop_class_uid="1.2.840.10008.1.1"), b"data"),
    ],
    ids=["C-FIND", "C-ECHO in a storage context", "C-STORE in the verification context"],
)
def test_operation_not_agreed_on_is_unrecognized_and_the_association_goes_on(
    connect: Connect, context_id: int, command: bytes, data_set: bytes | None
) -> None:
    peer = associated(connect())
    assert peer.request(context_id, command, data_set).status == 0x0211
    assert peer.request(1, echo_command()).status == 0


@pytest.mark.parametrize("data_set", [None, b"data"])
def test_unknown_command_field_is_unrecognized_not_fatal(
    connect_fast: Connect, data_set: bytes | None
) -> None:
    peer = associated(connect_fast())
    kind = 0x0101 if data_set is None else 0
    command = command_set(0x0077, sop_class_uid=CT_IMAGE_STORAGE, data_set_type=kind)
    response = peer.request(3, command, data_set)
    assert (response.command_field, response.status) == (0x8077, 0x0211)
    assert peer.request(1, echo_command()).status == 0


def test_cancel_of_nothing_has_no_answer(connect: Connect) -> None:
    peer = associated(connect())
    cancel = (
        element(0x0100, struct.pack("<H", CANCEL_RQ))
        + element(0x0120, struct.pack("<H", 5))
        + element(0x0800, struct.pack("<H", 0x0101))
    )
    cancel = element(0, struct.pack("<I", len(cancel))) + cancel
    peer.send(message(3, cancel))
    assert peer.request(1, echo_command(message_id=6)).message_id == 6


def test_one_byte_fragments(connect: Connect, custodian: Custodian) -> None:
    peer = associated(connect())
    command = store_command("1.2")
    for index in range(len(command)):
        piece = command[index : index + 1]
        peer.send(p_data(pdv(3, piece, command=True, last=index == len(command) - 1)))
    data_set = DATA_SET[:300]
    pieces = [
        pdv(3, data_set[index : index + 1], last=index == len(data_set) - 1)
        for index in range(len(data_set))
    ]
    peer.send(p_data(*pieces))
    assert peer.read_response().status == 0
    assert custodian.kept == {"1.2": data_set}


def test_command_and_data_set_in_one_pdu(connect: Connect, custodian: Custodian) -> None:
    peer = associated(connect())
    peer.send(p_data(pdv(3, store_command("1.2"), command=True), pdv(3, b"data")))
    assert peer.read_response().status == 0
    assert custodian.kept == {"1.2": b"data"}


def test_messages_sent_without_waiting_are_answered_in_order(
    connect_fast: Connect, custodian: Custodian
) -> None:
    peer = associated(connect_fast())
    peer.send(
        p_data(
            pdv(3, store_command("1.1", message_id=1), command=True),
            pdv(3, b"a"),
            pdv(1, echo_command(message_id=2), command=True),
            pdv(3, store_command("1.3", message_id=3), command=True),
            pdv(3, b"c"),
        )
    )
    assert [peer.read_response().message_id for _ in range(3)] == [1, 2, 3]
    assert custodian.kept == {"1.1": b"a", "1.3": b"c"}


def test_empty_fragments_do_no_harm(connect_fast: Connect, custodian: Custodian) -> None:
    peer = associated(connect_fast())
    command = store_command("1.2")
    peer.send(p_data(pdv(3, b"", command=True, last=False), pdv(3, command, command=True)))
    peer.send(p_data(pdv(3, b"", last=False), pdv(3, b"ab", last=False), pdv(3, b"")), p_data())
    assert peer.read_response().status == 0
    assert custodian.kept == {"1.2": b"ab"}


def test_pdu_of_exactly_the_maximum_length_is_taken(connect: Connect, custodian: Custodian) -> None:
    peer = associated(connect())
    data_set = bytes(32 * 1024 - 6)
    peer.send(p_data(pdv(3, store_command("1.2"), command=True)), p_data(pdv(3, data_set)))
    assert peer.read_response().status == 0
    assert custodian.kept == {"1.2": data_set}


def test_answer_fits_the_peers_maximum_length(connect: Connect) -> None:
    peer = connect()
    assert peer.associate(pdu_bytes_max=32).kind == ASSOCIATE_AC
    peer.send(message(3, store_command("1.2"), b"data"))
    first = peer.read_pdu()
    assert len(first.body) <= 32
    lengths = []
    while not first.body[5] & 2:
        first = peer.read_pdu()
        lengths.append(len(first.body))
    assert lengths
    assert max(lengths) <= 32


def test_end_is_one_info_line_with_counts(
    connect: Connect, caplog: pytest.LogCaptureFixture, custodian: Custodian
) -> None:
    caplog.set_level(logging.INFO)
    custodian.failures["1.3"] = ("keep", MalformedDataSet("broken"))
    peer = associated(connect())
    peer.request(3, store_command("1.2"), b"four")
    peer.request(3, store_command("1.3"), b"four")
    peer.release()
    peer.connection.close()
    line = eventually(lambda: ended(caplog))
    assert line["level"] == "INFO"
    assert line["outcome"] == "released"
    assert (line["calling_ae_title"], line["called_ae_title"]) == ("MODALITY", "INGEST")
    assert line["peer_address"] == "127.0.0.1"
    counts = (line["instances_stored"], line["instances_refused"], line["bytes_stored"])
    assert counts == (1, 1, 4)
    assert len(str(line["association_id"])) == 32


def test_connection_without_a_word_is_no_news(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    peer = connect(artim_timeout_seconds=0.2)
    peer.connection.close()
    peer.thread.join(60)  # type: ignore[attr-defined]
    assert not [record for record in caplog.records if record.levelno >= logging.INFO]
