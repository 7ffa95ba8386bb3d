"""Slow and hostile clients: they lose their connection, and nobody else notices (RFC 9110 15.5.9).

As many connections as the web has threads, and more, stay open meanwhile.
"""

import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings

from ingestion.models import Instance, StorageSpace
from tests.builders import build_ct, part10_bytes
from tests.eventually import eventually
from tests.integration.dicomweb.web_client import STOW_TYPE, multipart
from tests.integration.dicomweb.web_process import RunningWeb, running_web

CLIENTS = 40  # the web has 2 processes of 16 threads
GOOD_SECONDS = 3

WORKER = "tests.integration.dicomweb.impatient_worker.ImpatientWorker"

pytestmark = pytest.mark.usefixtures("served_space")


@pytest.fixture(scope="module")
def impatient(
    django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningWeb]:
    """The product's web server with two seconds of patience."""
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)
    with running_web(tmp_path_factory.mktemp("web"), "--worker-class", WORKER) as running:
        yield running


def head(*lines: str) -> bytes:
    fields = ["POST /dicomweb/studies HTTP/1.1", "Host: 127.0.0.1", f"Content-Type: {STOW_TYPE}"]
    return ("\r\n".join([*fields, *lines]) + "\r\n\r\n").encode()


def connected(server: RunningWeb) -> socket.socket:
    address = urlsplit(server.url)
    return socket.create_connection((address.hostname, address.port or 0), timeout=60)


@contextmanager
def dribbling(server: RunningWeb, begin: bytes) -> Iterator[list[socket.socket]]:
    """Clients that sent `begin`, and go on with a byte now and then."""
    clients = [connected(server) for _ in range(CLIENTS)]
    is_over = threading.Event()

    def dribble() -> None:
        while not is_over.wait(0.3):
            for client in clients:
                try:
                    client.send(b"x")
                except OSError:
                    continue

    for client in clients:
        client.sendall(begin)
    thread = threading.Thread(target=dribble)
    thread.start()
    try:
        yield clients
    finally:
        is_over.set()
        thread.join()
        for client in clients:
            client.close()


def answer(client: socket.socket) -> bytes:
    """All that the server sends before it ends the connection."""
    received = b""
    try:
        while more := client.recv(65536):
            received += more
    except ConnectionResetError:
        pass
    return received


def asked(server: RunningWeb, method: str, token: str, body: bytes | None = None) -> None:
    """A request of a client of good will, which succeeds."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": STOW_TYPE}
    request = urllib.request.Request(f"{server.url}/dicomweb/studies", body, headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as response:
        response.read()


def seconds_of_good_answers(server: RunningWeb, token: str) -> float:
    """How long one client of good will needs to search on new connections, several times."""
    started = time.monotonic()
    for _ in range(6):
        asked(server, "GET", token)
    return time.monotonic() - started


def good_clients_are_served(server: RunningWeb, token: str, begin: bytes) -> bool:
    """Whether they are answered sooner than if threads waited for the dribbling ones."""
    with dribbling(server, begin):
        return seconds_of_good_answers(server, token) < GOOD_SECONDS


@pytest.mark.parametrize(
    "begin", [b"", b"GET /dicomweb/studies HTTP/1.1\r\nHost: a\r\nX-Slow: "], ids=["silent", "head"]
)
def test_heads_that_never_end_hold_no_thread(
    impatient: RunningWeb, token: str, begin: bytes
) -> None:
    eventually(lambda: good_clients_are_served(impatient, token, begin))
    with dribbling(impatient, begin) as clients:
        assert all(answer(client).startswith(b"HTTP/1.1 408 ") for client in clients)


def test_a_connection_on_which_nothing_comes_is_closed(impatient: RunningWeb) -> None:
    with connected(impatient) as client:
        assert answer(client) == b""


def test_a_head_without_end_is_too_large(impatient: RunningWeb) -> None:
    with connected(impatient) as client:
        client.sendall(b"GET / HTTP/1.1\r\nX: " + b"x" * 80_000)
        assert answer(client).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("framing", ["Content-Length: 1000000", "Transfer-Encoding: chunked"])
def test_strangers_are_refused_before_they_sent_their_bodies(
    impatient: RunningWeb, token: str, framing: str
) -> None:
    begin = head(framing)
    eventually(lambda: good_clients_are_served(impatient, token, begin))
    with dribbling(impatient, begin) as clients:
        for client in clients:
            answered = answer(client)
            assert answered.startswith(b"HTTP/1.1 401 ")
            assert b"connection: close" in answered.lower()


@pytest.mark.parametrize("framing", ["Content-Length: 1000000", "Transfer-Encoding: chunked"])
def test_slow_uploads_leave_threads_to_others_and_end(
    impatient: RunningWeb, token: str, framing: str
) -> None:
    begin = head(framing, f"Authorization: Bearer {token}")
    eventually(lambda: good_clients_are_served(impatient, token, begin))
    with dribbling(impatient, begin) as clients:
        statuses = {answer(client)[9:12] for client in clients}
    assert statuses <= {b"408", b"400"}  # 400 when the dribble is no chunk
    assert b"408" in statuses or "chunked" in framing


def test_what_a_slow_client_sent_whole_is_kept(impatient: RunningWeb, token: str) -> None:
    complete = multipart(part10_bytes(build_ct())).removesuffix(b"--\r\n") + b"\r\n"
    begin = head(f"Content-Length: {len(complete) + 9999}", f"Authorization: Bearer {token}")
    with connected(impatient) as client:
        client.sendall(begin + complete)
        answered = answer(client)
    assert answered.startswith(b"HTTP/1.1 408 ")
    assert b"1 complete part" in answered
    assert Instance.objects.count() == 1


def test_a_client_that_does_not_read_is_let_go(
    impatient: RunningWeb, token: str, served_space: StorageSpace
) -> None:
    dataset = build_ct(rows=4000, columns=4000)
    asked(impatient, "POST", token, multipart(part10_bytes(dataset)))
    begin = (
        f"GET /dicomweb/studies/{dataset.StudyInstanceUID} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    ).encode()
    clients = [connected(impatient) for _ in range(CLIENTS)]
    for client in clients:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(begin)
    asked(impatient, "GET", token)
    for client in clients:
        client.close()


def test_a_refused_upload_can_be_sent_to_its_end_and_its_answer_read(
    impatient: RunningWeb, token: str
) -> None:
    body = b"x" * 8_000_000
    begin = head(f"Content-Length: {len(body)}")
    with connected(impatient) as client:
        client.sendall(begin + body)
        assert answer(client).startswith(b"HTTP/1.1 401 ")


def test_a_stop_waits_for_no_idle_connection(
    django_db_setup: None, tmp_path: Path, served_space: StorageSpace
) -> None:
    with running_web(tmp_path, "--graceful-timeout", "120") as server:
        clients = [connected(server) for _ in range(4)]
        with connected(server) as probe:
            probe.sendall(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert probe.recv(65536).startswith(b"HTTP/1.1 200 ")
    for client in clients:
        with client:
            assert answer(client) == b""
