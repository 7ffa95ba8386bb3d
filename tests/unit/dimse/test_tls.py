"""TLS: what is agreed on, who must prove what, and files that change. Source: PS3.15 B.12."""

import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from ingestion.dimse.security.fresh_files import FreshFromFiles
from ingestion.dimse.security.secure_socket import TlsFailed, secure, shake_hands
from ingestion.dimse.security.tls import AcceptingFiles, CallingFiles
from ingestion.errors import Misconfigured
from tests.unit.dimse.certificates import Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path / "tls")


@pytest.fixture
def accepting(authority: Authority) -> AcceptingFiles:
    return AcceptingFiles(authority.issue("ours"), client_authorities=authority.file)


@pytest.fixture
def calling(authority: Authority) -> CallingFiles:
    return CallingFiles(authority.file)


class Handshake:
    """Both sides of a handshake over a socket pair."""

    def __init__(
        self, server: ssl.SSLContext, client: ssl.SSLContext, *, host: str = "127.0.0.1"
    ) -> None:
        ours, theirs = socket.socketpair()
        self.failure = ""
        self.accepted: ssl.SSLSocket | None = None
        thread = threading.Thread(target=self._accept, args=(ours, server))
        thread.start()
        theirs.settimeout(60)
        self.called: ssl.SSLSocket | None = None
        self.call_failure = ""
        try:
            self.called = client.wrap_socket(theirs, server_hostname=host)
        except OSError as error:
            self.call_failure = str(error)
            theirs.close()
        thread.join(60)

    def _accept(self, ours: socket.socket, server: ssl.SSLContext) -> None:
        self.accepted = secure(ours, server)
        try:
            shake_hands(self.accepted, timeout_seconds=60)
        except TlsFailed as failed:
            self.accepted.close()
            self.failure = str(failed)

    def close(self) -> None:
        for end in (self.accepted, self.called):
            if end is not None:
                end.close()


@pytest.fixture
def handshakes() -> Iterator[list[Handshake]]:
    done: list[Handshake] = []
    yield done
    for handshake in done:
        handshake.close()


def test_both_versions_of_the_profile_are_agreed_on(
    accepting: AcceptingFiles, calling: CallingFiles, handshakes: list[Handshake]
) -> None:
    for version, name in (
        (ssl.TLSVersion.TLSv1_2, "TLSv1.2"),
        (ssl.TLSVersion.TLSv1_3, "TLSv1.3"),
    ):
        client = calling.build()
        client.maximum_version = version
        handshakes.append(Handshake(accepting.build(), client))
        called = handshakes[-1].called
        assert called is not None
        assert called.version() == name
        agreed = called.cipher()
        assert agreed is not None
        assert "GCM" in agreed[0] or "CHACHA20" in agreed[0]
        assert called.compression() is None


def test_version_before_1_2_is_refused(
    accepting: AcceptingFiles, handshakes: list[Handshake]
) -> None:
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        client.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        client.maximum_version = ssl.TLSVersion.TLSv1_1
    handshakes.append(Handshake(accepting.build(), client))
    assert handshakes[-1].failure == "unsupported protocol"


@pytest.mark.parametrize(
    "ciphers", ["AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA256", "DHE-RSA-AES128-GCM-SHA256"]
)
def test_cipher_without_forward_secrecy_or_authentication_is_refused(
    accepting: AcceptingFiles, calling: CallingFiles, handshakes: list[Handshake], ciphers: str
) -> None:
    client = calling.build()
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    client.set_ciphers(ciphers)
    handshakes.append(Handshake(accepting.build(), client))
    assert handshakes[-1].failure == "no shared cipher"


@pytest.mark.parametrize(
    ("asks", "has_certificate", "failure"),
    [
        ("none", False, ""),
        ("optional", False, ""),
        ("optional", True, ""),
        ("required", True, ""),
        ("required", False, "peer did not return a certificate"),
    ],
)
def test_client_certificates_as_configured(
    authority: Authority,
    accepting: AcceptingFiles,
    calling: CallingFiles,
    handshakes: list[Handshake],
    asks: str,
    has_certificate: bool,
    failure: str,
) -> None:
    own = authority.issue("modality") if has_certificate else None
    server = replace(accepting, client_certificates=asks).build()
    handshakes.append(Handshake(server, replace(calling, certificate=own).build()))
    assert handshakes[-1].failure == failure


@pytest.mark.parametrize("asks", ["optional", "required"])
def test_client_certificate_of_a_stranger_is_refused(
    tmp_path: Path,
    accepting: AcceptingFiles,
    calling: CallingFiles,
    handshakes: list[Handshake],
    asks: str,
) -> None:
    stranger = Authority.create(tmp_path / "stranger").issue("stranger")
    server = replace(accepting, client_certificates=asks).build()
    handshakes.append(Handshake(server, replace(calling, certificate=stranger).build()))
    assert handshakes[-1].failure.startswith("certificate not accepted: ")


def test_we_call_nobody_whose_certificate_is_not_trusted(
    tmp_path: Path, accepting: AcceptingFiles, handshakes: list[Handshake]
) -> None:
    other = Authority.create(tmp_path / "other").file
    handshakes.append(Handshake(accepting.build(), CallingFiles(other).build()))
    assert "certificate verify failed" in handshakes[-1].call_failure


@pytest.mark.parametrize("checks", [True, False])
def test_the_host_must_be_named_unless_told_otherwise(
    accepting: AcceptingFiles,
    calling: CallingFiles,
    handshakes: list[Handshake],
    checks: bool,
) -> None:
    client = replace(calling, checks_host_names=checks).build()
    handshakes.append(Handshake(accepting.build(), client, host="pacs.example"))
    assert ("Hostname mismatch" in handshakes[-1].call_failure) is checks


def test_nothing_is_resumed(
    accepting: AcceptingFiles, calling: CallingFiles, handshakes: list[Handshake]
) -> None:
    handshakes.append(Handshake(accepting.build(), calling.build()))
    accepted, called = handshakes[-1].accepted, handshakes[-1].called
    assert accepted is not None
    assert called is not None
    accepted.sendall(b"1")  # tickets of TLS 1.3 would come before it
    assert called.recv(1) == b"1"
    session = called.session
    assert session is not None
    assert not session.has_ticket


def test_key_may_lie_apart(authority: Authority) -> None:
    certificate, key = authority.issue_apart("ours")
    AcceptingFiles(certificate, key).build()
    with pytest.raises(OSError, match=r"."):
        AcceptingFiles(certificate).build()


def test_changed_files_are_read_again(authority: Authority, accepting: AcceptingFiles) -> None:
    fresh = FreshFromFiles(accepting.build, accepting.paths(), purpose="TLS")
    first = fresh.current()
    assert fresh.current() is first
    authority.issue("ours")
    second = fresh.current()
    assert second is not first
    assert fresh.current() is second


def test_broken_files_leave_the_last_good_ones_and_one_line(
    authority: Authority, accepting: AcceptingFiles, caplog: pytest.LogCaptureFixture
) -> None:
    fresh = FreshFromFiles(accepting.build, accepting.paths(), purpose="TLS")
    good = fresh.current()
    accepting.certificate.write_text("half a certificate")
    assert [fresh.current() for _ in range(3)] == [good] * 3
    assert len(caplog.records) == 1
    assert caplog.records[0].levelname == "ERROR"
    accepting.certificate.unlink()
    assert fresh.current() is good
    authority.issue("ours")
    assert fresh.current() is not good


def test_files_that_never_were_good_are_a_clear_error(tmp_path: Path) -> None:
    files = AcceptingFiles(tmp_path / "missing.pem")
    with pytest.raises(Misconfigured, match=r"missing\.pem: .*No such file"):
        FreshFromFiles(files.build, files.paths(), purpose="TLS").current()


def test_key_with_a_password_is_an_error_and_no_prompt(
    tmp_path: Path, authority: Authority
) -> None:
    certificate, plain = authority.issue_apart("ours")
    key = serialization.load_pem_private_key(plain.read_bytes(), None)
    locked = tmp_path / "locked.pem"
    locked.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    with pytest.raises(ssl.SSLError):
        AcceptingFiles(certificate, locked).build()


@pytest.mark.parametrize(
    ("said", "failure"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "http request"),
        (b"\x01\x00\x00\x00\x00\xcd\x00\x01", "wrong version number"),
        (b"", "the peer left during the handshake"),
    ],
)
def test_what_is_no_tls_is_told_in_words(
    accepting: AcceptingFiles, said: bytes, failure: str
) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(said)
        theirs.shutdown(socket.SHUT_WR)
        with secure(ours, accepting.build()) as secured, pytest.raises(TlsFailed, match=failure):
            shake_hands(secured, timeout_seconds=60)


def test_silent_handshake_ends_in_time(accepting: AcceptingFiles) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(b"\x16\x03")  # a record that never ends
        secured = secure(ours, accepting.build())
        with secured, pytest.raises(TlsFailed, match="within the timeout"):
            shake_hands(secured, timeout_seconds=0.05)


def test_end_of_what_we_send_is_told_while_the_peer_may_still_speak(
    accepting: AcceptingFiles, calling: CallingFiles, handshakes: list[Handshake]
) -> None:
    handshakes.append(Handshake(accepting.build(), calling.build()))
    accepted, called = handshakes[-1].accepted, handshakes[-1].called
    assert accepted is not None
    assert called is not None
    as_plain: socket.socket = accepted
    assert as_plain.sendmsg([b"one ", memoryview(b"two")]) == 7
    accepted.shutdown(socket.SHUT_WR)
    assert called.recv(100) == b"one two"
    assert called.recv(100) == b""  # by close_notify: a ragged end would be one, too
    called.sendall(b"last words")
    assert accepted.recv(100) == b"last words"


def test_stop_of_reading_leaves_what_is_sent_secret(
    accepting: AcceptingFiles, calling: CallingFiles, handshakes: list[Handshake]
) -> None:
    handshakes.append(Handshake(accepting.build(), calling.build()))
    accepted, called = handshakes[-1].accepted, handshakes[-1].called
    assert accepted is not None
    assert called is not None
    accepted.shutdown(socket.SHUT_RD)
    accepted.sendall(b"goodbye")
    assert called.recv(100) == b"goodbye"
