"""DCMTK's storescu as the sender, one process per association."""

import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from bench.errors import NotMeasured
from bench.instances import InstanceSet
from bench.peers.peer import LOOPBACK, Peer
from bench.senders.sent import Sent

BINARY = Path("/usr/bin/storescu")
ACCEPTED = b"Received Store Response (Success)"
SEND_SECONDS_MAX = 1800.0


def send_with_storescu(
    instances: InstanceSet, peer: Peer, *, associations: int, is_nagle_off: bool
) -> Sent:
    """Send all of it over so many associations at once, and count the acknowledgements."""
    begun = time.perf_counter()
    senders = [
        _start(part, peer, is_nagle_off=is_nagle_off) for part in instances.dealt_to(associations)
    ]
    for sender in senders:
        sender.process.wait(SEND_SECONDS_MAX)
    seconds = time.perf_counter() - begun
    return Sent(sum(map(_acknowledged, senders)), seconds)


def storescu_version() -> str:
    """The version of the sender. Raises `NotMeasured` when there is none."""
    if not BINARY.exists():
        raise NotMeasured(f"{BINARY} is missing: sh bench/install.sh")
    answer = subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"storescu v([\d.]+)", answer.stdout)
    return found[1] if found else "unknown"


@dataclass(frozen=True, slots=True)
class _Sender:
    process: subprocess.Popen[bytes]
    output: IO[bytes]  # a file: a pipe that nobody reads would stall the sender


def _start(instances: InstanceSet, peer: Peer, *, is_nagle_off: bool) -> _Sender:
    """Start to send every study over one association."""
    environment = {"PATH": "/usr/bin:/bin"} | ({"TCP_NODELAY": "1"} if is_nagle_off else {})
    output = TemporaryFile()  # noqa: SIM115  # closed when it was read
    process = subprocess.Popen(
        [
            *(str(BINARY), "-v", "-R", "-nh", "-aet", "BENCH", "-aec", peer.ae_title),
            *("+sd", "+r", LOOPBACK, str(peer.dimse_port)),
            *(str(study) for study in instances.studies),
        ],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
    )
    return _Sender(process, output)


def _acknowledged(sender: _Sender) -> int:
    with sender.output as output:
        output.seek(0)
        return output.read().count(ACCEPTED)
