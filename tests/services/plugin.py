"""Starts the tests' servers before Django's settings are read (`-p tests.services.plugin`).

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

from tests.services import start_services, without_services

UNIT = Path(__file__).parents[1] / "unit"
WORKER = "PYTEST_XDIST_WORKER"


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    """Export where the servers are, then let pytest-django read the settings."""
    if WORKER in os.environ:
        _take_own_broker_database(os.environ[WORKER])
    else:
        _export_services(early_config)
    yield


def is_unit_only(paths: Iterable[str]) -> bool:
    """Whether every path given to pytest lies below `tests/unit`, and one is given."""
    chosen = [Path(path.partition("::")[0]).resolve() for path in paths]
    return bool(chosen) and all(path.is_relative_to(UNIT) for path in chosen)


def _export_services(config: pytest.Config) -> None:
    folder = Path(tempfile.mkdtemp(prefix="imaging-ingestion-tests-"))
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    if is_unit_only(config.known_args_namespace.file_or_dir):
        os.environ.update(without_services(folder))
    else:
        services = start_services(folder)
        config.add_cleanup(services.stop)
        os.environ.update(services.environment)


def _take_own_broker_database(worker: str) -> None:
    number = int(worker.removeprefix("gw")) + 1
    url = urlsplit(os.environ["INGESTION_BROKER_URL"])
    os.environ["INGESTION_BROKER_URL"] = url._replace(path=f"/{number}").geturl()
