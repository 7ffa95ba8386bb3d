"""The folder that an embedded run lives in: one supervisor, its ports, secrets and records.

supervisor.lock   held by the supervisor that runs
ports.json        the ports of the last start, kept for the next
secrets.json      made once, mode 0600
processes.json    what was started, so that the next start can end what a crash left
endpoints.json    while everything is ready: where it is, mode 0600
environment.json  while everything is ready: what its processes were told, for manage.py, mode 0600
"""

import fcntl
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ingestion.embedded.ports import keep_ports
from ingestion.embedded.processes import ProcessMark, end_processes, processes_marked_with
from ingestion.embedded.servers import write_private
from ingestion.errors import Unavailable

DEFAULT_STATE_FOLDER = "var"
# Every process of a run has this variable; its value is the folder.
MARKER = "INGESTION_EMBEDDED_IN"
OURS = "INGESTION_"
SECRETS = ("secret_key", "admin_password", "token", "flower_password")
SECRET_BYTES = {"secret_key": 48, "admin_password": 12, "flower_password": 12}
SECRET_BYTES_ELSE = 32


class StateFolder:
    """One state folder, made on first use, readable by its owner only."""

    def __init__(self, path: Path) -> None:
        """Make the folder if need be."""
        self.path = path.resolve()
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.path / "static").mkdir(exist_ok=True)  # the web looks there, and warns if it cannot

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder against other supervisors; a killed one holds it no longer.

        Raises `Unavailable` while another supervisor runs here.
        """
        with (self.path / "supervisor.lock").open("a", encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Unavailable(f"{self.path} is in use: it runs already") from None
            yield

    def ports(self, preferred: Mapping[str, int]) -> dict[str, int]:
        """Ports by name, the same as last time where they are free."""
        return keep_ports(self.path / "ports.json", preferred=preferred)

    def secrets(self) -> dict[str, str]:
        """Generated secrets by name; made once."""
        file = self.path / "secrets.json"
        known: dict[str, str] = json.loads(file.read_text("utf-8")) if file.exists() else {}
        made = {
            name: secrets.token_urlsafe(SECRET_BYTES.get(name, SECRET_BYTES_ELSE))
            for name in SECRETS
            if name not in known
        }
        if made:
            write_private(file, json.dumps(known | made, indent=2) + "\n")
        return known | made

    def record_processes(self, marks: Iterable[ProcessMark]) -> None:
        """Remember what runs now, for the next start."""
        records = [{"pid": mark.pid, "started": mark.started} for mark in marks]
        write_private(self.path / "processes.json", json.dumps(records) + "\n")

    def end_leftovers(self) -> int:
        """End what a killed supervisor left running here, and say how many that were."""
        file = self.path / "processes.json"
        records = json.loads(file.read_text("utf-8")) if file.exists() else []
        recorded = [ProcessMark(record["pid"], record["started"]) for record in records]
        marked = processes_marked_with(MARKER, str(self.path))
        ended = end_processes({*recorded, *marked})
        self.remove_endpoints()
        return ended

    def write_endpoints(
        self, endpoints: Mapping[str, object], *, environment: Mapping[str, str]
    ) -> None:
        """Tell scripts that everything is ready and where, and `manage.py` how to join."""
        ours = {
            name: value
            for name, value in environment.items()
            if name.startswith(OURS) and name != MARKER
        }
        write_private(self.path / "environment.json", json.dumps(ours, indent=2) + "\n")
        write_private(self.path / "endpoints.json", json.dumps(endpoints, indent=2) + "\n")

    def remove_endpoints(self) -> None:
        """Tell scripts that it is over."""
        for name in ("endpoints.json", "environment.json"):
            (self.path / name).unlink(missing_ok=True)


def environment_of_the_run(given: Mapping[str, str]) -> dict[str, str]:
    """What a command needs to work with the run in its state folder; empty if none is ready.

    Empty too when `given` names a database itself.
    """
    file = state_folder_path(given) / "environment.json"
    if given.get("INGESTION_DATABASE_URL") or not file.exists():
        return {}
    told: dict[str, str] = json.loads(file.read_text("utf-8"))
    return {name: value for name, value in told.items() if name not in given}


def state_folder_path(given: Mapping[str, str]) -> Path:
    """Where the run of this environment keeps its state."""
    return Path(given.get("INGESTION_STATE_FOLDER") or DEFAULT_STATE_FOLDER)
