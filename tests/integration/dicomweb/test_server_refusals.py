"""What the web server answers by itself: an error as any other, which repeats nothing."""

import json
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.integration.dicomweb.web_process import RunningWeb

NAME = "Vogelsang"
END = b"Host: 127.0.0.1\r\n\r\n"
SEARCH = f"GET /dicomweb/studies?PatientName={NAME}"


def answer(server: RunningWeb, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, header fields by lower case name, and body."""
    address = urlsplit(server.url)
    received = b""
    with socket.create_connection((address.hostname, address.port or 0), timeout=60) as client:
        client.sendall(request)
        while more := client.recv(65536):
            received += more
    head, _, body = received.partition(b"\r\n\r\n")
    status, *fields = head.decode().split("\r\n")
    named = dict(field.lower().split(": ", 1) for field in fields)
    return int(status.split()[1]), named, body


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (f"{SEARCH} Anna HTTP/1.1\r\n".encode(), 400),
        (f"{SEARCH}ü HTTP/1.1\r\n".encode(), 400),
        (f"{SEARCH.lower()} HTTP/1.1\r\n".encode(), 400),
        (f"{SEARCH} HTTP/1.1\r\n{NAME} Anna: x\r\n".encode(), 400),
        (f"{SEARCH}{'x' * 9000} HTTP/1.1\r\n".encode(), 414),
        (f"{SEARCH} HTTP/1.1\r\nX-Name: {'x' * 9000}\r\n".encode(), 431),
        (f"{SEARCH} HTTP/1.1\r\nExpect: {NAME}\r\n".encode(), 417),
        (f"{SEARCH} HTTP/1.1\r\nTransfer-Encoding: {NAME}\r\n".encode(), 501),
    ],
    ids=["space", "not ASCII", "method", "field", "long line", "long field", "expect", "coding"],
)
def test_what_is_no_request_is_refused_and_not_repeated(
    server: RunningWeb, request_head: bytes, status: int
) -> None:
    logged_before = len(Path(server.log).read_bytes())
    answered, fields, body = answer(server, request_head + END)
    assert answered == status
    assert fields["content-type"] == "application/json"
    assert fields["access-control-allow-origin"] == "*"
    assert set(json.loads(body)) == {"code", "detail"}
    logged = Path(server.log).read_bytes()[logged_before:]
    assert b"a request was refused" in logged
    assert NAME.lower() not in (body + logged).decode().lower()


def test_wrong_host_is_told_in_a_line(server: RunningWeb) -> None:
    logged_before = len(Path(server.log).read_bytes())
    answered, fields, body = answer(
        server, b"GET /dicomweb/studies HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n"
    )
    assert (answered, fields["content-type"]) == (400, "application/json")
    assert b'"code":"invalid-request"' in body
    logged = Path(server.log).read_bytes()[logged_before:]
    assert b"elsewhere.example" in logged
    assert b"Traceback" not in logged
    assert b"error" not in logged
