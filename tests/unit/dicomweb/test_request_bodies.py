"""Bodies come whole or not at all (RFC 9112 8)."""

from io import BytesIO

import pytest
from django.http import HttpRequest
from gunicorn.http.errors import InvalidChunkSize, NoMoreData

from dicomweb.multipart import Readable
from dicomweb.request_bodies import RequestBody, request_body
from ingestion.errors import InvalidMultipart, LimitExceeded, RequestTooSlow


class Broken:
    """A stream that fails in the midst of a read, and then gives what it had by then."""

    def __init__(
        self, error: Exception, *, arrived: bytes = b"", is_forgiving: bool = True
    ) -> None:
        self._error = error
        self._arrived = BytesIO(arrived)
        self._is_forgiving = is_forgiving
        self._has_failed = False

    def read(self, size: int, /) -> bytes:
        if self._has_failed and self._is_forgiving:
            return self._arrived.read(size)
        self._has_failed = True
        raise self._error


def everything(body: Readable) -> bytes:
    return b"".join(iter(lambda: body.read(3), b""))


def request(**meta: object) -> HttpRequest:
    made = HttpRequest()
    made.META.update(meta)
    return made


def test_a_body_of_known_length_ends_there() -> None:
    stream = BytesIO(b"12345 and the next request")
    assert everything(RequestBody(stream, length=5, bytes_max=99)) == b"12345"
    assert stream.tell() == 5


def test_a_body_shorter_than_announced_is_refused() -> None:
    with pytest.raises(InvalidMultipart, match="5 of 9"):
        everything(RequestBody(BytesIO(b"12345"), length=9, bytes_max=99))


def test_an_announced_length_above_the_limit_is_refused_unread() -> None:
    stream = BytesIO(b"12345")
    with pytest.raises(LimitExceeded, match="request_bytes_max"):
        RequestBody(stream, length=5, bytes_max=4)
    assert stream.tell() == 0


def test_a_body_of_unknown_length_is_limited_while_it_grows() -> None:
    body = RequestBody(BytesIO(b"123456789"), length=None, bytes_max=5)
    assert body.read(3) == b"123"
    with pytest.raises(LimitExceeded):
        body.read(3)


@pytest.mark.parametrize("is_forgiving", [True, False])
@pytest.mark.parametrize("error", [NoMoreData(), InvalidChunkSize(b"x"), ConnectionResetError()])
def test_a_body_that_breaks_off_is_refused(error: Exception, is_forgiving: bool) -> None:
    stream = Broken(error, is_forgiving=is_forgiving)
    with pytest.raises(InvalidMultipart, match="cut off after 0 bytes"):
        RequestBody(stream, length=None, bytes_max=99).read(3)


def test_a_body_that_a_client_does_not_go_on_with_is_told_so() -> None:
    body = RequestBody(Broken(TimeoutError(), arrived=b"123"), length=None, bytes_max=99)
    assert body.read(3) == b"123"
    with pytest.raises(RequestTooSlow, match="3 bytes"):
        body.read(3)


@pytest.mark.parametrize("length", [None, 50])
def test_what_arrived_before_a_body_broke_off_is_read(length: int | None) -> None:
    body = RequestBody(Broken(NoMoreData(), arrived=b"12345"), length=length, bytes_max=99)
    assert [body.read(3), body.read(3)] == [b"123", b"45"]
    for _ in range(2):
        with pytest.raises(InvalidMultipart, match="cut off after 5 bytes"):
            body.read(3)


def test_chunked_bodies_are_read_when_the_server_marks_their_end() -> None:
    stream = BytesIO(b"12345")
    marked = request(**{"wsgi.input": stream, "wsgi.input_terminated": True})
    assert everything(request_body(marked, bytes_max=99)) == b"12345"


@pytest.mark.parametrize("length", ["", None, "-1", "five", "²"])
def test_without_any_end_there_is_no_body(length: str | None) -> None:
    unmarked = request(**{"wsgi.input": BytesIO(b"12345"), "CONTENT_LENGTH": length})
    assert everything(request_body(unmarked, bytes_max=99)) == b""
