"""Outbound requests against servers that misbehave: limits, TLS, redirects, addresses."""

import datetime as dt
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pytest_django.fixtures import Settings

from bindings.outbound_http import (
    OutboundAnswer,
    OutboundError,
    OutboundRequest,
    close_connections,
    send,
)
from ingestion.errors import NotPermitted
from tests.http_receiver import Answer, HttpReceiver

Serve = Callable[[socket.socket], None]


@pytest.fixture(autouse=True)
def _no_connection_is_left() -> Iterator[None]:
    yield
    close_connections()


def post(url: str, *, timeout_seconds: float = 60.0, ca_certificates: str = "") -> OutboundAnswer:
    return send(
        OutboundRequest(
            "POST",
            url,
            (("X-Key", "k3y"),),
            b"body",
            timeout_seconds,
            ca_certificates=ca_certificates,
        )
    )


@contextmanager
def listening(serve: Serve) -> Iterator[int]:
    """A socket server on loopback that treats each connection as `serve` says; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_accept, args=(listener, serve))
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def _accept(listener: socket.socket, serve: Serve) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            try:
                serve(connection)
            except OSError:  # the client gave up
                continue


def test_answer_is_returned_whatever_its_status(receiver: HttpReceiver) -> None:
    receiver.script = lambda _: Answer(418, headers={"X-Tea": "pot"}, body=b"short")
    answer = post(receiver.url)
    assert (answer.status, answer.headers["x-tea"], answer.body) == (418, "pot", b"short")
    assert receiver.received[0].body == b"body"
    assert receiver.received[0].headers["content-length"] == "4"
    assert receiver.received[0].headers["user-agent"] == "imaging-ingestion"


def test_redirect_is_not_followed(receiver: HttpReceiver) -> None:
    receiver.script = lambda _: Answer(302, headers={"Location": receiver.url})
    assert post(receiver.url).status == 302
    assert len(receiver.received) == 1


def test_long_answer_is_cut_off(receiver: HttpReceiver, settings: Settings) -> None:
    settings.LIMITS = settings.LIMITS.model_copy(update={"response_bytes_max": 1000})
    receiver.script = lambda _: Answer(200, body=b"x" * 1001)
    answer = post(receiver.url)
    assert (answer.status, answer.body) == (200, b"")
    receiver.script = lambda _: Answer(200, body=b"x" * 1000)
    assert len(post(receiver.url).body) == 1000


def test_answer_without_end_is_cut_off(settings: Settings) -> None:
    settings.LIMITS = settings.LIMITS.model_copy(update={"response_bytes_max": 1000})

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 1000)

    with listening(serve) as port:
        assert post(f"http://127.0.0.1:{port}/").body == b""


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\nX: "])
def test_dripping_answer_ends_at_the_deadline(first: bytes) -> None:
    """Each byte comes in time; the whole does not."""
    stop = threading.Event()

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(first)
        while not stop.wait(0.1):
            connection.sendall(b"a")

    with listening(serve) as port:
        with pytest.raises(OutboundError, match=r"within 0\.6 s"):
            post(f"http://127.0.0.1:{port}/", timeout_seconds=0.6)
        stop.set()


def test_silent_server_is_given_up_in_time() -> None:
    stop = threading.Event()
    with listening(lambda _: (stop.wait(60), None)[1]) as port:
        with pytest.raises(OutboundError, match=r"within 0\.3 s"):
            post(f"http://127.0.0.1:{port}/", timeout_seconds=0.3)
        stop.set()


@pytest.mark.parametrize("garbage", [b"", b"hello\r\n\r\n", b"\x00" * 100, b"HTTP/1.1 999999\r\n"])
def test_server_that_does_not_speak_http_is_an_error_of_ours(garbage: bytes) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(garbage)

    with listening(serve) as port, pytest.raises(OutboundError) as told:
        post(f"http://127.0.0.1:{port}/")
    assert "k3y" not in repr(told.value)


def test_loopback_is_refused_by_default(receiver: HttpReceiver, settings: Settings) -> None:
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(
        update={"outbound_allow_private_addresses": False}
    )
    with pytest.raises(NotPermitted):
        post(receiver.url)
    assert receiver.received == []


def test_name_that_does_not_resolve_is_an_error_of_ours() -> None:
    with pytest.raises(OutboundError, match=r"does not resolve|no connection"):
        post("http://nowhere.invalid/")


def test_certificate_must_be_trusted_and_a_private_authority_can_be(tmp_path: Path) -> None:
    certificate = _self_signed(tmp_path, name="localhost")
    with _https(tmp_path) as port:
        with pytest.raises(OutboundError, match="not trusted"):
            post(f"https://localhost:{port}/")
        assert post(f"https://localhost:{port}/", ca_certificates=certificate).status == 204


def test_certificate_of_another_name_is_not_trusted(tmp_path: Path) -> None:
    certificate = _self_signed(tmp_path, name="elsewhere.example")
    with _https(tmp_path) as port, pytest.raises(OutboundError, match="not trusted"):
        post(f"https://localhost:{port}/", ca_certificates=certificate)


@contextmanager
def _https(folder: Path) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")

    def serve(connection: socket.socket) -> None:
        with (
            context.wrap_socket(connection, server_side=True) as secured,
            secured.makefile("rb") as request,
        ):
            _read_whole(request)
            secured.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")

    with listening(serve) as port:
        yield port


def _read_whole(request: IO[bytes]) -> None:
    """Who closes before the last byte was read resets the connection, and the answer is lost."""
    length = 0
    while (line := request.readline().strip().lower()) != b"":
        name, _, value = line.partition(b":")
        length = int(value) if name == b"content-length" else length
    request.read(length)


def _self_signed(folder: Path, *, name: str) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / "certificate.pem").write_bytes(pem)
    return pem.decode()
