"""The real servers behind the tests: private, on loopback, forgotten at the end."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ingestion.embedded.postgres import start_postgres
from ingestion.embedded.valkey import start_valkey

SECRET_KEY = (
    "the tests' secret key, long and varied enough for Django, known to everybody 0123456789"
)


@dataclass(frozen=True, slots=True)
class Services:
    """Started servers: the environment that names them, and how to stop them."""

    environment: Mapping[str, str]
    stop: Callable[[], None]


def start_services(folder: Path) -> Services:
    """Start PostgreSQL and Valkey with their data in `folder`. Repeated stops are harmless."""
    with ExitStack() as stack:
        postgres = start_postgres(folder / "postgres", durable=False)
        stack.callback(postgres.stop)
        valkey = start_valkey(folder / "valkey", durable=False)
        stack.callback(valkey.stop)
        environment = {
            **without_services(folder),
            "INGESTION_DATABASE_URL": postgres.url,
            "INGESTION_BROKER_URL": valkey.url,
        }
        return Services(environment=environment, stop=stack.pop_all().close)
    raise AssertionError("an ExitStack hides no error")


def without_services(folder: Path) -> dict[str, str]:
    """An environment whose servers answer to nobody, for what must not need them."""
    return {
        "INGESTION_SECRET_KEY": SECRET_KEY,
        "INGESTION_STATE_FOLDER": str(folder / "state"),
        "INGESTION_DATABASE_URL": "postgresql://nobody:nothing@127.0.0.1:1/none",
        "INGESTION_BROKER_URL": "redis://127.0.0.1:1/0",
    }
