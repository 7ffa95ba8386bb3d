"""A bare socket to the product's own web server, for requests as foreign programs write them."""

import json
import socket
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPResponse
from urllib.parse import urlsplit

from pydicom.dataset import Dataset

from tests.builders import part10_bytes
from tests.integration.dicomweb.web_process import RunningWeb


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Message
    body: bytes

    @property
    def media_type(self) -> str:
        return self.headers["Content-Type"].partition(";")[0]

    def data_sets(self) -> list[dict[str, dict[str, object]]]:
        assert self.media_type == "application/dicom+json"
        found: list[dict[str, dict[str, object]]] = json.loads(self.body)
        return found

    def first_part(self) -> tuple[str, bytes]:
        """The first part's headers and body, as dcmjs takes them: from the body alone."""
        line, _, rest = self.body.partition(b"\r\n")
        assert line.startswith(b"--")
        head, _, content = rest.partition(b"\r\n\r\n")
        assert len(head) < 1000
        return head.decode(), content.partition(b"\r\n" + line)[0]


@dataclass(frozen=True, slots=True)
class Wire:
    """The server, an open token, and one stored study of two instances."""

    server: RunningWeb
    token: str
    instances: tuple[Dataset, Dataset]

    @property
    def study(self) -> str:
        return f"/dicomweb/studies/{self.instances[0].StudyInstanceUID}"

    @property
    def series(self) -> str:
        return f"{self.study}/series/{self.instances[0].SeriesInstanceUID}"

    @property
    def instance(self) -> str:
        return f"{self.series}/instances/{self.instances[0].SOPInstanceUID}"

    def send(self, request_line: str, *headers: str, body: bytes = b"") -> Answer:
        """Send exactly these bytes, with a Host that has no port, as dicomweb-client does."""
        place = urlsplit(self.server.url)
        lines = [request_line, "Host: 127.0.0.1", f"Authorization: Bearer {self.token}", *headers]
        with socket.create_connection(("127.0.0.1", place.port or 0), timeout=60) as connection:
            connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
            response = HTTPResponse(connection, method=request_line.split(maxsplit=1)[0])
            response.begin()
            return Answer(response.status, response.headers, response.read())

    def get(self, target: str, *headers: str) -> Answer:
        return self.send(f"GET {target} HTTP/1.1", *headers)


def stow_of_ohif(wire: Wire, *datasets: Dataset) -> Answer:
    """dcmjs: quoted type and boundary, no Accept header."""
    boundary = "8b2bc1a4-1c9c-4a44-9ac2-5a4d5d0f6b5f"
    body = b"".join(
        f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        + part10_bytes(dataset)
        # dcmjs closes each part so
        + b"\r\n"
        for dataset in datasets
    )
    body += f"--{boundary}--".encode()
    return wire.send(
        "POST /dicomweb/studies HTTP/1.1",
        f'Content-Type: multipart/related; type="application/dicom"; boundary="{boundary}"',
        f"Content-Length: {len(body)}",
        body=body,
    )
