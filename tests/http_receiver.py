"""A subscriber on a real socket, with scripted answers."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came in. Header names are lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What to answer; `held_until` keeps the peer waiting for it."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    held_until: threading.Event | None = None


Script = Callable[[Received], Answer]


class HttpReceiver:
    """Listens on loopback; a context manager. `script` decides each answer."""

    def __init__(self, script: Script | None = None) -> None:
        self.received: list[Received] = []
        self.script: Script = script or (lambda _: Answer())
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/hook"

    def ids(self) -> list[str]:
        """The message ids received, in order."""
        return [item.headers["webhook-id"] for item in list(self.received)]

    def __enter__(self) -> "HttpReceiver":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def answers(*statuses: int) -> Script:
    """These statuses in turn, the last for ever."""
    lock = threading.Lock()
    left = list(statuses)

    def script(_: Received) -> Answer:
        with lock:
            return Answer(left.pop(0) if len(left) > 1 else left[0])

    return script


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64  # more than connect at once


def _handler(receiver: HttpReceiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 60

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            received = Received(self.path, headers, body)
            receiver.received.append(received)
            answer = receiver.script(received)
            if answer.held_until is not None:
                answer.held_until.wait(60)
            try:
                self._answer(answer)
            except OSError:  # the peer gave up
                self.close_connection = True

        def _answer(self, answer: Answer) -> None:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    return Handler
