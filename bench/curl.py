"""Reads by HTTP with curl, the same for every peer, and checks what came."""

import shutil
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bench.errors import NotMeasured
from bench.peers.peer import LOOPBACK, Peer

TIMEOUT_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Fetched:
    """What so many requests brought."""

    requests: int
    body_bytes: int
    seconds: float

    @property
    def requests_per_second(self) -> float:
        return self.requests / self.seconds

    @property
    def megabytes_per_second(self) -> float:
        return self.body_bytes / self.seconds / 1e6


def fetch(peer: Peer, paths: Sequence[str], *, accept: str, clients: int = 1) -> Fetched:
    """Get all paths below the DICOMweb root, dealt to clients that keep their connection.

    Raises `NotMeasured` unless every answer is 200 with a body.
    """
    hands = [hand for hand in (paths[n::clients] for n in range(clients)) if hand]
    begun = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        sizes = [
            size
            for future in [pool.submit(_fetch, peer, hand, accept=accept) for hand in hands]
            for size in future.result()
        ]
    return Fetched(len(sizes), sum(sizes), time.perf_counter() - begun)


def _fetch(peer: Peer, paths: Sequence[str], *, accept: str) -> list[int]:
    curl = shutil.which("curl")
    if curl is None:
        raise NotMeasured("curl is not installed: sh bench/install.sh")
    root = f"http://{LOOPBACK}:{peer.web_port}{peer.dicomweb_path}"
    targets = [f'url = "{root}{path}"\noutput = "/dev/null"' for path in paths]
    headers = {**peer.headers, "Accept": accept}
    lines = [f'header = "{name}: {_quoted(text)}"' for name, text in headers.items()]
    answer = subprocess.run(
        [curl, "--silent", "--globoff", "--write-out", r"%{http_code} %{size_download}\n", "-K-"],
        input="\n".join([*lines, *targets]),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    answers = [line.split() for line in answer.stdout.splitlines()]
    wrong = sorted({status for status, size in answers if status != "200" or size == "0"})
    if answer.returncode or wrong or len(answers) != len(paths):
        raise NotMeasured(f"{peer.name} answered {wrong or 'not at all'}")
    return [int(size) for _, size in answers]


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
