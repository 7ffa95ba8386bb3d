"""Ranges of bytes: whatever is asked, it is some of what there is.

Source: RFC 9110 14.1.2, 14.2.
"""

from collections.abc import Iterator
from typing import Any

from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.payloads import Payload, single

BODY = bytes(range(100))
NUMBERS = st.integers(0, 120).map(str) | st.sampled_from(["", "9" * 18, "9" * 40, "-1", "٣", "0x1"])


def ask(**headers: str) -> Any:
    """The payload, asked for with headers."""

    def read(offset: int, length: int) -> Iterator[bytes]:
        assert 0 <= offset <= offset + length <= len(BODY)
        yield BODY[offset : offset + length]

    request = RequestFactory().get("/", headers=headers)
    return single(request, Payload("text/plain", "/", len(BODY), '"tag"', read))


@given(first=NUMBERS, last=NUMBERS)
def test_any_range_is_that_of_the_standard(first: str, last: str) -> None:
    response = ask(Range=f"bytes={first}-{last}")
    given_bytes = b"".join(response)
    if response.status_code == 206:
        start, stop = expected_range(first, last)
        assert given_bytes == BODY[start:stop]
        assert response["Content-Range"] == f"bytes {start}-{stop - 1}/{len(BODY)}"
        assert response["Content-Length"] == str(len(given_bytes))
    elif response.status_code == 416:
        assert response["Content-Range"] == f"bytes */{len(BODY)}"
    else:
        assert (response.status_code, given_bytes) == (200, BODY)


def expected_range(first: str, last: str) -> tuple[int, int]:
    """Start and stop by RFC 9110 14.1.2; a suffix has no first."""
    if not first:
        return max(len(BODY) - int(last), 0), len(BODY)
    return int(first), min(int(last) + 1, len(BODY)) if last else len(BODY)


HEADER = st.text(st.characters(exclude_characters="\r\n", max_codepoint=0xFF), max_size=40)


@given(asked=HEADER | HEADER.map("bytes={}".format), condition=HEADER | st.just('"tag"'))
def test_any_header_is_answered(asked: str, condition: str) -> None:
    headers = {"If-Range": condition, "If-None-Match": condition, "If-Match": condition}
    for name, value in headers.items():
        response = ask(**{"Range": asked, name: value})
        assert response.status_code in (200, 206, 304, 412, 416)
