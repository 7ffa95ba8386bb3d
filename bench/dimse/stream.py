"""Reads messages from a socket as fast as may be: command sets are kept, data sets let pass.

Sources: PS3.8 9.3.1 and 9.3.5 (PDU, PDV), Annex E (message control header).
"""

import socket
import struct
from dataclasses import dataclass

from bench.dimse.encoding import NO_DATA_SET, Element, Pdu
from bench.errors import NotMeasured

BUFFER_BYTES = 1 << 20
IS_COMMAND, IS_LAST = 1, 2


@dataclass(frozen=True, slots=True)
class Message:
    """A message that came: its command set by element number, the bytes of its data set."""

    context_id: int
    elements: dict[int, bytes]
    data_set_bytes: int

    def number(self, element: Element) -> int:
        """An element that is a number; 0 if it did not come."""
        return int.from_bytes(self.elements.get(element, b""), "little")

    def text(self, element: Element) -> str:
        """An element that is text, without its padding."""
        return self.elements.get(element, b"").rstrip(b"\0 ").decode()


class MessageStream:
    """What the other side sends. Raises `NotMeasured` when it closes where it may not."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._view = memoryview(bytearray(BUFFER_BYTES))
        self._start = self._end = 0

    def read_pdu(self) -> tuple[int, bytes]:
        """Type and body of a PDU that carries no message."""
        kind, length = struct.unpack(">BxI", self._take(6))
        return kind, self._take(length)

    def read_message(self) -> Message | None:
        """The next message, read to its end; None when another PDU came in its place."""
        command, elements, data_set_bytes = b"", dict[int, bytes](), 0
        while True:
            kind, left = struct.unpack(">BxI", self._take(6))
            if kind != Pdu.DATA:
                self._skip(left)
                return None
            while left:
                length, context_id, control = struct.unpack(">IBB", self._take(6))
                left -= length + 4
                if control & IS_COMMAND:
                    command += self._take(length - 2)
                else:
                    data_set_bytes += length - 2
                    self._skip(length - 2)
                if not control & IS_LAST:
                    continue
                elements = elements or _elements(command)
                if not control & IS_COMMAND or not _announces_data_set(elements):
                    assert not left, "a PDU that begins another message"
                    return Message(context_id, elements, data_set_bytes)

    def _take(self, length: int) -> bytes:
        if self._end - self._start < length:
            rest = bytes(self._view[self._start : self._end])
            self._view[: len(rest)] = rest
            self._start, self._end = 0, len(rest)
            while self._end < length:
                self._fill()
        self._start += length
        return bytes(self._view[self._start - length : self._start])

    def _skip(self, length: int) -> None:
        while length > self._end - self._start:
            length -= self._end - self._start
            self._start = self._end = 0
            self._fill()
        self._start += length

    def _fill(self) -> None:
        received = self._connection.recv_into(self._view[self._end :])
        if not received:
            raise NotMeasured("the peer closed the association")
        self._end += received


def _elements(command: bytes) -> dict[int, bytes]:
    elements, at = {}, 0
    while at < len(command):
        _, number, length = struct.unpack_from("<HHI", command, at)
        elements[number] = command[at + 8 : at + 8 + length]
        at += 8 + length
    return elements


def _announces_data_set(elements: dict[int, bytes]) -> bool:
    announced = int.from_bytes(elements[Element.DATA_SET_TYPE], "little")
    return announced != NO_DATA_SET
