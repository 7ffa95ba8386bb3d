"""Packages of npm that tests use: one file of each, fetched once, proven by its hash.

`python -m tests.interop.npm_packages` fetches them, and the viewer, into `.cache/`.
"""

import base64
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from dicomweb.viewer.install import main as install_viewer

CACHE = Path(__file__).parents[2] / ".cache"
VIEWER = CACHE / "viewer"
FETCH_SECONDS_MAX = 300


@dataclass(frozen=True, slots=True)
class NpmPackage:
    """A package of a pinned version; `sha512` as npm writes it, `script` within the package."""

    name: str
    version: str
    sha512: str
    script: str

    @property
    def path(self) -> Path:
        """Where the script is once it was fetched."""
        return CACHE / "npm" / f"{self.name}-{self.version}.js"

    def fetch(self) -> None:
        """Fetch the script unless it is there. Nothing of the package runs here."""
        if self.path.exists():
            return
        npm = shutil.which("npm")
        assert npm is not None, "npm is missing: make interop installs it"
        with tempfile.TemporaryDirectory() as scratch:
            command = [npm, "pack", "--silent", "--pack-destination", scratch]
            subprocess.run(
                [*command, f"{self.name}@{self.version}"],
                check=True,
                stdout=subprocess.DEVNULL,
                timeout=FETCH_SECONDS_MAX,
            )
            (package,) = Path(scratch).glob("*.tgz")
            digest = hashlib.sha512(package.read_bytes()).digest()
            assert base64.b64encode(digest).decode() == self.sha512, "not the package we know"
            with tarfile.open(package) as archive:
                script = archive.extractfile(f"package/{self.script}")
                assert script is not None
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self.path.write_bytes(script.read())


DICOMWEB_CLIENT = NpmPackage(
    name="dicomweb-client",
    version="0.11.3",
    sha512="7t1Rc/01fyFnKlQeNPW9Pvxvmsx8R/BgB2n7BxTuWirRFwlTC5upEeLeS3vO72P+n6/SQZ3+5ij0bgaWDHQG/A==",
    script="build/dicomweb-client.js",
)


def main() -> int:
    """The exit status of the viewer's own installation."""
    DICOMWEB_CLIENT.fetch()
    return install_viewer([str(VIEWER)])


if __name__ == "__main__":
    sys.exit(main())
