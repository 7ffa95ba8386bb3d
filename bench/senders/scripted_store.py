"""A C-STORE sender that holds nothing: it takes the data set in pieces and writes PDUs.

For objects larger than memory, and for one object at a time with exact times.
Sources: PS3.8 9.3 (PDUs), PS3.7 9.3.1 (C-STORE), PS3.7 E.1 (command elements).
"""

import socket
import struct
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from bench.errors import NotMeasured
from bench.peers.peer import LOOPBACK, Peer

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
IMPLEMENTATION_CLASS_UID = "2.25.270515486837294361952217538416523874652"
CALLING_AE_TITLE = "BENCH"
CONTEXT_ID = 1
PDU_BYTES_MAX = 131_072
PDV_HEADER_BYTES = 6
A_ASSOCIATE_RQ, A_ASSOCIATE_AC, P_DATA_TF, A_RELEASE_RQ = 1, 2, 4, 5
COMMAND_LAST, DATA, DATA_LAST = 3, 0, 2
C_STORE_RQ = 0x0001
DATA_SET_PRESENT = 0x0001
STATUS_ELEMENT = struct.pack("<HHI", 0x0000, 0x0900, 2)
TIMEOUT_SECONDS = 600.0


class StoreAssociation:
    """One association for one SOP Class and transfer syntax. Leaving the context releases it."""

    def __init__(self, peer: Peer, *, sop_class_uid: str, transfer_syntax_uid: str) -> None:
        """Associate. Raises `NotMeasured` when the peer refuses."""
        self._sop_class_uid = sop_class_uid
        self._message_id = 0
        self._socket = socket.create_connection((LOOPBACK, peer.dimse_port), TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        request = _associate_request(peer.ae_title, sop_class_uid, transfer_syntax_uid)
        self._socket.sendall(_pdu(A_ASSOCIATE_RQ, request))
        pdu_type, acceptance = self._receive_pdu()
        if pdu_type != A_ASSOCIATE_AC:
            raise NotMeasured(f"{peer.name} refused the association with PDU {pdu_type}")
        self._pdu_bytes_max = _maximum_length(acceptance)

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
                self._socket.sendall(_pdu(A_RELEASE_RQ, bytes(4)))
                self._receive_pdu()

    def store(self, sop_instance_uid: str, data_set: Iterable[bytes]) -> int:
        """Send one object and return the status of the answer (0 is success)."""
        self._message_id += 1
        command = _store_request(self._message_id, self._sop_class_uid, sop_instance_uid)
        self._send_fragment(command, control=COMMAND_LAST)
        piece_bytes = self._pdu_bytes_max - PDV_HEADER_BYTES
        for piece in data_set:
            for start in range(0, len(piece), piece_bytes):
                self._send_fragment(piece[start : start + piece_bytes], control=DATA)
        self._send_fragment(b"", control=DATA_LAST)
        _, answer = self._receive_pdu()
        at = answer.index(STATUS_ELEMENT) + len(STATUS_ELEMENT)
        return int.from_bytes(answer[at : at + 2], "little")

    def _send_fragment(self, fragment: bytes, *, control: int) -> None:
        header = struct.pack(">IBB", len(fragment) + 2, CONTEXT_ID, control)
        self._socket.sendall(_pdu(P_DATA_TF, header + fragment))

    def _receive_pdu(self) -> tuple[int, bytes]:
        pdu_type, length = struct.unpack(">BxI", self._receive(6))
        return pdu_type, self._receive(length)

    def _receive(self, length: int) -> bytes:
        received = bytearray()
        while len(received) < length:
            piece = self._socket.recv(length - len(received))
            if not piece:
                raise NotMeasured("the peer closed the association")
            received += piece
        return bytes(received)


def _pdu(pdu_type: int, body: bytes) -> bytes:
    return struct.pack(">BxI", pdu_type, len(body)) + body


def _item(item_type: int, body: bytes) -> bytes:
    return struct.pack(">BxH", item_type, len(body)) + body


def _associate_request(called: str, sop_class_uid: str, transfer_syntax_uid: str) -> bytes:
    """PS3.8 Table 9-11: version 1, titles, one presentation context, user information."""
    context = (
        bytes((CONTEXT_ID, 0, 0, 0))
        + _item(0x30, sop_class_uid.encode())
        + _item(0x40, transfer_syntax_uid.encode())
    )
    user = _item(0x51, struct.pack(">I", PDU_BYTES_MAX))
    user += _item(0x52, IMPLEMENTATION_CLASS_UID.encode())
    titles = f"{called:<16}{CALLING_AE_TITLE:<16}".encode()
    return (
        struct.pack(">Hxx", 1)
        + titles
        + bytes(32)
        + _item(0x10, APPLICATION_CONTEXT.encode())
        + _item(0x20, context)
        + _item(0x50, user)
    )


def _maximum_length(acceptance: bytes) -> int:
    """What the peer takes in one PDU (PS3.8 D.1); 0 means any, so ours."""
    items = acceptance[68:]
    while items:
        item_type, length = struct.unpack_from(">BxH", items)
        if item_type == 0x50:
            items = items[4:]
            continue
        if item_type == 0x51:
            offered = int.from_bytes(items[4:8], "big")
            return min(offered or PDU_BYTES_MAX, PDU_BYTES_MAX)
        items = items[4 + length :]
    return PDU_BYTES_MAX


def _store_request(message_id: int, sop_class_uid: str, sop_instance_uid: str) -> bytes:
    """PS3.7 Table 9.3-1, in Implicit VR Little Endian."""
    elements = (
        _element(0x0002, _uid(sop_class_uid))
        + _element(0x0100, struct.pack("<H", C_STORE_RQ))
        + _element(0x0110, struct.pack("<H", message_id % 0xFFFF))
        + _element(0x0700, struct.pack("<H", 0))
        + _element(0x0800, struct.pack("<H", DATA_SET_PRESENT))
        + _element(0x1000, _uid(sop_instance_uid))
    )
    return _element(0x0000, struct.pack("<I", len(elements))) + elements


def _element(number: int, value: bytes) -> bytes:
    return struct.pack("<HHI", 0x0000, number, len(value)) + value


def _uid(text: str) -> bytes:
    return text.encode() + b"\0" * (len(text) % 2)
