"""An association as requestor. Source: PS3.8 9.2 (states 4 to 7)."""

import socket
import struct
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

from bench.dimse.encoding import (
    COMMAND_LAST,
    DATA,
    DATA_LAST,
    PDU_BYTES_MAX,
    PDV_HEADER_BYTES,
    Pdu,
    Proposal,
    associate_request,
    fragment,
    pdu,
)
from bench.dimse.stream import Message, MessageStream
from bench.errors import NotMeasured
from bench.peers.peer import LOOPBACK, Peer

TIMEOUT_SECONDS = 600.0


class Association:
    """One association. Leaving the context releases it."""

    def __init__(self, peer: Peer, proposals: Sequence[Proposal]) -> None:
        """Associate. Raises `NotMeasured` unless the peer accepts every proposal."""
        self._socket = socket.create_connection((LOOPBACK, peer.dimse_port), TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stream = MessageStream(self._socket)
        self._socket.sendall(associate_request(peer.ae_title, proposals))
        kind, body = self._stream.read_pdu()
        if kind != Pdu.ASSOCIATE_AC:
            raise NotMeasured(f"{peer.name} refused the association with PDU {kind}")
        accepted, offered = _accepted(body)
        if len(accepted) < len(proposals):
            raise NotMeasured(f"{peer.name} accepts {len(accepted)} of {len(proposals)} contexts")
        # What the peer takes in one PDU (PS3.8 D.1); 0 means any, so ours.
        self._piece_bytes = min(offered or PDU_BYTES_MAX, PDU_BYTES_MAX) - PDV_HEADER_BYTES
        self._message_id = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._socket:
            if kind is None:
                self._socket.sendall(pdu(Pdu.RELEASE_RQ, bytes(4)))
                self._stream.read_pdu()

    def next_message_id(self) -> int:
        """A Message ID that is not in use."""
        self._message_id = self._message_id % 0xFFFF + 1
        return self._message_id

    def send(self, context_id: int, command: bytes, data_set: Iterable[bytes] = ()) -> None:
        """Send one message; a data set is ended by an empty fragment."""
        self._socket.sendall(fragment(context_id, COMMAND_LAST, command))
        is_empty = True
        for piece in data_set:
            is_empty = False
            for start in range(0, len(piece), self._piece_bytes):
                data = piece[start : start + self._piece_bytes]
                self._socket.sendall(fragment(context_id, DATA, data))
        if not is_empty:
            self._socket.sendall(fragment(context_id, DATA_LAST, b""))

    def receive(self) -> Message:
        """The next message. Raises `NotMeasured` when the peer ends the association."""
        message = self._stream.read_message()
        if message is None:
            raise NotMeasured("the peer ended the association")
        return message


def _accepted(acceptance: bytes) -> tuple[list[int], int]:
    """The contexts that were accepted, and the longest PDU that the peer takes."""
    accepted, offered, at = [], 0, 68
    while at < len(acceptance):
        kind, length = struct.unpack_from(">BxH", acceptance, at)
        body = acceptance[at + 4 : at + 4 + length]
        if kind == 0x21 and body[2] == 0:
            accepted.append(body[0])
        if kind == 0x51:
            offered = int.from_bytes(body, "big")
        at += 4 if kind == 0x50 else 4 + length  # user information: step inside
    return accepted, offered
