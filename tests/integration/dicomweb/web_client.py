"""Asks the views as a client does, and reads the answers without any code of the product."""

import email.parser
import email.policy
import json
import uuid
from typing import Any

from django.http.response import HttpResponseBase
from django.test import Client
from pydicom.dataset import Dataset

from ingestion.models import AccessToken
from ingestion.models.access_token import new_token, token_digest
from tests.builders import part10_bytes

BOUNDARY = "0f3cf5c0-70e0-41ef-baef-c6f9f65ec3e1"
STOW_TYPE = f'multipart/related; type="application/dicom"; boundary="{BOUNDARY}"'


def make_token(**fields: Any) -> str:
    """A fresh token; `spaces` is a list of storage spaces."""
    spaces = fields.pop("spaces", [])
    token = new_token()
    access = AccessToken.objects.create(name=uuid.uuid4().hex, digest=token_digest(token), **fields)
    access.spaces.set(spaces)
    return token


def multipart(*contents: bytes, content_type: str = "application/dicom") -> bytes:
    """A STOW-RS body."""
    parts = b"".join(
        f"--{BOUNDARY}\r\nContent-Type: {content_type}\r\n\r\n".encode() + content + b"\r\n"
        for content in contents
    )
    return parts + f"--{BOUNDARY}--\r\n".encode()


def request_head(token: str, *lines: str) -> bytes:
    """What comes before the body of a STOW-RS request, with more `lines`."""
    fields = [
        "POST /dicomweb/studies HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {token}",
        f"Content-Type: {STOW_TYPE}",
        *lines,
    ]
    return ("\r\n".join(fields) + "\r\n\r\n").encode()


class WebClient:
    """A DICOMweb client with a token."""

    def __init__(self, token: str) -> None:
        self._client = Client(raise_request_exception=False)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def get(
        self,
        path: str,
        *,
        accept: str | None = None,
        method: str = "GET",
        headers: dict[str, str] | None = None,
    ) -> Any:
        accepted = {"Accept": accept} if accept is not None else {}
        return self._client.generic(
            method, path, headers=self._headers | accepted | (headers or {})
        )

    def post(
        self,
        body: bytes,
        *,
        path: str = "/dicomweb/studies",
        content_type: str = STOW_TYPE,
        headers: dict[str, str] | None = None,
    ) -> Any:
        return self._client.generic(
            "POST",
            path,
            body,
            content_type,
            headers=self._headers | (headers or {}),
            CONTENT_TYPE=content_type,
        )

    def store(self, *datasets: Dataset, path: str = "/dicomweb/studies") -> None:
        """Store data sets, all of them."""
        response = self.post(multipart(*(part10_bytes(item) for item in datasets)), path=path)
        assert response.status_code == 200, response.content

    def json(self, path: str) -> Any:
        """The JSON of a successful answer."""
        response = self.get(path)
        assert response.status_code == 200, content(response)
        return json.loads(content(response))


def content(response: HttpResponseBase) -> bytes:
    """The whole body, streamed or not."""
    if response.streaming:
        return b"".join(response)
    return bytes(response.content)  # type: ignore[attr-defined]


def parts(response: HttpResponseBase) -> list[tuple[dict[str, str], bytes]]:
    """Headers and contents of a multipart answer, by Python's own parser of messages."""
    head = f"Content-Type: {response.headers['Content-Type']}\r\n\r\n".encode()
    parser = email.parser.BytesParser(policy=email.policy.HTTP)
    message = parser.parsebytes(head, headersonly=True)
    boundary = message.get_boundary()
    assert boundary is not None
    pieces = content(response).split(b"--" + boundary.encode())
    assert pieces[0] == b"", "cornerstone takes no preamble"
    assert pieces[-1] == b"--\r\n"
    found = []
    for piece in pieces[1:-1]:
        header, _, body = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in header.decode().split("\r\n"))
        found.append((fields, body.removesuffix(b"\r\n")))
    return found


def value(data_set: dict[str, Any], tag: str) -> Any:
    """The only value of an element."""
    (only,) = data_set[tag]["Value"]
    return only
