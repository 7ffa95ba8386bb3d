"""The object stores under contract, on a temporary folder and on a real S3 server."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from ingestion.object_stores.open_store import open_store
from ingestion.object_stores.protocol import ObjectStore
from ingestion.object_stores.spool import Spool
from tests.services.buckets import S3Server, s3_server_of_this_run
from tests.services.swift import start_swift

REPOSITORY = Path(__file__).parents[2]
PREFIX = "space-a"


@dataclass(frozen=True, slots=True)
class Configuration:
    backend: str
    options: Mapping[str, object]
    spool_folder: Path

    def open(self, prefix: str = PREFIX) -> ObjectStore:
        return open_store(self.backend, self.options, prefix, self.spool_folder)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    running = s3_server_of_this_run()
    if running is not None:
        yield running
        return
    server = start_swift(tmp_path_factory.mktemp("swift"))
    try:
        yield S3Server(server.endpoint_url, server.access_key, server.secret_key)
    finally:
        server.stop()


@pytest.fixture(scope="session")
def s3_bucket(s3_server: S3Server) -> str:
    return s3_server.new_bucket()


@pytest.fixture
def s3_options(s3_server: S3Server, s3_bucket: str) -> dict[str, object]:
    return s3_server.options(s3_bucket)


def filesystem(_: pytest.FixtureRequest, folder: Path) -> tuple[str, dict[str, object]]:
    return "filesystem", {"root": str(folder / "objects")}


def s3(request: pytest.FixtureRequest, _: Path) -> tuple[str, dict[str, object]]:
    return "s3", request.getfixturevalue("s3_options")


def s3_unconditional(request: pytest.FixtureRequest, _: Path) -> tuple[str, dict[str, object]]:
    options = request.getfixturevalue("s3_options")
    return "s3", {**options, "conditional_writes": "never"}


def django_files(_: pytest.FixtureRequest, folder: Path) -> tuple[str, dict[str, object]]:
    location = str(folder / "media")
    path = "django.core.files.storage.FileSystemStorage"
    return "django-storages", {"BACKEND": path, "OPTIONS": {"location": location}}


def django_s3(request: pytest.FixtureRequest, _: Path) -> tuple[str, dict[str, object]]:
    options = request.getfixturevalue("s3_options")
    return "django-storages", {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": options["bucket"],
            "endpoint_url": options["endpoint_url"],
            "access_key": options["access_key"],
            "secret_key": options["secret_key"],
            "region_name": "us-east-1",
            "addressing_style": "path",
        },
    }


STORES = {
    make.__name__: make for make in (filesystem, s3, s3_unconditional, django_files, django_s3)
}


# FileSystemStorage shows a file while it is written: who comes then takes it for a torn one.
STORES_SHOWING_WHOLE_OBJECTS = sorted(STORES.keys() - {"django_files"})


@pytest.fixture(params=STORES)
def configuration(request: pytest.FixtureRequest, tmp_path: Path) -> Configuration:
    backend, options = STORES[request.param](request, tmp_path)
    return Configuration(backend, options, tmp_path / "spool")


@pytest.fixture
def prefix() -> str:
    """A prefix of the test's own, as the tests share a bucket."""
    return f"{PREFIX}/{uuid4().hex[:8]}"


@pytest.fixture
def store(configuration: Configuration, prefix: str) -> ObjectStore:
    return configuration.open(prefix)


@pytest.fixture
def spooled() -> Callable[[ObjectStore, bytes], Spool]:
    """A spool with these bytes, to be closed by the caller; 512 KiB of it in memory at most."""

    def make(store: ObjectStore, content: bytes) -> Spool:
        spool = Spool(
            store.spool_folder(), memory_bytes_max=512 * 1024, size_bytes_max=64 * 1024 * 1024
        )
        spool.write(content)
        return spool

    return make


def start_put(
    configuration: Configuration,
    prefix: str,
    *,
    asked: dict[str, object],
    command: tuple[str, ...] = (),
) -> subprocess.Popen[str]:
    """Start `put_in_process`, below `command` when one is given."""
    process = subprocess.Popen(
        [*command, sys.executable, "-m", "tests.contracts.put_in_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    assert process.stdin
    json.dump(
        {
            "backend": configuration.backend,
            "options": configuration.options,
            "prefix": prefix,
            "spool_folder": str(configuration.spool_folder),
            **asked,
        },
        process.stdin,
    )
    process.stdin.close()
    process.stdin = None
    return process


def result_of(process: subprocess.Popen[str]) -> dict[str, object]:
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    result: dict[str, object] = json.loads(output)
    return result
