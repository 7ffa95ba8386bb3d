"""What a measurement needs of a server, whoever it is."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Peer:
    """A running server: where it takes objects, and how many it says it holds.

    `pids` are its processes; their descendants belong to it too. `introduce` tells it an AE title
    and its port, for C-MOVE.
    """

    name: str
    dimse_port: int
    ae_title: str
    web_port: int
    dicomweb_path: str
    pids: tuple[int, ...]
    instances_held: Callable[[], int]
    introduce: Callable[[str, int], None]
    headers: Mapping[str, str] = field(default_factory=dict)


# Starts a server in a fresh folder; leaving the context stops it and keeps the folder.
StartPeer = Callable[[Path], AbstractContextManager[Peer]]
