"""A Storage SCP that counts and forgets: the destination of C-MOVE, in a process of its own.

`python -m bench.dimse.receiver` prints its port; each line that it reads is answered by a line
with what came since the last: instances (distinct), bytes of data sets.
"""

import socket
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from bench.dimse.encoding import COMMAND_LAST, Element, Pdu, associate_acceptance, fragment, pdu
from bench.dimse.query_retrieve import store_response
from bench.dimse.stream import MessageStream
from bench.errors import NotMeasured
from bench.peers.peer import LOOPBACK

BACKLOG = 64
PREFERRED = "1.2.840.10008.1.2.1"  # Explicit VR Little Endian, as the instances are stored


class StoreReceiver:
    """A receiver that runs. Leaving the context ends it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.dimse.receiver"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(self._read_line())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def take_count(self) -> tuple[int, int]:
        """Instances and bytes since the last call."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        instances, data_set_bytes = self._read_line().split()
        return int(instances), int(data_set_bytes)

    def _read_line(self) -> str:
        assert self._process.stdout is not None
        line: str = self._process.stdout.readline()
        if not line:
            raise NotMeasured("the receiver ended")
        return line


@dataclass(slots=True)
class _Count:
    """What all associations brought. One lock suffices: it is held for an instant."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    sop_instance_uids: set[str] = field(default_factory=set)
    data_set_bytes: int = 0

    def add(self, sop_instance_uid: str, data_set_bytes: int) -> None:
        with self.lock:
            self.sop_instance_uids.add(sop_instance_uid)
            self.data_set_bytes += data_set_bytes

    def take(self) -> tuple[int, int]:
        with self.lock:
            taken = len(self.sop_instance_uids), self.data_set_bytes
            self.sop_instance_uids, self.data_set_bytes = set(), 0
        return taken


def _run() -> None:
    count = _Count()
    with socket.create_server((LOOPBACK, 0), backlog=BACKLOG) as listener:
        print(listener.getsockname()[1], flush=True)
        threading.Thread(target=_accept, args=(listener, count), daemon=True).start()
        for _ in sys.stdin:
            print(*count.take(), flush=True)


def _accept(listener: socket.socket, count: _Count) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_serve, args=(connection, count), daemon=True).start()


def _serve(connection: socket.socket, count: _Count) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection, suppress(NotMeasured):  # a server that stops closes what it kept open
        stream = MessageStream(connection)
        kind, request = stream.read_pdu()
        assert kind == Pdu.ASSOCIATE_RQ, kind
        connection.sendall(associate_acceptance(request, _choices(request)))
        while message := stream.read_message():
            count.add(message.text(Element.AFFECTED_SOP_INSTANCE_UID), message.data_set_bytes)
            answer = store_response(message)
            connection.sendall(fragment(message.context_id, COMMAND_LAST, answer))
        connection.sendall(pdu(Pdu.RELEASE_RP, bytes(4)))


def _choices(request: bytes) -> dict[int, str]:
    """Every proposed context, with the preferred transfer syntax or else its first."""
    choices, at = dict[int, str](), 68
    while at < len(request):
        kind, length = struct.unpack_from(">BxH", request, at)
        if kind == 0x20:
            syntaxes = _transfer_syntaxes(request[at + 8 : at + 4 + length])
            choices[request[at + 4]] = PREFERRED if PREFERRED in syntaxes else syntaxes[0]
        at += 4 + length
    return choices


def _transfer_syntaxes(items: bytes) -> list[str]:
    syntaxes, at = [], 0
    while at < len(items):
        kind, length = struct.unpack_from(">BxH", items, at)
        if kind == 0x40:
            syntaxes.append(items[at + 4 : at + 4 + length].rstrip(b"\0").decode())
        at += 4 + length
    return syntaxes


if __name__ == "__main__":
    _run()
