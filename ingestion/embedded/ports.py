"""Chooses TCP ports on loopback, and keeps those of a folder from one start to the next."""

import json
import random
import socket
from collections.abc import Mapping
from pathlib import Path

from ingestion.errors import Unavailable

LOOPBACK = "127.0.0.1"
# Below 32768, where Linux takes the local ports of outgoing connections from.
CHOICE = range(20_000, 32_768)
ATTEMPTS_MAX = 200


def choose_port(preferred: int | None = None) -> int:
    """A port of loopback that nobody holds: the preferred one if it is free.

    Raises `Unavailable` when none was found.
    """
    if preferred is not None and is_free(preferred):
        return preferred
    for port in random.sample(CHOICE, ATTEMPTS_MAX):
        if is_free(port):
            return port
    raise Unavailable(f"no free port found between {CHOICE.start} and {CHOICE.stop - 1}")


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of loopback now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def accepts(port: int, *, host: str = LOOPBACK) -> bool:
    """Whether somebody accepts connections on this port."""
    try:
        with socket.create_connection((host, port), timeout=1.0):
            return True
    except OSError:
        return False


def keep_ports(file: Path, *, preferred: Mapping[str, int]) -> dict[str, int]:
    """Ports by name: those of the last start where still free, else the preferred, else any.

    The choice is written to `file`. Two names never share a port.
    """
    known = json.loads(file.read_text("utf-8")) if file.exists() else {}
    ports: dict[str, int] = {}
    for name, wish in preferred.items():
        port = choose_port(known.get(name, wish))
        while port in ports.values():
            port = choose_port()
        ports[name] = port
    file.write_text(json.dumps(ports, indent=2) + "\n", "utf-8")
    return ports
