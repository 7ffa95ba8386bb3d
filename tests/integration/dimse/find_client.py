"""Asks C-FIND of the running service, word for word; what comes back is read by pydicom."""

from dataclasses import dataclass
from io import BytesIO
from typing import Any

from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.uid import ExplicitVRLittleEndian

from ingestion.models import StorageSpace
from tests.builders import build_ct, data_set_bytes, part10_bytes
from tests.held_instances import hold
from tests.scripted_peer import (
    ASSOCIATE_AC,
    DATA_SET,
    FIND_RQ,
    Response,
    ScriptedPeer,
    command_set,
    message,
)

PATIENT_ROOT = "1.2.840.10008.5.1.4.1.2.1.1"
STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.2.1"
PATIENT_STUDY_ONLY = "1.2.840.10008.5.1.4.1.2.3.1"
MODELS = {1: PATIENT_ROOT, 3: STUDY_ROOT, 5: PATIENT_STUDY_ONLY}
CONTEXT_IDS = {uid: context_id for context_id, uid in MODELS.items()}

# PS3.4 Table C.4-1.
SUCCESS, PENDING, PENDING_WITHOUT_SOME_KEYS, CANCEL = 0x0000, 0xFF00, 0xFF01, 0xFE00
OUT_OF_RESOURCES, DOES_NOT_MATCH, UNABLE = 0xA700, 0xA900, 0xC000


@dataclass(frozen=True)
class Answer:
    """The matches, the statuses of their responses, and the final response."""

    matches: list[Dataset]
    pending: set[int]
    final: Response

    @property
    def status(self) -> int:
        return self.final.status

    @property
    def offending_element(self) -> bytes:
        return self.final.elements.get(0x0901, b"")


def associate(
    peer: ScriptedPeer,
    *,
    extended: bytes = b"",
    syntax: str = ExplicitVRLittleEndian,
    **fields: Any,
) -> ScriptedPeer:
    """Propose the three models; `extended` is the application information for each of them."""
    items = b""
    if extended:
        for uid in MODELS.values():
            value = len(uid).to_bytes(2, "big") + uid.encode() + extended
            items += b"\x56\0" + len(value).to_bytes(2, "big") + value
    contexts = [(context_id, uid, [syntax]) for context_id, uid in MODELS.items()]
    answer = peer.associate(contexts, user_items=items, **fields)
    assert answer.kind == ASSOCIATE_AC
    return peer


def find_command(model: str, *, message_id: int = 1) -> bytes:
    return command_set(FIND_RQ, message_id=message_id, sop_class_uid=model, data_set_type=DATA_SET)


def find(peer: ScriptedPeer, identifier: Dataset | bytes, *, model: str = STUDY_ROOT) -> Answer:
    """Send the query in Explicit VR Little Endian, wait for all responses."""
    encoded = identifier
    if isinstance(identifier, Dataset):
        encoded = data_set_bytes(identifier, ExplicitVRLittleEndian)
    assert isinstance(encoded, bytes)
    peer.send(message(CONTEXT_IDS[model], find_command(model), encoded))
    return read_answer(peer)


def read_answer(peer: ScriptedPeer) -> Answer:
    matches: list[Dataset] = []
    pending: set[int] = set()
    while True:
        response, data_set = peer.read_message()
        if data_set is None:
            return Answer(matches, pending, response)
        pending.add(response.status)
        found = read_dataset(BytesIO(data_set), is_implicit_VR=False, is_little_endian=True)
        found.decode()
        matches.append(found)


def query(level: str, **keys: Any) -> Dataset:
    """An identifier of a level and keys by keyword."""
    identifier = Dataset()
    identifier.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        tag = tag_for_keyword(keyword)
        assert tag is not None, keyword
        identifier.add(DataElement(tag, dictionary_VR(tag), value, validation_mode=IGNORE))
    return identifier


def keep(space: StorageSpace, study: str, series: str, sop: str, **values: Any) -> None:
    """Store and register a CT image with these values by keyword."""
    dataset = build_ct(study_instance_uid=study, series_instance_uid=series, sop_instance_uid=sop)
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    hold(space, part10_bytes(dataset))
