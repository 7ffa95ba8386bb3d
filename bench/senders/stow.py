"""STOW-RS clients: threads with a kept connection each, which send files as they are.

Source: PS3.18 10.5 (Store), RFC 2387 (multipart/related).
"""

import http.client
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.errors import NotMeasured
from bench.http import HttpClient, client_of
from bench.instances import InstanceSet
from bench.peers.peer import Peer
from bench.senders.sent import Sent

BOUNDARY = "bench-5f1b0d6e2c9a47f3"
PART_HEADER = f"\r\n--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
END = f"\r\n--{BOUNDARY}--\r\n".encode()
HEADERS = {
    "Content-Type": f'multipart/related; type="application/dicom"; boundary={BOUNDARY}',
    "Accept": "application/dicom+json",
}
STORED = "00081199"  # Referenced SOP Sequence


def send_with_stow(
    instances: InstanceSet, peer: Peer, *, clients: int, instances_per_request: int
) -> Sent:
    """Send all of it by so many clients at once, and count what the answers say is stored."""
    begun = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        sent = [
            pool.submit(_send_all, part.files(), peer, per_request=instances_per_request)
            for part in instances.dealt_to(clients)
        ]
        acknowledged = sum(future.result() for future in sent)
    return Sent(acknowledged, time.perf_counter() - begun)


def store(client: HttpClient, peer: Peer, *, body: bytes | Iterable[bytes], length: int) -> int:
    """Send one request body of this length; returns how many instances it stored.

    Raises `NotMeasured` when the answer is not 200.
    """
    status, answer = client.exchange(
        "POST",
        f"{peer.dicomweb_path}/studies",
        headers={**HEADERS, "Content-Length": str(length)},
        body=body,
    )
    if status != http.client.OK:
        raise NotMeasured(f"{peer.name} answered STOW-RS with {status}: {answer[:300]!r}")
    return len(json.loads(answer)[STORED]["Value"])


def _send_all(files: Sequence[Path], peer: Peer, *, per_request: int) -> int:
    stored = 0
    with client_of(peer) as client:
        for first in range(0, len(files), per_request):
            body = b"".join(_parts(files[first : first + per_request]))
            stored += store(client, peer, body=body, length=len(body))
    return stored


def _parts(files: Iterable[Path]) -> Iterator[bytes]:
    for file in files:
        yield PART_HEADER
        yield file.read_bytes()
    yield END
