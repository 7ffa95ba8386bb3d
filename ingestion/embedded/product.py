"""The table of what runs: every process of the product, its environment, and where it is."""

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ingestion.embedded.ports import LOOPBACK, accepts
from ingestion.embedded.readiness import answers_ok, flower_sees_workers
from ingestion.embedded.supervisor import ProcessPlan, Tier

ROOT = Path(__file__).parents[2]
# Not the servers' well-known ports: whoever installs those later wants them.
PREFERRED_PORTS = {
    "web": 8000,
    "dimse": 11112,
    "flower": 5555,
    "postgres": 15432,
    "valkey": 16379,
}
# A subscriber that hangs must not hold up registration: deliveries have a worker of their own.
QUEUES = {"worker": "ingest,revisions,housekeeping", "deliver": "deliver"}
AE_TITLE = "INGEST"
ADMIN = "admin"
FLOWER_USER = "flower"
# Beyond what they grant themselves: 5 s for associations, 10 for requests, 15 for tasks.
STOP_SECONDS = {Tier.EDGE: 15.0, Tier.WORKER: 20.0}
# What suits one machine of one's own; whoever sets one of these keeps it.
SUITS_ONE_MACHINE = {
    "INGESTION_DIMSE_ANY_CALLING_AE_FROM_LOOPBACK": "true",
    "INGESTION_OUTBOUND_ALLOW_PRIVATE_ADDRESSES": "true",
    "INGESTION_LOG_FORMAT": "console",
    "INGESTION_DIMSE_PROCESSES": "2",
    "INGESTION_DIMSE_DRAIN_SECONDS": "5",
}

TLS_PORT = "INGESTION_DIMSE_TLS_PORT"  # whoever sets it is told where TLS is spoken

# What a shell may set and would cost each start half a minute of compiling.
HINDERS = {"PYTHONDONTWRITEBYTECODE"}

# Starts a command in the product's environment, its output behind its name.
Start = Callable[[str, list[str]], subprocess.Popen[bytes]]


@dataclass(frozen=True, slots=True)
class Product:
    """Everything one run of the product is made of, before it starts."""

    state_folder: Path
    ports: Mapping[str, int]
    secrets: Mapping[str, str]

    @property
    def web_url(self) -> str:
        """The web's root, without a slash at its end."""
        return f"http://{LOOPBACK}:{self.ports['web']}"

    @property
    def flower_credentials(self) -> str:
        """User and password of Flower, with a colon between."""
        return f"{FLOWER_USER}:{self.secrets['flower_password']}"

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """The environment of every process: what was given wins, but for where we listen."""
        return {
            **SUITS_ONE_MACHINE,
            "INGESTION_SECRET_KEY": self.secrets["secret_key"],
            "INGESTION_PUBLIC_BASE_URL": self.web_url,
            "FLOWER_BASIC_AUTH": self.flower_credentials,
            "PYTHONUNBUFFERED": "1",
            **{name: value for name, value in given.items() if name not in HINDERS},
            "INGESTION_STATE_FOLDER": str(self.state_folder),
            "INGESTION_DIMSE_HOST": LOOPBACK,
            "INGESTION_DIMSE_PORT": str(self.ports["dimse"]),
        }

    def preparations(self, commands: Sequence[str] = ()) -> dict[str, list[str]]:
        """What runs to its end, in order, before anything serves; last these of `manage.py`."""
        return {
            "migrate": _python("manage.py", "migrate", "--no-input", "--verbosity", "0"),
            "bootstrap": _python("manage.py", "bootstrap"),
            **{command: _python("manage.py", command) for command in commands},
        }

    def bootstrap_secrets(self) -> dict[str, str]:
        """What only the preparations are told."""
        return {
            "INGESTION_BOOTSTRAP_ADMIN_PASSWORD": self.secrets["admin_password"],
            "INGESTION_BOOTSTRAP_TOKEN": self.secrets["token"],
        }

    def plans(self, start: Start) -> list[ProcessPlan]:
        """The table of processes."""
        web, dimse, flower = (self.ports[name] for name in ("web", "dimse", "flower"))
        sees_workers = partial(
            flower_sees_workers, flower, len(QUEUES), credentials=self.flower_credentials
        )
        table: tuple[tuple[str, Tier, list[str], Callable[[], bool]], ...] = (
            ("web", Tier.EDGE, self._web(), partial(answers_ok, web, "/health/ready")),
            ("dimse", Tier.EDGE, _python("manage.py", "dimse"), partial(accepts, dimse)),
            ("worker", Tier.WORKER, _worker("worker"), _at_once),
            ("deliver", Tier.WORKER, _worker("deliver"), _at_once),
            ("beat", Tier.WORKER, _celery("beat", "-s", str(self._schedule)), _at_once),
            ("flower", Tier.WORKER, self._flower(), sees_workers),
        )
        return [
            ProcessPlan(
                name=name,
                tier=tier,
                start=partial(start, name, command),
                is_ready=is_ready,
                stop_seconds=STOP_SECONDS[tier],
            )
            for name, tier, command, is_ready in table
        ]

    def endpoints(self, environment: Mapping[str, str]) -> dict[str, object]:
        """What scripts are told, in `endpoints.json`, of processes with this environment."""
        tls_port = environment.get(TLS_PORT)
        return {
            "ready": True,
            "dicomweb": f"{self.web_url}/dicomweb",
            "admin": f"{self.web_url}/admin/",
            "admin_user": ADMIN,
            "admin_password": self.secrets["admin_password"],
            "token": self.secrets["token"],
            "dimse": {
                "host": LOOPBACK,
                "port": self.ports["dimse"],
                "ae_title": AE_TITLE,
                **({"tls_port": int(tls_port)} if tls_port else {}),
            },
            "flower": f"http://{LOOPBACK}:{self.ports['flower']}/",
            "metrics": f"{self.web_url}/metrics",
            **({"viewer": self._viewer_url} if self._has_viewer else {}),
        }

    def table(self, environment: Mapping[str, str]) -> str:
        """What the person at the terminal is told of processes with this environment."""
        tls_port = environment.get(TLS_PORT)
        rows = {
            "Web": f"{self.web_url}/",
            "DICOMweb": f"{self.web_url}/dicomweb",
            "API token": self.secrets["token"],
            "Admin": f"{self.web_url}/admin/   {ADMIN} / {self.secrets['admin_password']}",
            **({"Viewer": self._viewer_url} if self._has_viewer else {}),
            "DIMSE": f"{AE_TITLE}@{LOOPBACK}:{self.ports['dimse']}",
            **({"DIMSE TLS": f"{AE_TITLE}@{LOOPBACK}:{tls_port}"} if tls_port else {}),
            "Flower": f"http://{LOOPBACK}:{self.ports['flower']}/   "
            + self.flower_credentials.replace(":", " / "),
            "Data": str(self.state_folder),
            "Stop": "Ctrl-C",
        }
        lines = [f"    {name:<10} {value}" for name, value in rows.items()]
        return "\n".join(["  Imaging Ingestion is ready.", "", *lines])

    @property
    def _viewer_url(self) -> str:
        return f"{self.web_url}/viewer/"

    @property
    def _has_viewer(self) -> bool:
        return (self.state_folder / "viewer" / "index.html").is_file()

    @property
    def _schedule(self) -> Path:
        return self.state_folder / "beat-schedule"

    def _web(self) -> list[str]:
        return _python(
            *("-m", "gunicorn", "-c", "python:ingestion.embedded.gunicorn_settings"),
            *("--bind", f"{LOOPBACK}:{self.ports['web']}", "ingestion.wsgi:application"),
        )

    def _flower(self) -> list[str]:
        return _celery("flower", f"--address={LOOPBACK}", f"--port={self.ports['flower']}")


def _at_once() -> bool:
    """Flower is ready once it sees the workers; beat needs nothing but the broker."""
    return True


def _python(*words: str) -> list[str]:
    return [sys.executable, *words]


def _worker(name: str) -> list[str]:
    # Workers need not know of each other; asking would cost a second at each start.
    alone = ("--without-mingle", "--without-gossip")
    return _celery("worker", "-n", f"{name}@%h", "-E", "-Q", QUEUES[name], "-c", "2", *alone)


def _celery(*words: str) -> list[str]:
    # Root may run the worker here: its queue is private, and holds no pickles.
    quiet = ("-W", "ignore:You're running the worker with superuser")
    return _python(*quiet, "-m", "celery", "-q", "-A", "workers", *words)
