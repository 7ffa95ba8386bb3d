"""TLS contexts for associations, made from files that are read again when they change.

Source: PS3.15 B.12 (BCP 195 RFC 8996, 9325 TLS Secure Transport Connection Profile), RFC 9325.
"""

import ssl
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from cryptography import x509
from django.conf import settings

from ingestion.dimse.security.fresh_files import FreshFromFiles
from ingestion.dimse.security.secure_socket import SecureSocket
from ingestion.errors import Misconfigured

# RFC 9325 4.2: forward secrecy and authenticated encryption. TLS 1.3 knows nothing else.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"

_VERIFY_MODES = {
    "none": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}


@dataclass(frozen=True, slots=True)
class AcceptingFiles:
    """What we prove ourselves with to peers that call, and what they may have to prove.

    A key of None is in the certificate's file. `client_certificates` is none, optional or
    required; certificates that are sent must come from `client_authorities`.
    """

    certificate: Path
    key: Path | None = None
    client_authorities: Path | None = None
    client_certificates: str = "none"

    def paths(self) -> tuple[Path, ...]:
        """Every file that the context is made from."""
        return tuple(filter(None, (self.certificate, self.key, self.client_authorities)))

    def build(self) -> ssl.SSLContext:
        """A context for accepting. Raises `OSError`, of which `ssl.SSLError` is one."""
        context = _hardened(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        context.load_cert_chain(self.certificate, self.key, password=_no_password)
        context.verify_mode = _VERIFY_MODES[self.client_certificates]
        if self.client_authorities is not None:
            context.load_verify_locations(self.client_authorities)
        # No resumption: every association proves itself, with the certificates of its day.
        context.options |= ssl.OP_NO_TICKET | ssl.OP_CIPHER_SERVER_PREFERENCE
        context.num_tickets = 0
        return context


@dataclass(frozen=True, slots=True)
class CallingFiles:
    """Whom we trust when we call, and what we prove ourselves with where that is asked.

    Authorities of None are those of the system.
    """

    authorities: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    checks_host_names: bool = True

    def paths(self) -> tuple[Path, ...]:
        """Every file that the context is made from."""
        return tuple(filter(None, (self.authorities, self.certificate, self.key)))

    def build(self) -> ssl.SSLContext:
        """A context for calling. Raises `OSError`, of which `ssl.SSLError` is one."""
        context = _hardened(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        context.check_hostname = self.checks_host_names
        if self.authorities is None:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        else:
            context.load_verify_locations(self.authorities)
        if self.certificate is not None:
            context.load_cert_chain(self.certificate, self.key, password=_no_password)
        return context


def server_context() -> ssl.SSLContext | None:
    """The context for peers that call; None where TLS is off. Raises `Misconfigured`."""
    files = accepting_files()
    return None if files is None else _kept(files).current()


def client_context() -> ssl.SSLContext:
    """The context for calling others. Raises `Misconfigured`."""
    return _kept(calling_files()).current()


def accepting_files() -> AcceptingFiles | None:
    """The files of the settings, None where TLS is off. Raises `Misconfigured`."""
    environment = settings.ENVIRONMENT
    if environment.dimse_tls_port is None:
        return None
    if environment.dimse_tls_certificate is None:
        raise Misconfigured("INGESTION_DIMSE_TLS_PORT needs INGESTION_DIMSE_TLS_CERTIFICATE")
    asks = environment.dimse_tls_client_certificates
    if asks != "none" and environment.dimse_tls_client_ca is None:
        raise Misconfigured(
            f"INGESTION_DIMSE_TLS_CLIENT_CERTIFICATES={asks} needs INGESTION_DIMSE_TLS_CLIENT_CA"
        )
    return AcceptingFiles(
        certificate=environment.dimse_tls_certificate,
        key=environment.dimse_tls_key,
        client_authorities=environment.dimse_tls_client_ca,
        client_certificates=asks,
    )


def calling_files() -> CallingFiles:
    """The files of the settings; we call with the certificate that we are called with."""
    environment = settings.ENVIRONMENT
    own = environment.dimse_tls_calling_certificate
    return CallingFiles(
        authorities=environment.dimse_tls_ca,
        certificate=own or environment.dimse_tls_certificate,
        key=environment.dimse_tls_calling_key if own else environment.dimse_tls_key,
        checks_host_names=environment.dimse_tls_check_host_names,
    )


def certificates_end_at() -> datetime | None:
    """When the first of our certificates ends; None without TLS. Raises `Misconfigured`."""
    files = accepting_files()
    if files is None:
        return None
    server_context()  # says better than what follows why files cannot be used
    certificates = x509.load_pem_x509_certificates(files.certificate.read_bytes())
    return min(certificate.not_valid_after_utc for certificate in certificates)


@cache
def _kept(files: AcceptingFiles | CallingFiles) -> FreshFromFiles[ssl.SSLContext]:
    """One context per settings; they never change while a process runs.

    Connections keep the context that they began with.
    """
    return FreshFromFiles(files.build, files.paths(), purpose="TLS")


def _hardened(context: ssl.SSLContext) -> ssl.SSLContext:
    """TLS 1.2 and 1.3 alone (RFC 8996), no compression, no renegotiation (RFC 9325 3.3, 3.5)."""
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    # A stream cut off shows in the Upper Layer, whose PDUs have lengths and whose end is a
    # release; and after an end of what we read we can still say goodbye.
    context.options |= ssl.OP_IGNORE_UNEXPECTED_EOF
    context.sslsocket_class = SecureSocket
    return context


def _no_password() -> str:
    """Keys with a password are an error: OpenSSL would ask for it on the terminal."""
    return ""
