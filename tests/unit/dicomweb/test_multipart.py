"""The multipart reader: RFC 2046 5.1, and what clients in the field send instead."""

from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicomweb.multipart import PART_HEADER_BYTES_MAX, PREAMBLE_BYTES_MAX, MultipartReader
from ingestion.errors import InvalidMultipart, LimitExceeded

BOUNDARY = "0f3cf5c0-70e0-41ef-baef-c6f9f65ec3e1"


class Dribble:
    """A body that arrives in pieces of given sizes, over and over."""

    def __init__(self, content: bytes, sizes: list[int]) -> None:
        self._content = BytesIO(content)
        self._sizes = sizes
        self._turn = 0

    def read(self, size: int, /) -> bytes:
        self._turn += 1
        return self._content.read(min(size, self._sizes[self._turn % len(self._sizes)]))


def encoded(
    contents: list[bytes],
    *,
    line_end: bytes = b"\r\n",
    preamble: bytes = b"",
    closing: bytes = b"--",
    header: bytes = b"Content-Type: application/dicom",
) -> bytes:
    delimiter = b"--" + BOUNDARY.encode()
    body = preamble
    for content in contents:
        body += delimiter + line_end + header + line_end + line_end + content + line_end
    return body + delimiter + closing + line_end


def read(
    body: bytes, *, sizes: list[int] | None = None, boundary: str = BOUNDARY, parts_max: int = 99
) -> list[bytes]:
    reader = MultipartReader(Dribble(body, sizes or [1 << 20]), boundary, parts_max=parts_max)
    return [b"".join(part.chunks) for part in reader]


contents_strategy = st.lists(
    st.one_of(
        st.binary(max_size=300),
        st.lists(
            st.sampled_from(
                [b"\r\n--", b"\n", b"\r", b"--", BOUNDARY.encode()[:20], b"x", BOUNDARY.encode()]
            ),
            max_size=12,
        ).map(b"".join),
    ).filter(lambda content: b"\n--" + BOUNDARY.encode() not in b"\n" + content),
    max_size=6,
)


@given(
    contents=contents_strategy,
    sizes=st.lists(st.integers(1, 80), min_size=1, max_size=5),
    preamble=st.sampled_from([b"", b"\r\n", b"This is a preamble.\r\n"]),
    is_closed=st.booleans(),
)
@settings(max_examples=150)
def test_parts_survive_any_split(
    contents: list[bytes], sizes: list[int], preamble: bytes, is_closed: bool
) -> None:
    body = encoded(contents, preamble=preamble, closing=b"--" if is_closed else b"")
    assert read(body, sizes=sizes) == contents


@given(body=st.binary(max_size=400), sizes=st.lists(st.integers(1, 50), min_size=1, max_size=4))
@settings(max_examples=150)
def test_hostile_bodies_give_parts_or_typed_errors(body: bytes, sizes: list[int]) -> None:
    for prefix in (b"", b"--b\r\n", b"--b\r\nA: b\r\n\r\n"):
        try:
            read(prefix + body, sizes=sizes, boundary="b", parts_max=5)
        except (InvalidMultipart, LimitExceeded):
            continue


def test_line_feeds_alone_separate_parts() -> None:
    assert read(encoded([b"one", b"two\r"], line_end=b"\n")) == [b"one", b"two\r"]


def test_content_that_ends_in_a_line_feed_keeps_it() -> None:
    assert read(encoded([b"one\n", b"two\r\n"])) == [b"one\n", b"two\r\n"]


def test_a_part_that_ends_with_the_body_is_whole() -> None:
    body = encoded([b"one", b"two"])
    assert read(body[: body.rindex(b"\r\n--")]) == [b"one", b"two"]


def test_a_delimiter_right_after_the_header_makes_an_empty_part() -> None:
    start = b"--" + BOUNDARY.encode()
    assert read(start + b"\r\nA: b\r\n\r\n" + start + b"--") == [b""]


def test_a_part_without_header_is_given_with_none() -> None:
    start = b"--" + BOUNDARY.encode()
    assert read(start + b"\r\n\r\nbytes\r\n" + start + b"--\r\n") == [b"bytes"]


def test_a_longer_boundary_is_content() -> None:
    content = b"\r\n--" + BOUNDARY.encode() + b"-longer\r\n"
    assert read(encoded([content])) == [content]


def test_only_a_closing_delimiter_means_no_parts() -> None:
    assert read(encoded([])) == []


def test_header_names_are_lower_case_and_folded_lines_are_joined() -> None:
    header = b"CONTENT-type: application/dicom;\r\n transfer-syntax=1.2\r\nX: y"
    reader = MultipartReader(BytesIO(encoded([b""], header=header)), BOUNDARY, parts_max=9)
    assert [part.headers for part in reader] == [
        {"content-type": "application/dicom; transfer-syntax=1.2", "x": "y"}
    ]


def test_parts_left_unread_do_not_disturb_the_next() -> None:
    body = encoded([b"one" * 1000, b"two"])
    reader = MultipartReader(Dribble(body, [100]), BOUNDARY, parts_max=9)
    assert [bytes(next(part.chunks))[:3] for part in reader] == [b"one", b"two"]


@pytest.mark.parametrize("boundary", ["", "x" * 71, "line\nbreak", "naïve"])
def test_a_boundary_that_breaks_the_rules_is_refused(boundary: str) -> None:
    with pytest.raises(InvalidMultipart):
        MultipartReader(BytesIO(b""), boundary, parts_max=1)


def test_another_boundary_than_the_header_says_is_refused() -> None:
    with pytest.raises(InvalidMultipart, match="does not occur"):
        read(encoded([b"one"]), boundary="other")


def test_a_preamble_is_bounded() -> None:
    with pytest.raises(InvalidMultipart):
        read(b"x" * (PREAMBLE_BYTES_MAX + 2000) + b"\r\n" + encoded([b"one"]), sizes=[1000])


def test_too_many_parts_are_refused_after_the_allowed_ones() -> None:
    reader = MultipartReader(BytesIO(encoded([b"a", b"b", b"c"])), BOUNDARY, parts_max=2)
    parts = iter(reader)
    assert [b"".join(next(parts).chunks), b"".join(next(parts).chunks)] == [b"a", b"b"]
    with pytest.raises(LimitExceeded, match="parts_max"):
        next(parts)


def test_a_part_header_is_bounded() -> None:
    with pytest.raises(LimitExceeded):
        read(encoded([b""], header=b"X: " + b"y" * PART_HEADER_BYTES_MAX))


@pytest.mark.parametrize("header", [b"no colon", b": no name"])
def test_a_header_line_without_a_name_is_refused(header: bytes) -> None:
    with pytest.raises(InvalidMultipart):
        read(encoded([b""], header=header))


def test_a_body_that_ends_inside_a_header_is_refused() -> None:
    with pytest.raises(InvalidMultipart, match="ends inside"):
        read(encoded([b"one"])[: len(BOUNDARY) + 20])
