"""The real servers behind the tests: private, on loopback, forgotten at the end."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ingestion.embedded.postgres import start_postgres
from ingestion.embedded.valkey import start_valkey
from tests.services.swift import start_swift

SECRET_KEY = (
    "the tests' secret key, long and varied enough for Django, known to everybody 0123456789"
)


@dataclass(frozen=True, slots=True)
class Services:
    """Started servers: the environment that names them, and how to stop them."""

    environment: Mapping[str, str]
    stop: Callable[[], None]


def start_services(folder: Path) -> Services:
    """Start PostgreSQL, Valkey and S3 with their data in `folder`. Repeated stops are harmless."""
    with ExitStack() as stack:
        # In a thread, since it takes longest; the others must start from the main thread.
        starting = stack.enter_context(ThreadPoolExecutor(max_workers=1))
        swift_started = starting.submit(start_swift, folder / "swift")
        postgres = start_postgres(folder / "postgres", durable=False)
        stack.callback(postgres.stop)
        valkey = start_valkey(folder / "valkey", durable=False)
        stack.callback(valkey.stop)
        swift = swift_started.result()
        stack.callback(swift.stop)
        environment = {
            **without_services(folder),
            "INGESTION_DATABASE_URL": postgres.url,
            "INGESTION_BROKER_URL": valkey.url,
            "TEST_S3_ENDPOINT": swift.endpoint_url,
            "TEST_S3_ACCESS_KEY": swift.access_key,
            "TEST_S3_SECRET_KEY": swift.secret_key,
        }
        return Services(environment=environment, stop=stack.pop_all().close)
    raise AssertionError("an ExitStack hides no error")


def without_services(folder: Path) -> dict[str, str]:
    """An environment whose servers answer to nobody, for what must not need them."""
    (folder / "state" / "static").mkdir(parents=True, exist_ok=True)  # else WhiteNoise warns
    return {
        "INGESTION_SECRET_KEY": SECRET_KEY,
        "INGESTION_STATE_FOLDER": str(folder / "state"),
        "INGESTION_DATABASE_URL": "postgresql://nobody:nothing@127.0.0.1:1/none",
        "INGESTION_BROKER_URL": "redis://127.0.0.1:1/0",
    }
