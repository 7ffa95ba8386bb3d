"""A lean HTTP client that keeps its connection; the same for every peer."""

import http.client
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from bench.errors import NotMeasured
from bench.peers.peer import LOOPBACK, Peer

TIMEOUT_SECONDS = 600.0
BLOCK_BYTES = 1 << 20


@dataclass(slots=True)
class HttpClient:
    """One connection to a server on loopback. Leaving the context closes it."""

    port: int
    headers: Mapping[str, str] = field(default_factory=dict)
    connection: http.client.HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection(
            LOOPBACK, self.port, timeout=TIMEOUT_SECONDS, blocksize=BLOCK_BYTES
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.connection.close()

    def get_json(self, path: str) -> Any:
        """The document at the path; an empty list for 204. Raises `NotMeasured`."""
        status, body = self.exchange("GET", path, headers={"Accept": "application/dicom+json"})
        if status == http.client.NO_CONTENT:
            return []
        if status != http.client.OK:
            raise NotMeasured(f"GET {path.partition('?')[0]} was answered {status}")
        return json.loads(body)

    def exchange(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: bytes | Iterable[bytes] | None = None,
    ) -> tuple[int, bytes]:
        """Status and body of the answer. An iterable body needs a Content-Length."""
        self.connection.request(method, path, body=body, headers={**self.headers, **headers})
        response = self.connection.getresponse()
        return response.status, response.read()


def client_of(peer: Peer) -> HttpClient:
    """A client with the peer's credentials."""
    return HttpClient(peer.web_port, peer.headers)
