"""C-FIND of identifiers that are wrong by mistake or on purpose: a status, and no harm."""

import struct
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from ingestion.models import StorageSpace
from tests.builders import data_set_bytes
from tests.integration.dimse.conftest import Start
from tests.integration.dimse.find_client import (
    CONTEXT_IDS,
    DOES_NOT_MATCH,
    OUT_OF_RESOURCES,
    PATIENT_ROOT,
    STUDY_ROOT,
    SUCCESS,
    UNABLE,
    associate,
    find,
    find_command,
    keep,
    query,
)
from tests.scripted_peer import FIND_RQ, ScriptedPeer, command_set, message

FAILURES = {OUT_OF_RESOURCES, DOES_NOT_MATCH, UNABLE}


@pytest.fixture
def peer(space: StorageSpace, start_service: Start) -> Iterator[ScriptedPeer]:
    keep(space, "1.2.3", "1.2.3.1", "1.2.3.1.1", PatientName="Doe^Jane", PatientID="P1")
    with start_service(limits={"identifier_bytes_max": 1 << 20}).connect() as peer:
        yield associate(peer)


def explicit(tag: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


STUDY_LEVEL = explicit(0x00080052, b"CS", b"STUDY ")
NESTED = struct.pack("<HH2sxxI", 0x0008, 0x1110, b"SQ", 0xFFFFFFFF) + struct.pack(
    "<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF
)
IDENTIFIERS = {
    "no level": (explicit(0x00100020, b"LO", b"P1"), DOES_NOT_MATCH),
    "empty level": (explicit(0x00080052, b"CS", b""), DOES_NOT_MATCH),
    "several levels": (explicit(0x00080052, b"CS", b"STUDY\\SERIES "), DOES_NOT_MATCH),
    "unknown level": (explicit(0x00080052, b"CS", b"NONSENSE"), DOES_NOT_MATCH),
    "level that is a number": (explicit(0x00080052, b"US", b"\1\0"), DOES_NOT_MATCH),
    "no date": (STUDY_LEVEL + explicit(0x00080020, b"DA", b"20261399"), DOES_NOT_MATCH),
    "no UID": (STUDY_LEVEL + explicit(0x0020000D, b"UI", b"hello!"), DOES_NOT_MATCH),
    "wild cards in a list": (STUDY_LEVEL + explicit(0x00080050, b"SH", b"A*\\B*\\C"), None),
    "NUL inside": (STUDY_LEVEL + explicit(0x00080050, b"SH", b"A\0B\0C "), DOES_NOT_MATCH),
    "sequences without end": (STUDY_LEVEL + NESTED * 50_000, DOES_NOT_MATCH),
    "two items": (
        STUDY_LEVEL
        + struct.pack("<HH2sxxI", 0x0008, 0x1032, b"SQ", 32)
        + (struct.pack("<HHI", 0xFFFE, 0xE000, 8) + explicit(0x00080100, b"SH", b"")) * 2,
        DOES_NOT_MATCH,
    ),
    "cut off": (STUDY_LEVEL + explicit(0x00100020, b"LO", b"P1")[:-1], UNABLE),
    "no data set": (b"\xff" * 100, UNABLE),
    "thousands of keys": (
        STUDY_LEVEL + b"".join(explicit(0x00110000 | n, b"LO", b"x ") for n in range(4096, 8192)),
        DOES_NOT_MATCH,
    ),
    "beyond all measure": (
        STUDY_LEVEL + explicit(0x00100020, b"LO", b"P1" * 16_000) * 40,
        OUT_OF_RESOURCES,
    ),
}


@pytest.mark.parametrize("name", IDENTIFIERS)
def test_hostile_identifiers_get_a_status_and_the_association_goes_on(
    peer: ScriptedPeer, name: str
) -> None:
    identifier, status = IDENTIFIERS[name]
    answer = find(peer, identifier)
    assert answer.status == (status or DOES_NOT_MATCH)
    assert answer.matches == []
    assert len(answer.final.comment) in range(1, 65)
    answer = find(peer, query("STUDY", StudyInstanceUID="1.2.3"))
    assert (answer.status, len(answer.matches)) == (SUCCESS, 1)


def test_comments_never_repeat_values(peer: ScriptedPeer) -> None:
    for keyword, value in [("PatientBirthDate", "19700199"), ("StudyInstanceUID", "Doe^Jane")]:
        answer = find(peer, query("STUDY", **{keyword: value}))
        assert answer.status == DOES_NOT_MATCH
        assert value not in answer.final.comment
        assert keyword in answer.final.comment


def test_a_query_without_identifier_is_refused(peer: ScriptedPeer) -> None:
    command = command_set(FIND_RQ, sop_class_uid=STUDY_ROOT)
    assert peer.request(CONTEXT_IDS[STUDY_ROOT], command).status in FAILURES
    assert find(peer, query("STUDY", PatientID="P1")).status == SUCCESS


def test_a_query_of_another_model_than_its_context_is_refused(peer: ScriptedPeer) -> None:
    encoded = data_set_bytes(query("STUDY", PatientID="P1"), ExplicitVRLittleEndian)
    peer.send(message(CONTEXT_IDS[STUDY_ROOT], find_command(PATIENT_ROOT), encoded))
    assert peer.read_message()[0].status == 0x0122
    assert find(peer, query("STUDY", PatientID="P1")).status == SUCCESS


def test_attributes_of_no_data_set_are_not_supported(peer: ScriptedPeer) -> None:
    identifier = STUDY_LEVEL + explicit(0x00089999, b"LO", b"x ") + explicit(0x0020000D, b"UI", b"")
    answer = find(peer, identifier)
    assert (answer.status, len(answer.matches)) == (SUCCESS, 1)


def test_a_sequence_whose_items_have_the_key_of_another_vr(peer: ScriptedPeer) -> None:
    item = Dataset()
    item.add_new(0x00080100, "UI", "1.2")
    answer = find(peer, query("STUDY", ProcedureCodeSequence=[item]))
    assert (answer.status, answer.matches) == (SUCCESS, [])


def test_a_patients_name_in_a_number_finds_nobody(peer: ScriptedPeer) -> None:
    identifier = STUDY_LEVEL + explicit(0x00100010, b"US", b"\1\0")
    assert find(peer, identifier).matches == []


@pytest.mark.parametrize("text", ["%", "_", "' OR 1=1 --", '";', "[a-z]+", "(?:", "a{9}"])
def test_texts_that_mean_something_to_databases_mean_nothing(peer: ScriptedPeer, text: str) -> None:
    for keyword in ("PatientName", "PatientID", "StudyDescription", "PatientComments"):
        answer = find(peer, query("STUDY", **{keyword: text + "*"}))
        assert answer.status == SUCCESS or answer.status in FAILURES
        assert answer.matches == []


KEY = st.tuples(
    st.sampled_from(
        (
            0x00080020,
            0x00080030,
            0x00080050,
            0x00080061,
            0x00100010,
            0x00100030,
            0x0020000D,
            0x00200010,
            0x00201208,
            0x00280010,
            0x00091001,
            0x00081032,
            0x00080201,
            0x7FE00010,
        )
    ),
    st.sampled_from(["CS", "DA", "LO", "PN", "UI", "US", "TM", "DT", "IS", "UN"]),
    st.binary(max_size=12),
)


@settings(max_examples=150)
@given(
    level=st.sampled_from(["PATIENT", "STUDY", "SERIES", "IMAGE"]),
    keys=st.lists(KEY, max_size=5, unique_by=lambda key: key[0]),
    tail=st.one_of(st.just(b""), st.binary(max_size=20)),
)
def test_no_identifier_breaks_an_association(
    peer: ScriptedPeer,
    level: str,
    keys: list[tuple[int, str, bytes]],
    tail: bytes,
) -> None:
    encoded = explicit(0x00080052, b"CS", level.encode() + b" " * (len(level) % 2))
    for tag, vr, odd in sorted(keys):
        value = odd + b" " * (len(odd) % 2)
        if vr == "UN":
            head = struct.pack("<HH2sxxI", tag >> 16, tag & 0xFFFF, b"UN", len(value))
            encoded += head + value
        else:
            encoded += explicit(tag, vr.encode(), value)
    answer = find(peer, encoded + tail, model=PATIENT_ROOT)
    assert answer.status == SUCCESS or answer.status in FAILURES


def test_big_endian_is_spoken(space: StorageSpace, start_service: Start) -> None:
    syntax = ExplicitVRBigEndian
    keep(space, "1.2.3", "1.2.3.1", "1.2.3.1.1", PatientID="P1")
    identifier = query("STUDY", StudyInstanceUID="", PatientID="P1")
    with start_service().connect() as peer:
        associate(peer, syntax=syntax)
        encoded = data_set_bytes(identifier, syntax)
        peer.send(message(CONTEXT_IDS[STUDY_ROOT], find_command(STUDY_ROOT), encoded))
        response, data_set = peer.read_message()
        assert response.status == 0xFF00
        assert data_set is not None
        assert peer.read_message()[0].status == SUCCESS


def test_implicit_vr_is_spoken(space: StorageSpace, start_service: Start) -> None:
    keep(space, "1.2.3", "1.2.3.1", "1.2.3.1.1", PatientID="P1", Rows=8)
    identifier = query("IMAGE", StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.1", Rows=8)
    explicit_bytes = data_set_bytes(identifier, ExplicitVRLittleEndian)
    assert data_set_bytes(identifier, ImplicitVRLittleEndian) != explicit_bytes
    with start_service().connect() as peer:
        associate(peer, syntax=ImplicitVRLittleEndian)
        encoded = data_set_bytes(identifier, ImplicitVRLittleEndian)
        peer.send(message(CONTEXT_IDS[STUDY_ROOT], find_command(STUDY_ROOT), encoded))
        response, data_set = peer.read_message()
        assert response.status == 0xFF00
        assert b"\x28\0\x10\0\2\0\0\0\x08\0" in (data_set or b"")
        assert peer.read_message()[0].status == SUCCESS
