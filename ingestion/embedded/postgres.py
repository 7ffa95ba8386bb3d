"""Starts a private PostgreSQL on loopback, with a password, as anybody but root."""

import shutil
import signal
from pathlib import Path

from ingestion.embedded.ports import LOOPBACK, choose_port
from ingestion.embedded.postgres_binaries import (
    ENVIRONMENT,
    choose_identity,
    locale_words,
    postgres_binaries,
    run_once,
)
from ingestion.embedded.processes import (
    PROC,
    Identity,
    ProcessMark,
    end_processes,
    mark_of,
    start_process,
    wait_until,
)
from ingestion.embedded.servers import START_SECONDS_MAX, Server, failure, own_password

DATABASE = USER = "ingestion"
# Fast shutdown ends sessions; immediate leaves recovery to the next start. Both are safe.
STOP_SIGNALS = (signal.SIGINT, signal.SIGQUIT)
STATUS_LINE = 7  # of postmaster.pid

SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",  # paths of sockets end at 107 bytes, folders do not
    "max_connections": "200",
    "shared_buffers": "128MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "64MB",
    "effective_cache_size": "1GB",
    "random_page_cost": "1.1",
    "min_wal_size": "80MB",
    "max_wal_size": "1GB",
    "wal_compression": "on",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    # Statements and details of errors hold patients' names.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def start_postgres(folder: Path, *, durable: bool, port: int | None = None) -> Server:
    """Start PostgreSQL with its data in `folder`; it accepts connections when this returns.

    The first start makes the cluster and an empty database; a server that an earlier,
    killed supervisor left in the folder is ended. Not `durable` means that a crash of the
    machine may lose the cluster: for tests. Raises `Misconfigured`, `Unavailable`.
    """
    own_password(folder)
    binaries = postgres_binaries()
    identity = choose_identity(binaries, folder=folder)
    cluster, log = folder / "data", folder / "log"
    if not cluster.exists():
        _make_cluster(cluster, binaries=binaries, identity=identity, durable=durable)
    end_leftover(cluster)
    chosen = choose_port() if port is None else port
    settings = SETTINGS | (DURABLE if durable else FORGETFUL) | {"port": str(chosen)}
    words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    with log.open("wb") as output:
        process = start_process(
            [str(binaries / "postgres"), "-D", str(cluster), *words],
            cwd=folder,
            environment=ENVIRONMENT,
            output=output,
            death_signal=STOP_SIGNALS[0],
            identity=identity,
        )
    server = Server(
        name="PostgreSQL",
        url=postgres_url(folder, port=chosen),
        port=chosen,
        process=process,
        log=log,
        stop_signals=STOP_SIGNALS,
    )
    wait_until(
        lambda: not server.is_running() or _is_ready(cluster, pid=server.pid),
        within_seconds=START_SECONDS_MAX,
    )
    if not server.is_running() or not _is_ready(cluster, pid=server.pid):
        server.stop()
        raise failure("PostgreSQL", log)
    return server


def postgres_url(folder: Path, *, port: int) -> str:
    """Where the server of this folder is, password and all."""
    return f"postgresql://{USER}:{own_password(folder)}@{LOOPBACK}:{port}/{DATABASE}"


def end_leftover(cluster: Path) -> None:
    """End a server that still runs on this cluster, and remove the lock of one that is gone."""
    lock = cluster / "postmaster.pid"
    if lock.exists():
        mark = mark_of(int(lock.read_text("utf-8").split("\n", 1)[0]))
        if mark is not None and _runs_on(cluster, pid=mark.pid):
            end_processes([mark], signals=(*STOP_SIGNALS, signal.SIGKILL))
    # Sessions of a server that was killed end in their own time; a new one would be refused.
    end_processes(_left_on(cluster), signals=(signal.SIGQUIT, signal.SIGKILL))
    # If the pid lives, another program has it now, and PostgreSQL would wait for that one.
    lock.unlink(missing_ok=True)


def _make_cluster(cluster: Path, *, binaries: Path, identity: Identity, durable: bool) -> None:
    """Make a cluster with an empty database, whole or not at all."""
    draft, log = cluster.with_name("data.new"), cluster.with_name("log")
    shutil.rmtree(draft, ignore_errors=True)
    password_file = cluster.with_name("password")
    steps = (
        (
            [
                *(str(binaries / "initdb"), "-D", str(draft), "-U", USER, "-E", "UTF8"),
                *("-A", "scram-sha-256", f"--pwfile={password_file}"),
                *locale_words(binaries, identity=identity),
                *([] if durable else ["--no-sync"]),
            ],
            "",
        ),
        (
            [str(binaries / "postgres"), "--single", "-D", str(draft), "postgres"],
            f"CREATE DATABASE {DATABASE};\n",
        ),
    )
    for command, text in steps:
        result = run_once(command, identity=identity, text=text)
        if result.returncode != 0:
            log.write_bytes(result.stdout)
            raise failure("PostgreSQL", log)
    draft.rename(cluster)


def _is_ready(cluster: Path, *, pid: int) -> bool:
    try:
        lines = (cluster / "postmaster.pid").read_text("utf-8").split("\n")
    except FileNotFoundError:
        return False
    return lines[0] == str(pid) and [*lines, *" " * 8][STATUS_LINE].strip() == "ready"


def _left_on(cluster: Path) -> list[ProcessMark]:
    """PostgreSQL's processes that work in the cluster's folder (Linux only)."""
    pids = [int(folder.name) for folder in PROC.glob("[0-9]*") if _program(folder) == "postgres"]
    marks = [mark_of(pid) for pid in pids if _runs_on(cluster, pid=pid)]
    return [mark for mark in marks if mark is not None]


def _program(process: Path) -> str:
    try:
        return process.joinpath("exe").readlink().name
    except OSError:  # it just ended, or is another user's
        return ""


def _runs_on(cluster: Path, *, pid: int) -> bool:
    """Whether the process is a server of this cluster: it works in its folder (Linux)."""
    folder = PROC / str(pid) / "cwd"
    try:
        return folder.resolve(strict=True) == cluster.resolve()
    except OSError:
        # Without /proc the lock itself is the only witness.
        return not PROC.exists()
