"""How the viewer's package becomes what is served at /viewer/."""

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from dicomweb.viewer.install import is_installed, main, prepare
from ingestion.errors import Misconfigured

BUNDLE = b'start();\n__webpack_require__.p = "/";\n' + b"//\n" * 1000
FILES = {
    "package/LICENSE": b"MIT",
    "package/package.json": b"{}",
    "package/dist/index.html": b'<script src="/app-config.js"></script><link href="/app.css">',
    "package/dist/app.bundle.0123456789abcdef.js": BUNDLE,
    "package/dist/app.bundle.0123456789abcdef.js.map": b"{}",
    "package/dist/app.css": b"@font-face { src: url(/font.woff2) }",
    "package/dist/assets/favicon.ico": b"icon",
    "package/dist/app-config.js": b"window.config = {foreign: 'host'}",
    "package/dist/ort/large.wasm": b"\0asm",
}


def package(folder: Path, files: dict[str, bytes]) -> Path:
    path = folder / "package.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_what_is_served_is_there_and_nothing_else(tmp_path: Path) -> None:
    built = tmp_path / "viewer"
    prepare(package(tmp_path, FILES), built)
    names = {str(path.relative_to(built)) for path in built.rglob("*") if path.is_file()}
    assert names == {
        *("LICENSE", "VERSION", "index.html", "app.css", "assets/favicon.ico"),
        *("app.bundle.0123456789abcdef.js", "app.bundle.0123456789abcdef.js.gz"),
    }
    assert is_installed(built)


def test_the_root_of_the_host_becomes_ours(tmp_path: Path) -> None:
    built = tmp_path / "viewer"
    prepare(package(tmp_path, FILES), built)
    page = (built / "index.html").read_text()
    assert page == '<script src="/viewer/app-config.js"></script><link href="/viewer/app.css">'
    assert "url(/viewer/font.woff2)" in (built / "app.css").read_text()
    bundle = built / "app.bundle.0123456789abcdef.js"
    assert '.p = "/viewer/";' in bundle.read_text()
    assert (
        gzip.decompress(bundle.with_name(f"{bundle.name}.gz").read_bytes()) == bundle.read_bytes()
    )


def test_a_package_that_is_built_otherwise_is_refused(tmp_path: Path) -> None:
    files = FILES | {"package/dist/app.bundle.0123456789abcdef.js": b"start();"}
    with pytest.raises(Misconfigured, match="not built as expected"):
        prepare(package(tmp_path, files), tmp_path / "viewer")


def test_what_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    built = tmp_path / "viewer"
    prepare(package(tmp_path, FILES), built)
    assert main([str(built)]) == 0


def test_a_folder_must_be_named() -> None:
    assert main([]) == 2
