"""Certificates for tests of TLS: an authority, and files signed by it."""

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Authority:
    """A certificate authority of a test, and where it writes its files."""

    folder: Path
    ca: trustme.CA

    @classmethod
    def create(cls, folder: Path) -> "Authority":
        folder.mkdir(exist_ok=True)
        authority = cls(folder, trustme.CA())
        authority.ca.cert_pem.write_to_path(authority.file)
        return authority

    @property
    def file(self) -> Path:
        """The authority's own certificate."""
        return self.folder / "authority.pem"

    def issue(self, name: str, *hosts: str) -> Path:
        """A file of a key and the certificate for it, for these hosts (or 127.0.0.1)."""
        certificate = self.ca.issue_cert(*(hosts or ("127.0.0.1", "localhost")))
        path = self.folder / f"{name}.pem"
        path.unlink(missing_ok=True)
        certificate.private_key_and_cert_chain_pem.write_to_path(path)
        return path

    def issue_apart(self, name: str) -> tuple[Path, Path]:
        """Certificate and key in files of their own."""
        certificate = self.ca.issue_cert("127.0.0.1", "localhost")
        chain, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        certificate.cert_chain_pems[0].write_to_path(chain)
        certificate.private_key_pem.write_to_path(key)
        return chain, key
