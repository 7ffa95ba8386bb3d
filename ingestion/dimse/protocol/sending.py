"""Sends messages: a data set goes from where it rests to the socket without being looked at.

One buffer per association is laid out as P-DATA-TF PDUs with room between their headers. Bytes are
read straight into the rooms and leave together with the command set: of a small object everything
is one read and one write. Source: PS3.8 9.3.5 (P-DATA-TF), Annex D.1, Annex E; PS3.7 6.3.1.
"""

import math
import socket
import struct
from collections.abc import Iterable, Iterator

from ingestion.dimse.protocol.data_path import Outflow
from ingestion.dimse.protocol.outgoing_data_sets import FileDataSet, Pieces
from ingestion.dimse.protocol.upper_layer import (
    PDU_HEADER_BYTES,
    PDV_HEADER_BYTES,
    Abort,
    AssociationEnded,
    MessageCutOff,
    PduType,
    ProtocolViolation,
    encode_command,
)
from ingestion.errors import IngestionError

# What we send at most to a peer without a limit of its own; longer PDUs gain nothing.
PDU_BYTES_MAX = 128 * 1024
BUFFER_BYTES = 512 * 1024

_HEADER = struct.Struct(">BxIIBB")  # of a PDU with one PDV
_HEADER_BYTES = PDU_HEADER_BYTES + PDV_HEADER_BYTES
_COMMAND_ROOM_BYTES = 1024  # a longer command set goes ahead alone
_VIEWS_MAX = 1024  # IOV_MAX of Linux
_PDU_BYTES_MIN = PDV_HEADER_BYTES + 2
_MORE, _LAST = 0x00, 0x02  # PS3.8 E.2


class MessageWriter:
    """Sends messages on one association, one at a time.

    `pdu_bytes_max` is the peer's Maximum Length Received; 0 means that it has none (PS3.8 D.1).
    Of `patience_seconds` see `Outflow`.
    """

    def __init__(
        self, connection: socket.socket, *, pdu_bytes_max: int, patience_seconds: float = math.inf
    ) -> None:
        self._outflow = Outflow(connection, patience_seconds=patience_seconds)
        self._pdu_bytes_max = min(pdu_bytes_max or PDU_BYTES_MAX, PDU_BYTES_MAX)
        self._buffer: _PduBuffer | None = None  # none for who never sends a data set
        self.bytes_sent = 0  # of data sets

    def send(self, command_set: bytes, *, context_id: int, data_set: Pieces = ()) -> None:
        """Send a message; a data set that is not an empty tuple is sent, even without bytes.

        Raises `AssociationEnded` in its kinds: when the peer is gone or takes nothing, and
        `MessageCutOff` when the data set broke off after its beginning was sent. Any other error
        comes from the data set before anything was sent, and the association is as it was.
        """
        if self._pdu_bytes_max < _PDU_BYTES_MIN:
            raise ProtocolViolation(
                Abort.INVALID_PDU_PARAMETER, "a maximum length that holds no data"
            )
        command = encode_command(
            command_set, context_id=context_id, pdu_bytes_max=self._pdu_bytes_max
        )
        if data_set == ():
            self._outflow.send(command)
        else:
            self._send_with_data(command, context_id, data_set=data_set)

    def _send_with_data(self, command: bytes, context_id: int, *, data_set: Pieces) -> None:
        buffer = self._addressed_buffer(context_id)
        has_begun = False
        try:
            for filled, control in _fillings(buffer, data_set):
                ahead = command if not has_begun else b""
                if len(ahead) > _COMMAND_ROOM_BYTES:
                    self._outflow.send(ahead)
                    ahead = b""
                has_begun = True
                self._outflow.send(buffer.encoded(filled, control, ahead=ahead))
                self.bytes_sent += filled
        except AssociationEnded:
            raise
        except IngestionError as error:
            if has_begun:
                raise MessageCutOff(f"the object could not be read to its end: {error}") from error
            raise

    def _addressed_buffer(self, context_id: int) -> "_PduBuffer":
        if self._buffer is None:
            self._buffer = _PduBuffer((self._pdu_bytes_max - PDV_HEADER_BYTES) & ~1)
        self._buffer.address(context_id)
        return self._buffer


class _PduBuffer:
    """A row of P-DATA-TF PDUs of one PDV each, behind some room for a command set."""

    def __init__(self, room_bytes: int) -> None:
        self._room_bytes = room_bytes
        self._stride = _HEADER_BYTES + room_bytes
        count = max(1, min(_VIEWS_MAX, BUFFER_BYTES // self._stride))
        self._view = memoryview(bytearray(_COMMAND_ROOM_BYTES + count * self._stride))
        self._starts = range(_COMMAND_ROOM_BYTES, len(self._view), self._stride)
        self._rooms = [self._view[at + _HEADER_BYTES : at + self._stride] for at in self._starts]
        self._context_id = 0
        self._closing = 0  # which header differs from the others
        self.capacity_bytes = count * room_bytes

    def address(self, context_id: int) -> None:
        """From now on all PDUs belong to this presentation context."""
        if context_id != self._context_id:
            self._context_id = context_id
            for index in range(len(self._rooms)):
                self._write_header(index, self._room_bytes, _MORE)

    def rooms(self, start: int, end: int) -> list[memoryview]:
        """The room for the bytes from `start` to `end` of the row, in order."""
        first, skipped = divmod(start, self._room_bytes)
        last, rest = divmod(end, self._room_bytes)
        rooms = self._rooms[first : last + 1] if rest else self._rooms[first:last]
        if rest:
            rooms[-1] = rooms[-1][:rest]
        if skipped:
            rooms[0] = rooms[0][skipped:]
        return rooms

    def encoded(self, filled: int, control: int, *, ahead: bytes) -> memoryview:
        """The PDUs that hold the first `filled` bytes, with something short ahead of them.

        Only valid, and to be sent, before the next filling. Only the last may be unfilled.
        """
        index, length = divmod(max(0, filled - 1), self._room_bytes)
        length = min(length + 1, filled)
        self._write_header(self._closing, self._room_bytes, _MORE)
        self._write_header(index, length, control)
        self._closing = index
        start = _COMMAND_ROOM_BYTES - len(ahead)
        self._view[start:_COMMAND_ROOM_BYTES] = ahead
        return self._view[start : self._starts[index] + _HEADER_BYTES + length]

    def _write_header(self, index: int, length: int, control: int) -> None:
        _HEADER.pack_into(
            self._view,
            self._starts[index],
            PduType.P_DATA_TF,
            length + PDV_HEADER_BYTES,
            length + 2,
            self._context_id,
            control,
        )


def _fillings(buffer: _PduBuffer, data_set: Pieces) -> Iterator[tuple[int, int]]:
    """Fill the buffer again and again; yields how many bytes it holds, and their control header."""
    if isinstance(data_set, FileDataSet):
        return _fillings_from_file(buffer, data_set)
    return _fillings_from_pieces(buffer, data_set)


def _fillings_from_file(buffer: _PduBuffer, file: FileDataSet) -> Iterator[tuple[int, int]]:
    while True:
        wanted, filled = min(buffer.capacity_bytes, file.left_bytes), 0
        while filled < wanted:
            filled += file.read_into(buffer.rooms(filled, wanted))
        is_last = not file.left_bytes
        yield filled, _LAST if is_last else _MORE
        if is_last:
            return


def _fillings_from_pieces(
    buffer: _PduBuffer, pieces: Iterable[bytes | memoryview]
) -> Iterator[tuple[int, int]]:
    filled = 0
    for piece in pieces:
        rest = memoryview(piece)
        while rest:
            if filled == buffer.capacity_bytes:
                yield filled, _MORE
                filled = 0
            end = min(buffer.capacity_bytes, filled + len(rest))
            for room in buffer.rooms(filled, end):
                room[:] = rest[: len(room)]
                rest = rest[len(room) :]
            filled = end
    yield filled, _LAST
