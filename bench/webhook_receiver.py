"""A subscriber on loopback that notes when it was told what."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from bench.errors import NotMeasured
from bench.peers.peer import LOOPBACK


class WebhookReceiver:
    """Takes every CloudEvent (binary mode). Leaving the context stops it."""

    def __init__(self) -> None:
        self._arrivals: dict[tuple[str, str], float] = {}
        self._changed = threading.Condition()
        self._server = ThreadingHTTPServer((LOOPBACK, 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{LOOPBACK}:{self._server.server_address[1]}/"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def note(self, event_type: str, subject: str) -> None:
        """Remember that this arrived now, the first time it does."""
        study = subject.partition("studies/")[2].partition("/")[0]
        with self._changed:
            self._arrivals.setdefault((event_type, study), time.perf_counter())
            self._changed.notify_all()

    def arrival(self, event_type: str, study_instance_uid: str, *, within_seconds: float) -> float:
        """When it arrived, by `time.perf_counter`. Raises `NotMeasured` when it did not."""
        key = event_type, study_instance_uid
        with self._changed:
            if not self._changed.wait_for(lambda: key in self._arrivals, within_seconds):
                raise NotMeasured(f"no {event_type} within {within_seconds:g} s")
            return self._arrivals[key]


def _handler(receiver: WebhookReceiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            receiver.note(self.headers.get("ce-type", ""), self.headers.get("ce-subject", ""))
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    return Handler
