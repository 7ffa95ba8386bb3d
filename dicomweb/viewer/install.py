"""`python -m dicomweb.viewer.install FOLDER`: fetches the OHIF viewer and makes it ours to serve.

The viewer is a web application, built by its makers for the root of a host. npm fetches its
package, the hash pinned here proves it, and the few places that name the root are rewritten,
since the viewer is served at `/viewer/`. Nothing of the package runs on this machine.
Source: github.com/OHIF/Viewers, MIT licence.
"""

import base64
import gzip
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from ingestion.errors import IngestionError, Misconfigured, Unavailable

PACKAGE = "@ohif/app"
VERSION = "3.13.2"
# SHA-512, base64, as npm writes it.
INTEGRITY = (
    "WZdxmpmG7rqFgW9ZJLcbgr3XCtLi1KDNPoMaeY5PPe6j4G4fjEjjkycZM6C6Zk2F87BKxFfpq+jd5xXZB9E8EA=="
)
PREFIX = "/viewer/"
INDEX = "index.html"
VERSION_FILE = "VERSION"
FETCH_SECONDS_MAX = 900

_BUILT = PurePosixPath("package/dist")
_LICENCE = PurePosixPath("package/LICENSE")
# What would ask foreign hosts, belongs to other hosts, or serves only who mends the viewer.
_LEFT_OUT = {
    *("ort", "app-config.js", "google.js", "sw.js"),
    *("oidc-client.min.js", "silent-refresh.html", "serve.json", "_headers", "_redirects"),
}
# Where the root of the host is named: in what files, and how.
_ROOT_NAMED = {
    "*.js": (b'__webpack_require__.p = "/";', f'__webpack_require__.p = "{PREFIX}";'.encode()),
    "*.css": (b"url(/", f"url({PREFIX}".encode()),
    INDEX: (b'="/', f'="{PREFIX}'.encode()),
}
_MUST_NAME_IT = ("app.bundle.*.js", INDEX)
_COMPRESSED = {".js", ".css", ".wasm", ".html", ".json", ".svg"}
_WORTH_COMPRESSING_BYTES = 1024


def main(arguments: Sequence[str]) -> int:
    """Exit status 0: the viewer is there; 1: it could not be fetched; 2: no folder was named."""
    match arguments:
        case [folder]:
            target = Path(folder)
        case _:
            sys.stderr.write("usage: python -m dicomweb.viewer.install FOLDER\n")
            return 2
    if is_installed(target):
        return 0
    sys.stderr.write(f"Fetching the viewer ({PACKAGE} {VERSION}), about 50 MB…\n")
    try:
        install(target)
    except IngestionError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def is_installed(target: Path) -> bool:
    """Whether this folder has the viewer of this version, complete."""
    version = target / VERSION_FILE
    return version.is_file() and version.read_text("ascii") == VERSION


def install(target: Path) -> None:
    """Fetch the viewer into this folder, in place of another version of it.

    It is complete or not there. Raises `Unavailable` when npm cannot fetch it, `Misconfigured`
    when there is no npm, or the package is not the one that is pinned.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as scratch:
        built = Path(scratch) / "built"
        prepare(_fetch(Path(scratch)), built)
        if target.exists():
            shutil.rmtree(target)
        built.rename(target)


def prepare(package: Path, built: Path) -> None:
    """Unpack a package into a new folder, as it is served. Raises `Misconfigured` if it differs."""
    _unpack(package, built)
    _name_our_root(built)
    _compress(built)
    (built / VERSION_FILE).write_text(VERSION, "ascii")


def _fetch(scratch: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise Misconfigured("npm is needed to fetch the viewer; on Debian: apt-get install npm")
    command = [npm, "pack", "--silent", "--pack-destination", str(scratch), f"{PACKAGE}@{VERSION}"]
    try:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=FETCH_SECONDS_MAX)
    except (subprocess.SubprocessError, OSError) as error:
        raise Unavailable(f"npm could not fetch {PACKAGE} {VERSION}") from error
    (package,) = scratch.glob("*.tgz")
    with package.open("rb") as stream:
        digest = base64.b64encode(hashlib.file_digest(stream, "sha512").digest()).decode()
    if digest != INTEGRITY:
        raise Misconfigured(f"what came as {PACKAGE} {VERSION} is something else: refused")
    return package


def _unpack(package: Path, built: Path) -> None:
    with tarfile.open(package, "r:gz") as archive:
        for member in archive:
            path = PurePosixPath(member.name)
            if path == _LICENCE:
                member.name = path.name
            elif path.is_relative_to(_BUILT) and _is_needed(path.relative_to(_BUILT)):
                member.name = str(path.relative_to(_BUILT))
            else:
                continue
            archive.extract(member, built, filter="data")


def _is_needed(path: PurePosixPath) -> bool:
    return path.parts[0] not in _LEFT_OUT and path.suffix != ".map"


def _name_our_root(built: Path) -> None:
    for pattern, (theirs, ours) in _ROOT_NAMED.items():
        for file in built.glob(pattern):
            content = file.read_bytes()
            if theirs in content:
                file.write_bytes(content.replace(theirs, ours))
    for pattern in _MUST_NAME_IT:
        for file in built.glob(pattern):
            if PREFIX.encode() not in file.read_bytes():
                raise Misconfigured(f"{PACKAGE} {VERSION} is not built as expected: {file.name}")


def _compress(built: Path) -> None:
    """A compressed variant beside each file that gains from it."""
    for file in sorted(built.rglob("*")):
        if file.suffix in _COMPRESSED and file.stat().st_size >= _WORTH_COMPRESSING_BYTES:
            content = gzip.compress(file.read_bytes(), compresslevel=6, mtime=0)
            file.with_name(f"{file.name}.gz").write_bytes(content)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
