"""Plays DICOM peers word for word: raw PDUs on a real socket, right or wrong on purpose.

Encodes by itself, so that it does not share a mistake with the code it tests.
Source: PS3.8 9.3, Annex E; PS3.7 6.3.1, 9.3, E.1.
"""

import socket
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

VERIFICATION = "1.2.840.10008.1.1"
CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"

ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA = 1, 2, 3, 4
RELEASE_RQ, RELEASE_RP, ABORT = 5, 6, 7

ECHO_RQ, STORE_RQ, FIND_RQ, CANCEL_RQ = 0x0030, 0x0001, 0x0020, 0x0FFF
NO_DATA_SET, DATA_SET = 0x0101, 0x0000

# Proposed context: ID, abstract syntax, transfer syntaxes.
Context = tuple[int, str, Sequence[str]]
ECHO_AND_CT: tuple[Context, ...] = (
    (1, VERIFICATION, [IMPLICIT_LITTLE]),
    (3, CT_IMAGE_STORAGE, [EXPLICIT_LITTLE, IMPLICIT_LITTLE]),
)


class ConnectionEnded(Exception):
    """The other side closed, or broke, the connection."""


@dataclass(frozen=True)
class Pdu:
    """A PDU as it came: its type and all after its length."""

    kind: int
    body: bytes


@dataclass(frozen=True)
class Response:
    """A DIMSE response: its command set by element number."""

    context_id: int
    elements: dict[int, bytes] = field(repr=False)

    @property
    def command_field(self) -> int:
        return int.from_bytes(self.elements[0x0100], "little")

    @property
    def message_id(self) -> int:
        return int.from_bytes(self.elements[0x0120], "little")

    @property
    def status(self) -> int:
        return int.from_bytes(self.elements[0x0900], "little")

    @property
    def comment(self) -> str:
        return self.elements.get(0x0902, b"").decode("ascii").rstrip()

    @property
    def sop_instance_uid(self) -> str:
        return self.elements.get(0x1000, b"").decode("ascii").rstrip("\0")


class ScriptedPeer:
    """One end of a connection, at the disposal of a test."""

    def __init__(self, connection: socket.socket, *, timeout_seconds: float = 60) -> None:
        self.connection = connection
        self._fragments: list[tuple[int, int, bytes]] = []
        connection.settimeout(timeout_seconds)

    @classmethod
    def connect(cls, host: str, port: int) -> Self:
        return cls(socket.create_connection((host, port), timeout=60))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_details: object) -> None:
        self.connection.close()

    def send(self, *pieces: bytes) -> None:
        self.connection.sendall(b"".join(pieces))

    def read_pdu(self) -> Pdu:
        """The next PDU. Raises `ConnectionEnded`, `TimeoutError`."""
        kind, length = struct.unpack(">BxI", self._read(6))
        return Pdu(kind, self._read(length))

    def read_response(self) -> Response:
        """The next response, put together from as many PDUs as it has."""
        command = b""
        while True:
            pdu = self.read_pdu()
            assert pdu.kind == P_DATA, pdu
            offset = 0
            while offset < len(pdu.body):
                length, context_id, control = struct.unpack_from(">IBB", pdu.body, offset)
                command += pdu.body[offset + 6 : offset + 4 + length]
                offset += 4 + length
            if control & 2:
                return Response(context_id, elements(command))

    def read_message(self) -> tuple[Response, bytes | None]:
        """The next response and its data set, if it has one."""
        context_id, command = self._read_part()
        response = Response(context_id, elements(command))
        if response.elements[0x0800] == struct.pack("<H", NO_DATA_SET):
            return response, None
        return response, self._read_part()[1]

    def _read_part(self) -> tuple[int, bytes]:
        """The context and the bytes of the next command set or data set."""
        part = b""
        while True:
            if not self._fragments:
                pdu = self.read_pdu()
                assert pdu.kind == P_DATA, pdu
                self._fragments += fragments(pdu.body)
            context_id, control, fragment = self._fragments.pop(0)
            part += fragment
            if control & 2:
                return context_id, part

    def associate(self, contexts: Iterable[Context] = ECHO_AND_CT, **fields: Any) -> Pdu:
        """Ask for an association, return the answer whatever it is."""
        self.send(associate_rq(contexts, **fields))
        return self.read_pdu()

    def request(self, context_id: int, command: bytes, data_set: bytes | None = None) -> Response:
        """Send one message in the simplest way, return its response."""
        self.send(message(context_id, command, data_set))
        return self.read_response()

    def release(self) -> Pdu:
        self.send(release_rq())
        return self.read_pdu()

    def is_closed(self) -> bool:
        """Whether the other side ended the connection; what came before is thrown away."""
        try:
            while self.connection.recv(4096):
                pass
        except TimeoutError:
            return False
        except OSError:
            return True
        return True

    def _read(self, length: int) -> bytes:
        received = b""
        while len(received) < length:
            try:
                piece = self.connection.recv(length - len(received))
            except ConnectionError as error:
                raise ConnectionEnded from error
            if not piece:
                raise ConnectionEnded(f"after {len(received)} of {length} bytes")
            received += piece
        return received


def pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxI", kind, len(body)) + body


def item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(body)) + body


def associate_rq(
    contexts: Iterable[Context] = ECHO_AND_CT,
    *,
    called: str = "INGEST",
    calling: str = "MODALITY",
    application_context: str = APPLICATION_CONTEXT,
    protocol_version: int = 1,
    pdu_bytes_max: int = 16384,
    user_items: bytes = b"",
    further_items: bytes = b"",
) -> bytes:
    proposed = b"".join(
        item(
            0x20,
            bytes([context_id, 0, 0, 0])
            + item(0x30, abstract.encode())
            + b"".join(item(0x40, syntax.encode()) for syntax in syntaxes),
        )
        for context_id, abstract, syntaxes in contexts
    )
    user = (
        item(0x51, struct.pack(">I", pdu_bytes_max))
        + item(0x52, b"2.25.1")
        + item(0x55, b"SCRIPTED")
        + user_items
    )
    fixed = struct.pack(
        ">H2x16s16s32x", protocol_version, called.encode().ljust(16), calling.encode().ljust(16)
    )
    items = item(0x10, application_context.encode()) + proposed + further_items + item(0x50, user)
    return pdu(ASSOCIATE_RQ, fixed + items)


def release_rq() -> bytes:
    return pdu(RELEASE_RQ, bytes(4))


def abort(source: int = 0, reason: int = 0) -> bytes:
    return pdu(ABORT, bytes([0, 0, source, reason]))


def pdv(context_id: int, fragment: bytes, *, command: bool = False, last: bool = True) -> bytes:
    control = (1 if command else 0) | (2 if last else 0)
    return struct.pack(">IBB", len(fragment) + 2, context_id, control) + fragment


def p_data(*pdvs: bytes) -> bytes:
    return pdu(P_DATA, b"".join(pdvs))


def message(context_id: int, command: bytes, data_set: bytes | None = None) -> bytes:
    """A whole message: a PDU for the command set, PDUs of 16 KB for the data set."""
    pieces = [p_data(pdv(context_id, command, command=True))]
    for start in range(0, len(data_set or b""), 16000):
        assert data_set is not None
        fragment = data_set[start : start + 16000]
        is_last = start + 16000 >= len(data_set)
        pieces.append(p_data(pdv(context_id, fragment, last=is_last)))
    return b"".join(pieces)


def fragments(body: bytes) -> list[tuple[int, int, bytes]]:
    """Context, control header and content of each PDV of a P-DATA-TF."""
    found = []
    while body:
        length, context_id, control = struct.unpack_from(">IBB", body)
        found.append((context_id, control, body[6 : 4 + length]))
        body = body[4 + length :]
    return found


def element(number: int, value: bytes) -> bytes:
    return struct.pack("<HHI", 0, number, len(value)) + value


def command_set(
    command_field: int,
    *,
    message_id: int = 1,
    sop_class_uid: str = "",
    sop_instance_uid: str = "",
    data_set_type: int = NO_DATA_SET,
) -> bytes:
    values = [
        (0x0002, _uid(sop_class_uid)),
        (0x0100, struct.pack("<H", command_field)),
        (0x0110, struct.pack("<H", message_id)),
        (0x0700, struct.pack("<H", 0)),
        (0x0800, struct.pack("<H", data_set_type)),
        (0x1000, _uid(sop_instance_uid)),
    ]
    encoded = b"".join(element(number, value) for number, value in values if value)
    return element(0, struct.pack("<I", len(encoded))) + encoded


def echo_command(message_id: int = 1) -> bytes:
    return command_set(ECHO_RQ, message_id=message_id, sop_class_uid=VERIFICATION)


def store_command(
    sop_instance_uid: str, *, sop_class_uid: str = CT_IMAGE_STORAGE, message_id: int = 1
) -> bytes:
    return command_set(
        STORE_RQ,
        message_id=message_id,
        sop_class_uid=sop_class_uid,
        sop_instance_uid=sop_instance_uid,
        data_set_type=DATA_SET,
    )


def elements(command: bytes) -> dict[int, bytes]:
    """A command set as it was sent, by element number."""
    found: dict[int, bytes] = {}
    offset = 0
    while offset < len(command):
        _, number, length = struct.unpack_from("<HHI", command, offset)
        found[number] = command[offset + 8 : offset + 8 + length]
        offset += 8 + length
    assert found[0] == struct.pack("<I", len(command) - 12)
    return found


def _uid(value: str) -> bytes:
    return value.encode() + b"\0" * (len(value) % 2)
