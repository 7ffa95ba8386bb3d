"""A peer that is called: accepts connections and plays its script on each, word for word.

Source: PS3.8 9.3.3, 9.3.4; PS3.7 9.3, E.1.
"""

import socket
import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.scripted_peer import (
    APPLICATION_CONTEXT,
    ASSOCIATE_AC,
    ASSOCIATE_RJ,
    ASSOCIATE_RQ,
    IMPLICIT_LITTLE,
    NO_DATA_SET,
    P_DATA,
    RELEASE_RP,
    RELEASE_RQ,
    ConnectionEnded,
    ScriptedPeer,
    element,
    elements,
    item,
    p_data,
    pdu,
    pdv,
)

Script = Callable[[ScriptedPeer], None]


class ScriptedAcceptor:
    """Listens on a port of its own; each connection is played by the script, in its thread."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self.errors: list[BaseException] = []
        self.connections = 0

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(60)
        for thread in self._threads:
            thread.join(60)
        if kind is None and self.errors:
            raise self.errors[0]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._play, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _play(self, connection: socket.socket) -> None:
        with ScriptedPeer(connection) as peer:
            try:
                self._script(peer)
            except BaseException as error:  # noqa: BLE001 - the test is told
                self.errors.append(error)


@dataclass(frozen=True)
class Asked:
    """An A-ASSOCIATE-RQ: its titles, contexts and user items."""

    called: str
    calling: str
    contexts: dict[int, tuple[str, list[str]]]
    user_items: list[tuple[int, bytes]]


@dataclass(frozen=True)
class Message:
    """A message as it came: elements of its command set, its data set, lengths of its PDUs."""

    context_id: int
    elements: dict[int, bytes]
    data_set: bytes
    pdu_lengths: list[int]

    @property
    def command_field(self) -> int:
        return int.from_bytes(self.elements[0x0100], "little")

    @property
    def message_id(self) -> bytes:
        return self.elements[0x0110]

    @property
    def sop_instance_uid(self) -> str:
        return self.elements[0x1000].decode().rstrip("\0")


def read_request(peer: ScriptedPeer) -> Asked:
    """The A-ASSOCIATE-RQ that comes first."""
    asked = peer.read_pdu()
    assert asked.kind == ASSOCIATE_RQ
    called, calling = struct.unpack_from(">4x16s16s", asked.body)
    contexts: dict[int, tuple[str, list[str]]] = {}
    user_items: list[tuple[int, bytes]] = []
    for kind, value in cut(asked.body[68:]):
        if kind == 0x20:
            syntaxes = [uid.decode() for _, uid in cut(value[4:])]
            contexts[value[0]] = (syntaxes[0], syntaxes[1:])
        elif kind == 0x50:
            user_items = cut(value)
    return Asked(called.decode().strip(), calling.decode().strip(), contexts, user_items)


def cut(encoded: bytes) -> list[tuple[int, bytes]]:
    """The items of a PDU."""
    found = []
    while encoded:
        kind, length = struct.unpack_from(">BxH", encoded)
        found.append((kind, encoded[4 : 4 + length]))
        encoded = encoded[4 + length :]
    return found


def associate_ac(
    answers: Mapping[int, tuple[int, str]], *, pdu_bytes_max: int = 16384, user_items: bytes = b""
) -> bytes:
    """An A-ASSOCIATE-AC; `answers` are result and transfer syntax by context ID."""
    contexts = b"".join(
        item(0x21, bytes([context_id, 0, result, 0]) + item(0x40, syntax.encode()))
        for context_id, (result, syntax) in answers.items()
    )
    user = item(0x51, struct.pack(">I", pdu_bytes_max)) + item(0x52, b"2.25.1")
    user += item(0x55, b"SCRIPTED") + user_items
    fixed = struct.pack(">H2x16s16s32x", 1, b"PEER".ljust(16), b"US".ljust(16))
    items = item(0x10, APPLICATION_CONTEXT.encode()) + contexts + item(0x50, user)
    return pdu(ASSOCIATE_AC, fixed + items)


def associate_rj(result: int, source: int, reason: int) -> bytes:
    return pdu(ASSOCIATE_RJ, bytes([0, result, source, reason]))


def accept(
    peer: ScriptedPeer,
    *,
    pdu_bytes_max: int = 16384,
    only: Sequence[str] = (),
    sop_classes: Sequence[str] = (),
) -> Asked:
    """Read the request and accept each context in its first transfer syntax.

    With `only`, contexts without one of these transfer syntaxes are refused, with `sop_classes`
    all of others.
    """
    asked = read_request(peer)
    answers = {}
    for context_id, (abstract, syntaxes) in asked.contexts.items():
        chosen = next((uid for uid in syntaxes if not only or uid in only), "")
        if sop_classes and abstract not in sop_classes:
            answers[context_id] = (3, IMPLICIT_LITTLE)
        else:
            answers[context_id] = (0, chosen) if chosen else (4, IMPLICIT_LITTLE)
    peer.send(associate_ac(answers, pdu_bytes_max=pdu_bytes_max))
    return asked


def read_message(peer: ScriptedPeer) -> Message | None:
    """The next message, or None when the peer releases: that is answered."""
    command, data_set = b"", b""
    lengths: list[int] = []
    while True:
        came = peer.read_pdu()
        if came.kind == RELEASE_RQ and not command:
            peer.send(pdu(RELEASE_RP, bytes(4)))
            return None
        assert came.kind == P_DATA, came
        lengths.append(len(came.body))
        offset = 0
        while offset < len(came.body):
            length, context_id, control = struct.unpack_from(">IBB", came.body, offset)
            fragment = came.body[offset + 6 : offset + 4 + length]
            offset += 4 + length
            if control & 1:
                command += fragment
            else:
                data_set += fragment
            if control & 2 and (not control & 1 or not _has_data_set(command)):
                return Message(context_id, elements(command), data_set, lengths)


def _has_data_set(command: bytes) -> bool:
    return elements(command)[0x0800] != struct.pack("<H", NO_DATA_SET)


def response(
    asked: Message, status: int = 0, *, message_id: int | None = None, data_set: bytes | None = None
) -> bytes:
    """The message that answers another."""
    answered = asked.message_id if message_id is None else struct.pack("<H", message_id)
    data_set_type = NO_DATA_SET if data_set is None else 0
    values = [
        (0x0002, asked.elements.get(0x0002, b"")),
        (0x0100, struct.pack("<H", asked.command_field | 0x8000)),
        (0x0120, answered),
        (0x0800, struct.pack("<H", data_set_type)),
        (0x0900, struct.pack("<H", status)),
        (0x1000, asked.elements.get(0x1000, b"")),
    ]
    encoded = b"".join(element(number, value) for number, value in values if value)
    command = element(0, struct.pack("<I", len(encoded))) + encoded
    pdvs = [pdv(asked.context_id, command, command=True)]
    if data_set is not None:
        pdvs.append(pdv(asked.context_id, data_set))
    return p_data(*pdvs)


class StoringPeer:
    """A script: accepts as told, keeps every message, answers each with the status it has."""

    def __init__(
        self,
        *,
        pdu_bytes_max: int = 16384,
        only: Sequence[str] = (),
        sop_classes: Sequence[str] = (),
        statuses: Mapping[str, int] | None = None,
    ) -> None:
        self._pdu_bytes_max = pdu_bytes_max
        self._only = only
        self._sop_classes = sop_classes
        self._statuses = statuses or {}
        self.asked: list[Asked] = []
        self.messages: list[Message] = []
        self.aborted = 0

    def __call__(self, peer: ScriptedPeer) -> None:
        self.asked.append(
            accept(
                peer,
                pdu_bytes_max=self._pdu_bytes_max,
                only=self._only,
                sop_classes=self._sop_classes,
            )
        )
        while (message := self._next(peer)) is not None:
            self.messages.append(message)
            uid = message.elements.get(0x1000, b"").decode().rstrip("\0")
            peer.send(response(message, self._statuses.get(uid, 0)))

    def _next(self, peer: ScriptedPeer) -> Message | None:
        try:
            return read_message(peer)
        except (AssertionError, ConnectionEnded):
            self.aborted += 1
            return None
