"""An object of more than four gigabytes by STOW-RS: kept whole, in little memory."""

import http.client
import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pydicom.uid import JPEGBaseline8Bit

from tests.builders import build_ct, part10_bytes
from tests.end_to_end.conftest import Run

pytestmark = pytest.mark.timeout(600)

MEMORY_BYTES_MAX = 250 * 1024 * 1024
BOUNDARY = "0f3cf5c0-70e0-41ef-baef-c6f9f65ec3e1"
CHUNK = bytes(range(256)) * 4096
FRAGMENT_CHUNKS = 900
FRAGMENTS = 5


def item(length: int) -> bytes:
    return b"\xfe\xff\0\xe0" + length.to_bytes(4, "little")


def large_file() -> tuple[str, list[bytes]]:
    """A Study Instance UID and a DICOM file in pieces, nearly all of which are the same bytes."""
    dataset = build_ct(transfer_syntax_uid=JPEGBaseline8Bit)
    del dataset.PixelData
    pieces = [part10_bytes(dataset), b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff", item(0)]
    for _ in range(FRAGMENTS):
        pieces += [item(FRAGMENT_CHUNKS * len(CHUNK)), *[CHUNK] * FRAGMENT_CHUNKS]
    return dataset.StudyInstanceUID, [*pieces, b"\xfe\xff\xdd\xe0\0\0\0\0"]


def peaks(run: Run) -> Iterator[int]:
    """The largest resident memory that each process of the web ever had, in bytes."""
    for child in run.children():
        if b"gunicorn" in Path(f"/proc/{child.pid}/cmdline").read_bytes():
            status = Path(f"/proc/{child.pid}/status").read_text()
            yield 1024 * int(status.split("VmHWM:")[1].split()[0])


def test_an_object_of_four_gigabytes_is_stored_in_little_memory(product: Run) -> None:
    product.start()
    endpoints = product.endpoints()
    study, pieces = large_file()
    start = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    pieces = [start, *pieces, f"\r\n--{BOUNDARY}--\r\n".encode()]
    size_bytes = sum(map(len, pieces))
    assert size_bytes > 1 << 32
    headers = {
        "Authorization": f"Bearer {endpoints['token']}",
        "Content-Type": f'multipart/related; type="application/dicom"; boundary={BOUNDARY}',
        "Content-Length": str(size_bytes),
    }
    address = urlsplit(endpoints["dicomweb"])
    connection = http.client.HTTPConnection(address.netloc, timeout=300)
    try:
        connection.request("POST", f"{address.path}/studies", iter(pieces), headers)
        response = connection.getresponse()
        answer = response.read()
        assert response.status == 200, answer
        (stored,) = json.loads(answer)["00081199"]["Value"]
        assert study in stored["00081190"]["Value"][0]
        assert max(peaks(product)) < MEMORY_BYTES_MAX
    finally:
        connection.close()
        product.send(signal.SIGINT)
        shutil.rmtree(product.state)  # pytest keeps folders of several runs
