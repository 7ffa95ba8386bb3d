"""Ranges of bytes and lists of frames: whatever is asked, it is some of what there is, or refused.

Source: RFC 9110 14.1.2, 14.2; PS3.18 10.4.1.1.6.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.frame_list import FRAMES_MAX, parse_frame_list
from dicomweb.payloads import Payload, single
from ingestion.errors import InvalidQuery

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


@given(st.text(max_size=30) | st.text("0123456789,- ", max_size=30))
def test_any_frame_list_is_numbers_or_refused(text: str) -> None:
    with suppress(InvalidQuery):
        numbers = parse_frame_list(text)
        assert 0 < len(numbers) <= FRAMES_MAX
        assert min(numbers) >= 1
        assert re.fullmatch(r"[0-9,\- ]+", text)


@given(st.lists(st.integers(1, 10**9 - 1), min_size=1, max_size=20))
def test_frames_come_in_the_order_asked_for(numbers: list[int]) -> None:
    assert parse_frame_list(",".join(map(str, numbers))) == tuple(numbers)


@pytest.mark.parametrize("text", ["1-10001", "1-999999999", "5-4", "0", "1--2", "", ",", "1,"])
def test_lists_that_are_none_or_too_long(text: str) -> None:
    with pytest.raises(InvalidQuery):
        parse_frame_list(text)
