"""A peer that retrieves, played message by message; and what a space holds for it.

Source: PS3.7 9.3.3 and 9.3.4 (C-GET, C-MOVE), D.3.3.4 (role selection), E.1.
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Self

from pydicom import dcmread
from pydicom.dataset import Dataset

from ingestion.models import StorageSpace
from tests.builders import build_ct, new_uid, part10_bytes
from tests.held_instances import hold
from tests.scripted_acceptor import Message, read_message, response
from tests.scripted_peer import (
    ASSOCIATE_AC,
    CANCEL_RQ,
    CT_IMAGE_STORAGE,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    STORE_RQ,
    Context,
    ScriptedPeer,
    element,
    item,
    message,
)

GET_RQ, MOVE_RQ = 0x0010, 0x0021
PATIENT_ROOT_GET = "1.2.840.10008.5.1.4.1.2.1.3"
STUDY_ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.3"
PATIENT_STUDY_ONLY_GET = "1.2.840.10008.5.1.4.1.2.3.3"
PATIENT_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.1.2"
STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
PATIENT_STUDY_ONLY_MOVE = "1.2.840.10008.5.1.4.1.2.3.2"
MR_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.4"
PENDING, SUCCESS, CANCELLED, SOME_FAILED = 0xFF00, 0x0000, 0xFE00, 0xB000
NONE_SENT = 0xA702

RETRIEVE_CONTEXT_ID = 1
MESSAGE_ID = 7

CT_CONTEXTS: tuple[Context, ...] = ((3, CT_IMAGE_STORAGE, [EXPLICIT_LITTLE]),)


@dataclass(frozen=True)
class Answer:
    """A response to the retrieval."""

    status: int
    counts: tuple[int | None, ...]  # remaining, completed, failed, warning
    failed_uids: list[str]
    comment: str
    offending_elements: bytes

    @classmethod
    def of(cls, came: Message) -> Self:
        counts = (came.elements.get(number) for number in (0x1020, 0x1021, 0x1022, 0x1023))
        return cls(
            status=int.from_bytes(came.elements[0x0900], "little"),
            counts=tuple(None if raw is None else int.from_bytes(raw, "little") for raw in counts),
            failed_uids=_failed_uids(came.data_set),
            comment=came.elements.get(0x0902, b"").decode("ascii").rstrip(),
            offending_elements=came.elements.get(0x0901, b""),
        )


@dataclass
class Retrieved:
    """What came of a retrieval: C-STORE-RQs by SOP Instance UID, and all responses."""

    stored: dict[str, Message] = field(default_factory=dict)
    responses: list[Answer] = field(default_factory=list)

    @property
    def final(self) -> Answer:
        return self.responses[-1]

    @property
    def pending(self) -> list[Answer]:
        assert all(response.status == PENDING for response in self.responses[:-1])
        return self.responses[:-1]


def scp_roles(contexts: Iterable[Context]) -> bytes:
    """Items that ask to be the SCP, and not the SCU, of each abstract syntax (D.3.3.4)."""
    classes = dict.fromkeys(context[1] for context in contexts)
    return b"".join(
        item(0x54, struct.pack(">H", len(uid)) + uid.encode() + b"\x00\x01") for uid in classes
    )


def extended(sop_class_uid: str, information: bytes) -> bytes:
    """An item of SOP Class extended negotiation (PS3.7 D.3.3.5)."""
    uid = sop_class_uid.encode()
    return item(0x56, struct.pack(">H", len(uid)) + uid + information)


def associate_to_get(
    peer: ScriptedPeer,
    contexts: Sequence[Context] = CT_CONTEXTS,
    *,
    sop_class_uid: str = STUDY_ROOT_GET,
    user_items: bytes | None = None,
    called: str = "INGEST",
) -> ScriptedPeer:
    asked = [(RETRIEVE_CONTEXT_ID, sop_class_uid, [IMPLICIT_LITTLE]), *contexts]
    items = scp_roles(contexts) if user_items is None else user_items
    assert peer.associate(asked, user_items=items, called=called).kind == ASSOCIATE_AC
    return peer


def associate_to_move(
    peer: ScriptedPeer, *, sop_class_uid: str = STUDY_ROOT_MOVE, user_items: bytes = b""
) -> ScriptedPeer:
    asked = [(RETRIEVE_CONTEXT_ID, sop_class_uid, [IMPLICIT_LITTLE])]
    assert peer.associate(asked, user_items=user_items).kind == ASSOCIATE_AC
    return peer


def retrieve_request(
    command_field: int,
    sop_class_uid: str,
    identifier: bytes,
    *,
    destination: str = "",
    priority: int = 0,
) -> bytes:
    padded = destination.encode().ljust(len(destination) + len(destination) % 2)
    values = [
        (0x0002, _even(sop_class_uid)),
        (0x0100, struct.pack("<H", command_field)),
        (0x0110, struct.pack("<H", MESSAGE_ID)),
        (0x0600, padded),
        (0x0700, struct.pack("<H", priority)),
        (0x0800, struct.pack("<H", 0x0001 if identifier else 0x0101)),
    ]
    return message(RETRIEVE_CONTEXT_ID, _command(values), identifier)


def cancel_request(message_id: int = MESSAGE_ID) -> bytes:
    values = [
        (0x0100, struct.pack("<H", CANCEL_RQ)),
        (0x0120, struct.pack("<H", message_id)),
        (0x0800, struct.pack("<H", 0x0101)),
    ]
    return message(RETRIEVE_CONTEXT_ID, _command(values))


def collect(
    peer: ScriptedPeer,
    *,
    answer: Callable[[Message], int] = lambda _request: 0,
    before_answer: Callable[[Message], None] = lambda _request: None,
) -> Retrieved:
    """Take and answer everything up to the final response."""
    retrieved = Retrieved()
    while True:
        came = read_message(peer)
        assert came is not None, "the service never releases"
        if came.command_field == STORE_RQ:
            retrieved.stored[came.sop_instance_uid] = came
            before_answer(came)
            peer.send(response(came, answer(came)))
        else:
            assert int.from_bytes(came.elements[0x0120], "little") == MESSAGE_ID
            retrieved.responses.append(Answer.of(came))
            if retrieved.final.status != PENDING:
                return retrieved


# In the order of their tags: group, element, padding.
_KEYS = {
    "SOPInstanceUID": (0x0008, 0x0018, b"\0"),
    "QueryRetrieveLevel": (0x0008, 0x0052, b" "),
    "PatientID": (0x0010, 0x0020, b" "),
    "StudyInstanceUID": (0x0020, 0x000D, b"\0"),
    "SeriesInstanceUID": (0x0020, 0x000E, b"\0"),
}


def identifier(level: str, **keys: str | list[str]) -> bytes:
    """Keys by keyword, right or wrong, in Implicit VR Little Endian."""
    encoded = b""
    for keyword, (group, number, padding) in _KEYS.items():
        value = (keys | {"QueryRetrieveLevel": level}).get(keyword)
        if value is not None:
            text = "\\".join([value] if isinstance(value, str) else value).encode()
            text += padding * (len(text) % 2)
            encoded += struct.pack("<HHI", group, number, len(text)) + text
    return encoded


def hold_study(space: StorageSpace, count: int = 3, **fields: Any) -> list[Dataset]:
    """CT images of one series, in the order of their numbers."""
    study, series = new_uid(), new_uid()
    held = []
    for number in range(count):
        image = build_ct(study_instance_uid=study, series_instance_uid=series, **fields)
        image.InstanceNumber = number + 1
        hold(space, part10_bytes(image))
        held.append(image)
    return held


def _failed_uids(encoded: bytes) -> list[str]:
    """Of an Identifier in Implicit VR Little Endian."""
    if not encoded:
        return []
    found = dcmread(BytesIO(encoded), force=True)
    assert [str(element.tag) for element in found] == ["(0008,0058)"]
    value = found[0x00080058].value
    return [value] if isinstance(value, str) else list(value)


def _command(values: Iterable[tuple[int, bytes]]) -> bytes:
    encoded = b"".join(element(number, value) for number, value in values if value)
    return element(0, struct.pack("<I", len(encoded))) + encoded


def _even(uid: str) -> bytes:
    return uid.encode() + b"\0" * (len(uid) % 2)
