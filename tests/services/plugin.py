"""Starts the real servers that tests need, before Django's settings are read (`-p`).

Only the process that the user started does so; xdist workers inherit the environment and
keep apart by database (pytest-django's suffix) and by the number of the Valkey database.
A run of `tests/unit` alone starts nothing: a unit test that needs a server fails.
"""

import os
import shutil
import tempfile
from collections.abc import Generator, Iterable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ingestion.embedded.postgres import start_postgres
from ingestion.embedded.valkey import start_valkey

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "tests" / "unit"
WORKER = "PYTEST_XDIST_WORKER"
NO_SERVICES = {
    "INGESTION_DATABASE_URL": "postgresql://nobody:nothing@127.0.0.1:1/none",
    "INGESTION_BROKER_URL": "redis://127.0.0.1:1/0",
}


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    """Export where the servers are, then let pytest-django read the settings."""
    if WORKER in os.environ:
        _take_own_broker_database(os.environ[WORKER])
    else:
        folder = Path(tempfile.mkdtemp(prefix="imaging-ingestion-tests-"))
        early_config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
        os.environ["INGESTION_SECRET_KEY"] = "the tests' secret key, known to everybody"
        os.environ["INGESTION_STATE_FOLDER"] = str(folder / "state")
        paths = early_config.known_args_namespace.file_or_dir
        os.environ.update(NO_SERVICES if is_unit_only(paths) else _start(folder, early_config))
    yield


def is_unit_only(paths: Iterable[str]) -> bool:
    """Whether every path given to pytest lies below `tests/unit`, and one is given."""
    chosen = [Path(path.partition("::")[0]).resolve() for path in paths]
    return bool(chosen) and all(path.is_relative_to(UNIT) for path in chosen)


def _start(folder: Path, config: pytest.Config) -> dict[str, str]:
    """Start PostgreSQL and Valkey; they stop when pytest does, however it ends."""
    postgres = start_postgres(folder / "postgres", durable=False)
    config.add_cleanup(postgres.stop)
    valkey = start_valkey(folder / "valkey", durable=False)
    config.add_cleanup(valkey.stop)
    return {"INGESTION_DATABASE_URL": postgres.url, "INGESTION_BROKER_URL": valkey.url}


def _take_own_broker_database(worker: str) -> None:
    number = int(worker.removeprefix("gw")) + 1
    url = urlsplit(os.environ["INGESTION_BROKER_URL"])
    os.environ["INGESTION_BROKER_URL"] = url._replace(path=f"/{number}").geturl()
