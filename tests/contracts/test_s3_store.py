"""What only a server can do wrong, and what its store makes of that."""

import socket
import threading
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config

from ingestion.errors import (
    Misconfigured,
    ObjectStoreUnavailable,
    Unavailable,
)
from ingestion.object_stores.open_store import open_store
from ingestion.object_stores.protocol import ObjectStore
from ingestion.object_stores.s3 import S3Options
from ingestion.object_stores.spool import Spool
from tests.services.buckets import PART_BYTES

MakeSpool = Callable[[ObjectStore, bytes], Spool]
KEY = "1.2.3/4.5.6/7.8.9.0123456789abcdef.dcm"


class RefusesConditions(BaseHTTPRequestHandler):
    """Forwards to the real server; answers conditional writes as one that knows none."""

    upstream = ""

    def forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.command in {"PUT", "POST"} and "If-None-Match" in self.headers:
            return self.answer(501, [], b"<Error><Code>NotImplemented</Code></Error>")
        connection = HTTPConnection(self.upstream)
        try:
            connection.request(self.command, self.path, body, dict(self.headers.items()))
            response = connection.getresponse()
            self.answer(response.status, response.getheaders(), response.read())
        finally:
            connection.close()

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = forward  # noqa: N815 - the library's names

    def answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in {"connection", "content-length", "transfer-encoding"}:
                self.send_header(name, value)
        length = {name.lower(): value for name, value in headers}.get("content-length")
        self.send_header("Content-Length", length if length and not body else str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def older_server(s3_options: dict[str, object]) -> Iterator[str]:
    """A server that knows no conditional writes."""
    upstream = urlsplit(str(s3_options["endpoint_url"])).netloc
    handler = type("Handler", (RefusesConditions,), {"upstream": upstream})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("size_bytes", [1000, PART_BYTES + 1], ids=["small", "parts"])
def test_server_without_conditional_writes_is_never_overwritten_either(
    older_server: str,
    s3_options: dict[str, object],
    spooled: MakeSpool,
    prefix: str,
    tmp_path: Path,
    size_bytes: int,
) -> None:
    options = {**s3_options, "endpoint_url": older_server}
    store = open_store("s3", options, prefix, tmp_path)
    contents = [bytes(size_bytes), b"x" * size_bytes]
    stored = []
    for content in contents:
        with spooled(store, content) as spool:
            stored.append(store.put(KEY, spool))
            assert not store.put(KEY, spool).created
    assert stored[0].location != stored[1].location
    assert [store.read(each.location, 0, size_bytes) for each in stored] == contents
    assert len(list(store.list())) == 2


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"secret_key": "not-the-secret"}, Misconfigured),
        ({"access_key": "nobody:here"}, Misconfigured),
        ({"bucket": "no-such-bucket"}, Misconfigured),
        ({"endpoint_url": "http://127.0.0.1:1", "attempts_max": 1}, ObjectStoreUnavailable),
    ],
)
def test_check_tells_a_wrong_configuration_from_a_server_that_is_away(
    s3_options: dict[str, object],
    tmp_path: Path,
    changed: dict[str, object],
    kind: type[Exception],
) -> None:
    options = {**s3_options, **changed}
    store = open_store("s3", options, "", tmp_path)
    with pytest.raises(kind) as raised:
        store.check()
    assert str(options["secret_key"]) not in repr(raised.value)


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"secret_key": "not-the-secret"}, Misconfigured),
        ({"bucket": "no-such-bucket"}, Misconfigured),
        ({"endpoint_url": "http://127.0.0.1:1", "attempts_max": 1}, ObjectStoreUnavailable),
    ],
)
def test_refused_put_says_why(
    s3_options: dict[str, object],
    spooled: MakeSpool,
    tmp_path: Path,
    changed: dict[str, object],
    kind: type[Exception],
) -> None:
    store = open_store("s3", {**s3_options, **changed}, "", tmp_path)
    for content in (b"x", bytes(PART_BYTES + 1)):
        with spooled(store, content) as spool, pytest.raises(kind):
            store.put(KEY, spool)


def test_server_that_does_not_answer_is_unavailable_in_time(
    s3_options: dict[str, object], spooled: MakeSpool, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        changed = {"endpoint_url": url, "read_timeout_seconds": 0.2, "attempts_max": 1}
        store = open_store("s3", {**s3_options, **changed}, "", tmp_path)
        with spooled(store, b"x") as spool, pytest.raises(Unavailable) as raised:
            store.put(KEY, spool)
    assert raised.value.retryable


def test_failed_upload_of_parts_leaves_none(
    s3_options: dict[str, object], spooled: MakeSpool, tmp_path: Path, prefix: str
) -> None:
    store = open_store("s3", s3_options, prefix, tmp_path)
    with spooled(store, bytes(PART_BYTES * 2)) as spool:
        content = spool.content()
        assert isinstance(content, Path)
        with content.open("r+b") as file:
            file.truncate(PART_BYTES)
        with pytest.raises(ObjectStoreUnavailable):
            store.put(KEY, spool)
    client = boto3.client(
        "s3",
        endpoint_url=str(s3_options["endpoint_url"]),
        aws_access_key_id=str(s3_options["access_key"]),
        aws_secret_access_key=str(s3_options["secret_key"]),
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}),
    )
    uploads = client.list_multipart_uploads(Bucket=str(s3_options["bucket"]), Prefix=prefix)
    client.close()
    assert uploads.get("Uploads", []) == []
    assert not list(store.list())


def test_options_hide_their_secrets_and_are_checked(
    s3_options: dict[str, object], tmp_path: Path
) -> None:
    assert str(s3_options["secret_key"]) not in repr(S3Options(**s3_options))  # type: ignore[arg-type]
    wrong = {**s3_options, "secret_key": ["s3cr3t"], "part_bytes": 1, "bukket": "x"}
    with pytest.raises(Misconfigured) as raised:
        open_store("s3", wrong, "", tmp_path)
    message = str(raised.value)
    assert all(name in message for name in ("secret_key", "part_bytes", "bukket"))
    assert "s3cr3t" not in message


@pytest.mark.parametrize("prefix", ["../x", "/x", "a//b", "a b", "a/../b"])
def test_prefix_that_leaves_the_store_is_misconfigured(tmp_path: Path, prefix: str) -> None:
    with pytest.raises(Misconfigured):
        open_store("filesystem", {"root": str(tmp_path)}, prefix, tmp_path)


def test_unknown_backend_is_misconfigured(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured):
        open_store("tape", {}, "", tmp_path)
