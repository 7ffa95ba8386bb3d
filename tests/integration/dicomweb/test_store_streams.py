"""STOW-RS at its limits, through the real server: large bulk data, many parts, too much."""

import http.client
import json
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ingestion.models import Instance, StorageSpace
from tests.builders import build_ct, new_uid, part10_bytes
from tests.integration.dicomweb.store_requests import (
    JSON_TYPE,
    RawPart,
    body,
    bulk,
    json_part,
    metadata,
)
from tests.integration.dicomweb.web_client import BOUNDARY, STOW_TYPE, request_head
from tests.integration.dicomweb.web_process import RunningWeb, running_web

MEMORY_BYTES_MAX = 250 * 1024 * 1024
CHUNK = bytes(range(256)) * 4096
CHUNKS = 300
PARTS = 10_000
TOO_MUCH_BYTES = 65 << 30

pytestmark = pytest.mark.usefixtures("served_space")


@contextmanager
def posting(
    server: RunningWeb, token: str, pieces: Iterator[bytes], content_type: str = STOW_TYPE
) -> Iterator[http.client.HTTPResponse]:
    """The answer to a chunked request."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=120)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": content_type}
    try:
        connection.request("POST", "/dicomweb/studies", pieces, headers, encode_chunked=True)
        yield connection.getresponse()
    finally:
        connection.close()


def test_large_bulk_data_passes_in_little_memory(
    server: RunningWeb, token: str, served_space: StorageSpace
) -> None:
    data_set = metadata(x7FE00010=bulk("a", "OW"))
    around = body(json_part(data_set), RawPart(b"@", location="a"))
    before, after = around.split(b"@\r\n")

    def pieces() -> Iterator[bytes]:
        yield before
        for _ in range(CHUNKS):
            yield CHUNK
        yield b"\r\n" + after

    with posting(server, token, pieces(), JSON_TYPE) as response:
        assert response.status == 200, response.read()
    (path,) = Path(served_space.options["root"]).rglob("*.dcm")
    assert path.stat().st_size > CHUNKS * len(CHUNK) > MEMORY_BYTES_MAX
    shutil.rmtree(served_space.options["root"])  # pytest keeps folders of several runs
    assert server.peak_bytes() < MEMORY_BYTES_MAX


def test_ten_thousand_parts_are_stored_by_one_request(server: RunningWeb, token: str) -> None:
    study, series = new_uid(), new_uid()
    uid = new_uid()
    dataset = build_ct(
        study_instance_uid=study, series_instance_uid=series, sop_instance_uid=uid, rows=2
    )
    template = part10_bytes(dataset)
    numbered = [f"2.25.{'1' * (len(uid) - 10)}{number:05}" for number in range(PARTS)]
    assert {len(name) for name in numbered} == {len(uid)}

    def pieces() -> Iterator[bytes]:
        start = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        for name in numbered:
            yield start + template.replace(uid.encode(), name.encode()) + b"\r\n"
        yield f"--{BOUNDARY}--\r\n".encode()

    with posting(server, token, pieces()) as response:
        assert response.status == 200, response.read()
        assert len(json.loads(response.read())["00081199"]["Value"]) == PARTS
    assert Instance.objects.count() == PARTS
    assert server.peak_bytes() < MEMORY_BYTES_MAX


def answer_while_sending(server: RunningWeb, head: bytes, chunk: bytes, *, chunks: int) -> bytes:
    """What a client reads that sends all it wants to before it looks for an answer."""
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port or 0), timeout=60) as connection:
        connection.sendall(head)
        for _ in range(chunks):
            connection.sendall(chunk)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.fixture(scope="module")
def strict_server(
    django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningWeb]:
    """Takes requests of a megabyte."""
    limit = ("--env", f"INGESTION_REQUEST_BYTES_MAX={1 << 20}")
    with running_web(tmp_path_factory.mktemp("web"), *limit) as running:
        yield running


def test_a_chunked_request_that_grows_beyond_the_limit_reads_its_413(
    strict_server: RunningWeb, token: str
) -> None:
    head = request_head(token, "Transfer-Encoding: chunked")
    begin = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    first = f"{len(begin):x}\r\n".encode() + begin + b"\r\n"
    chunk = f"{len(CHUNK):x}\r\n".encode() + CHUNK + b"\r\n"
    answer = answer_while_sending(strict_server, head + first, chunk, chunks=20)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"\r\nConnection: close\r\n" in answer
    assert not Instance.objects.exists()


def test_a_request_beyond_the_limit_reads_its_413(server: RunningWeb, token: str) -> None:
    head = request_head(token, f"Content-Length: {TOO_MUCH_BYTES}")
    answer = answer_while_sending(server, head, CHUNK, chunks=30)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"\r\nConnection: close\r\n" in answer
    assert b"request_bytes_max" in answer
    assert not Instance.objects.exists()
