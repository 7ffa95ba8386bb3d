"""What only a real server shows: chunked bodies, interim answers, cut connections, streaming."""

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pydicom.dataset import Dataset

from dicomweb.request_bodies import READ_BYTES
from ingestion.models import Instance, Receipt, StorageSpace
from tests.builders import build_ct, new_uid, part10_bytes
from tests.eventually import eventually
from tests.integration.dicomweb.paths import instance_path, study_path
from tests.integration.dicomweb.web_client import (
    BOUNDARY,
    STOW_TYPE,
    multipart,
    request_head,
)
from tests.integration.dicomweb.web_process import RunningWeb

MEMORY_BYTES_MAX = 250 * 1024 * 1024

pytestmark = pytest.mark.usefixtures("served_space")


@pytest.fixture
def http_client(server: RunningWeb) -> Iterator[http.client.HTTPConnection]:
    address = urlsplit(server.url)
    assert address.hostname is not None
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
    yield connection
    connection.close()


def headers(token: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", "Content-Type": STOW_TYPE} | more


def stored(client: http.client.HTTPConnection, token: str, *datasets: Dataset) -> None:
    body = multipart(*(part10_bytes(item) for item in datasets))
    client.request("POST", "/dicomweb/studies", body, headers(token))
    response = client.getresponse()
    assert response.status == 200, response.read()
    response.read()


def raw(server: RunningWeb, request: bytes, *, end: bool = True) -> socket.socket:
    """A connection on which `request` was sent, and then nothing more."""
    address = urlsplit(server.url)
    connection = socket.create_connection((address.hostname, address.port or 0), timeout=60)
    connection.sendall(request)
    if end:
        connection.shutdown(socket.SHUT_WR)
    return connection


def read_all(connection: socket.socket) -> bytes:
    with connection:
        return b"".join(iter(lambda: connection.recv(65536), b""))


def pieces(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 70_000):
        yield body[start : start + 70_000]


def test_a_chunked_body_is_stored(http_client: http.client.HTTPConnection, token: str) -> None:
    dataset = build_ct(rows=300, columns=300)
    body = multipart(part10_bytes(dataset), part10_bytes(build_ct()))
    http_client.request(
        "POST", "/dicomweb/studies", pieces(body), headers(token), encode_chunked=True
    )
    response = http_client.getresponse()
    assert response.status == 200
    assert response.headers["Content-Type"] == "application/dicom+json"
    assert len(json.loads(response.read())["00081199"]["Value"]) == 2
    assert Instance.objects.count() == 2


def test_an_empty_chunked_body_is_400(http_client: http.client.HTTPConnection, token: str) -> None:
    http_client.request(
        "POST", "/dicomweb/studies", iter([b""]), headers(token), encode_chunked=True
    )
    assert http_client.getresponse().status == 400


def test_a_client_that_waits_to_continue_is_told_to(server: RunningWeb, token: str) -> None:
    body = multipart(part10_bytes(build_ct()))
    head = request_head(token, f"Content-Length: {len(body)}", "Expect: 100-continue",
                        "Connection: close")  # fmt: skip
    connection = raw(server, head, end=False)
    assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
    connection.sendall(body)
    assert b"HTTP/1.1 200 " in read_all(connection)


@pytest.mark.parametrize("cut_bytes", [0, 100, 2 * READ_BYTES])
@pytest.mark.parametrize("is_chunked", [True, False])
def test_a_body_cut_off_is_400_and_its_complete_parts_are_kept(
    server: RunningWeb, token: str, is_chunked: bool, cut_bytes: int
) -> None:
    complete = multipart(part10_bytes(build_ct())).removesuffix(b"--\r\n")
    cut = complete + b"\r\nContent-Type: application/dicom\r\n\r\n" + b"x" * cut_bytes
    if is_chunked:
        sent = f"{len(cut):x}\r\n".encode() + cut + b"\r\n"
        head = request_head(token, "Transfer-Encoding: chunked")
    else:
        sent = cut
        head = request_head(token, f"Content-Length: {len(cut) + 5000}")
    answer = read_all(raw(server, head + sent))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"1 complete part" in answer
    assert Instance.objects.count() == 1


def test_a_connection_that_breaks_off_leaves_nothing_half_stored(
    server: RunningWeb, token: str, served_space: StorageSpace
) -> None:
    body = multipart(part10_bytes(build_ct(rows=500, columns=500)))
    connection = raw(server, request_head(token, f"Content-Length: {len(body)}") + body[:300_000])
    read_all(connection)
    assert not Receipt.objects.exists()
    root = served_space.options["root"]
    eventually(lambda: not _files_below(root), within_seconds=60)


def _files_below(root: str) -> list[str]:
    return [str(path) for path in Path(root).rglob("*") if path.is_file()]


def test_a_refused_body_leaves_an_answer_to_read(
    http_client: http.client.HTTPConnection, token: str
) -> None:
    wrong = headers(token) | {"Content-Type": "application/zip"}
    http_client.request("POST", "/dicomweb/studies", b"x" * 5_000_000, wrong)
    response = http_client.getresponse()
    assert response.status == 415
    response.read()
    stored(http_client, token, build_ct())


def test_files_come_back_alone_and_together(
    http_client: http.client.HTTPConnection, token: str
) -> None:
    study = new_uid()
    datasets = [build_ct(study_instance_uid=study, rows=400, columns=400) for _ in range(3)]
    stored(http_client, token, *datasets)
    http_client.request("GET", f"/dicomweb/studies/{study}", headers=headers(token))
    together = http_client.getresponse().read()
    one = datasets[0]
    path = (
        f"/dicomweb/studies/{study}/series/{one.SeriesInstanceUID}/instances/{one.SOPInstanceUID}"
    )
    http_client.request("GET", path, headers=headers(token, Accept="application/dicom"))
    response = http_client.getresponse()
    alone = response.read()
    assert alone == part10_bytes(one)
    assert response.headers["Content-Length"] == str(len(alone))
    assert all(part10_bytes(item) in together for item in datasets)


@pytest.mark.parametrize("accept", ["application/dicom", "*/*"])
def test_head_leaves_the_connection_clean(
    http_client: http.client.HTTPConnection, token: str, accept: str
) -> None:
    dataset = build_ct()
    stored(http_client, token, dataset)
    path = instance_path(dataset)
    for method in ("HEAD", "GET", "HEAD"):
        http_client.request(method, path, headers=headers(token, Accept=accept))
        response = http_client.getresponse()
        assert response.status == 200
        assert bool(response.read()) == (method == "GET")


def test_an_object_lost_on_the_way_breaks_the_answer_off(
    http_client: http.client.HTTPConnection, token: str
) -> None:
    study, series = new_uid(), new_uid()
    datasets = [
        build_ct(study_instance_uid=study, series_instance_uid=series, rows=400, columns=400,
                 extra=[(0x00200013, "IS", str(number))])
        for number in range(3)
    ]  # fmt: skip
    stored(http_client, token, *datasets)
    lost = Instance.objects.get(sop_instance_uid=datasets[2].SOPInstanceUID)
    Instance.objects.filter(pk=lost.pk).update(location="gone/gone/gone.dcm")
    http_client.request("GET", f"/dicomweb/studies/{study}", headers=headers(token))
    response = http_client.getresponse()
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        response.read()


def test_a_large_object_passes_in_little_memory(
    server: RunningWeb, http_client: http.client.HTTPConnection, token: str
) -> None:
    dataset = build_ct(rows=12_000, columns=12_000)
    content = part10_bytes(dataset)
    start = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    end = f"\r\n--{BOUNDARY}--\r\n".encode()

    def body() -> Iterator[bytes]:
        yield start
        for offset in range(0, len(content), 1 << 20):
            yield content[offset : offset + (1 << 20)]
        yield end

    http_client.request("POST", "/dicomweb/studies", body(), headers(token), encode_chunked=True)
    assert http_client.getresponse().read()
    path = study_path(dataset)
    http_client.request("GET", path, headers=headers(token))
    assert content in http_client.getresponse().read()
    assert len(content) > MEMORY_BYTES_MAX
    assert server.peak_bytes() < MEMORY_BYTES_MAX


@pytest.mark.parametrize(("uids", "statuses"), [(100, {200}), (200, {400, 414})])
def test_a_list_of_a_hundred_uids_is_searched(
    http_client: http.client.HTTPConnection, token: str, uids: int, statuses: set[int]
) -> None:
    dataset = build_ct()
    stored(http_client, token, dataset)
    others = [f"1.2.{number:060}".replace(".0", ".1") for number in range(uids - 1)]
    query = "%2C".join([*others, dataset.StudyInstanceUID])
    http_client.request(
        "GET", f"/dicomweb/studies?StudyInstanceUID={query}", headers=headers(token)
    )
    response = http_client.getresponse()
    assert response.status in statuses
    found = json.loads(response.read()) if response.status == 200 else []
    assert len(found) == int(response.status == 200)
