"""Damages valid DICOM files, the same way for the same seed, and visits what was stored of them.

Half of the damage is done where pictures are described (PS3.3 C.7.6.3), the rest anywhere.
"""

import random
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.errors import InvalidDicomError

from tests.bundled_files import BUNDLED_FILES
from tests.integration.dicomweb.web_client import WebClient, content, value

FILE_BYTES_MAX = 60_000

# PS3.18 8.7.3.5.2; in PS3.6 Table A-1.
TRANSFER_SYNTAXES = (
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.5",
)
FILES = 'multipart/related; type="application/dicom"; transfer-syntax='
FRAMES = 'multipart/related; type="{}"; transfer-syntax="{}"'
# Given, or all that can be, or not there, or not to be made of this, or beyond a limit.
STATUSES = frozenset((200, 206, 404, 406, 413))

_BYTES = (0x00, 0x01, 0x20, 0x2D, 0x30, 0x39, 0x41, 0x5C, 0x7F, 0x80, 0xFE, 0xFF)
_NUMBERS = (0, 1, 2, 3, 7, 8, 9, 12, 16, 17, 31, 32, 33, 64, 255, 256, 0x7FFF, 0x8000, 0xFFFF)
_TEXTS = (
    *(b"", b"0", b"-1", b"1e9", b"NaN", b"99999999999", b"\\", b"1\\2", b"\xff\xfe"),
    *(b"RGB", b"PALETTE COLOR", b"YBR_FULL_422", b"YBR_FULL", b"MONOCHROME1"),
)
_SYNTAX = (
    *(b'"', b"[", b"]", b"{", b"}", b",", b":", b"\\u0000", b"\\ud800", b"null", b"1e999"),
    *(b"<", b">", b"/>", b"&#0;", b"&x;", b"--", b"\r\n\r\n", b"\xc3", b"SQ", b"UN", b"../"),
)


def originals() -> list[bytes]:
    """Bundled files that are DICOM and small."""
    return [
        path.read_bytes()
        for path in BUNDLED_FILES
        if path.stat().st_size <= FILE_BYTES_MAX and _is_dicom(path)
    ]


def mutant(original: bytes, chance: random.Random) -> bytes:
    """The file with one to three damages."""
    damaged = bytearray(original)
    described, pixels = _places(original)
    for _ in range(chance.randint(1, 3)):
        kind = chance.random()
        if kind < 0.5 and described:
            _describe_otherwise(damaged, *chance.choice(described), chance=chance)
        elif kind < 0.8:
            _flip(damaged, pixels, chance=chance)
        elif kind < 0.95:
            _flip(damaged, 0, chance=chance)
        else:
            _cut_or_repeat(damaged, chance)
    return bytes(damaged)


def damaged_text(original: bytes, chance: random.Random) -> bytes:
    """A body with one to three damages anywhere, among them other characters of its syntax."""
    damaged = bytearray(original)
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(damaged))
        if chance.random() < 0.3:
            _cut_or_repeat(damaged, chance)
        elif chance.random() < 0.5:
            damaged[place : place + 1] = chance.choice(_SYNTAX)
        else:
            damaged[place] = chance.choice(_BYTES)
    return bytes(damaged)


def _is_dicom(path: Path) -> bool:
    try:
        dcmread(path, stop_before_pixels=True, specific_tags=["SOPInstanceUID"])
    except (InvalidDicomError, EOFError, ValueError, NotImplementedError):
        return False
    return True


def _places(original: bytes) -> tuple[list[tuple[int, int]], int]:
    """Offset and length of each value that describes pictures, and where the pictures start."""
    dataset = dcmread(BytesIO(original), force=True)
    found = map(dataset.get_item, tuple(dataset.keys()))
    raw: list[Any] = [item for item in found if isinstance(item, RawDataElement)]
    described = [
        (item.value_tell, item.length)
        for item in raw
        if item.tag.group == 0x0028 and 0 < item.length < 100
    ]
    return described, next((item.value_tell for item in raw if item.tag == 0x7FE00010), 0)


def _describe_otherwise(
    damaged: bytearray, offset: int, length: int, *, chance: random.Random
) -> None:
    """Another value of the same length; numbers are little endian here."""
    if length == 2 or (length in (4, 6) and chance.random() < 0.5):
        word = offset + 2 * chance.randrange(length // 2)
        damaged[word : word + 2] = chance.choice(_NUMBERS).to_bytes(2, "little")
    else:
        damaged[offset : offset + length] = chance.choice(_TEXTS).ljust(length)[:length]


def _flip(damaged: bytearray, start: int, *, chance: random.Random) -> None:
    """Other bytes, mostly soon after `start`, where code streams have their headers."""
    end = len(damaged) if chance.random() < 0.3 else min(len(damaged), start + 800)
    for _ in range(chance.choice((1, 1, 2, 8))):
        if start < end:
            damaged[chance.randrange(start, end)] = chance.choice(_BYTES)


def _cut_or_repeat(damaged: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(damaged) + 1)
    end = start + chance.choice((1, 2, 4, 8, 100))
    part = damaged[start:end]
    damaged[start:] = chance.choice((b"", damaged[end:], part + part + damaged[end:]))


def resources(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Every resource of an instance that a search found: its path, and what to accept of it."""
    study, series, instance = (value(found, tag) for tag in ("0020000D", "0020000E", "00080018"))
    paths = [f"/dicomweb/studies/{study}"]
    paths.append(f"{paths[0]}/series/{series}")
    paths.append(f"{paths[1]}/instances/{instance}")
    uri = f"/wado?requestType=WADO&studyUID={study}&seriesUID={series}&objectUID={instance}"
    return [*_asked(*paths), (uri, ""), (f"{uri}&contentType=image/png&rows=32", "")]


def visit(web: WebClient, path: str, accept: str) -> int:
    """The status of a resource that is read to its end."""
    response = web.get(path, accept=accept or None)
    content(response)
    return int(response.status_code)


def _asked(study: str, series: str, instance: str) -> Iterator[tuple[str, str]]:
    """Resources with what is accepted of them."""
    for entity in (study, series, instance):
        for name in ("", "/metadata", "/rendered", "/thumbnail", "/bulkdata", "/pixeldata"):
            yield f"{entity}{name}", ""
        yield entity, "application/zip"
        yield f"{entity}/metadata", 'multipart/related; type="application/dicom+xml"'
    for name in ("/frames/1", "/frames/1,2", "/frames/1/rendered", "/bulkdata/7FE00010"):
        yield f"{instance}{name}", ""
    for accept in ("image/png", "image/gif", 'multipart/related; type="image/jpeg"'):
        yield f"{instance}/rendered", accept
    yield f"{instance}/rendered?viewport=64,32&window=40,400,linear", "image/png"
    for syntax in TRANSFER_SYNTAXES:
        yield instance, FILES + syntax
    for media_type, syntax in (
        ("application/octet-stream", "1.2.840.10008.1.2.1"),
        ("image/jls", "1.2.840.10008.1.2.4.80"),
        ("image/jp2", "1.2.840.10008.1.2.4.90"),
        ("image/dicom-rle", "1.2.840.10008.1.2.5"),
    ):
        yield f"{instance}/frames/1", FRAMES.format(media_type, syntax)
        yield f"{instance}/pixeldata", FRAMES.format(media_type, syntax)
