"""Bodies in a content coding are read as they were before it, or refused (RFC 9110 8.4)."""

import gzip
import zlib
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.content_codings import InflatedBody
from ingestion.errors import InvalidMultipart, LimitExceeded


def everything(encoded: bytes, *, size: int = 100, bytes_max: int = 1 << 20) -> bytes:
    body = InflatedBody(BytesIO(encoded), bytes_max=bytes_max)
    return b"".join(iter(lambda: body.read(size), b""))


@given(contents=st.lists(st.binary(max_size=3000), max_size=4), size=st.integers(1, 5000))
def test_members_of_gzip_follow_one_another(contents: list[bytes], size: int) -> None:
    encoded = b"".join(gzip.compress(content) for content in contents)
    assert everything(encoded, size=size) == b"".join(contents)


@given(content=st.binary(max_size=3000), size=st.integers(1, 5000))
def test_deflate_is_the_format_of_zlib(content: bytes, size: int) -> None:
    assert everything(zlib.compress(content), size=size) == content


@given(content=st.binary(min_size=1, max_size=3000), cut=st.integers(1, 3000))
def test_a_body_that_is_cut_off_is_refused(content: bytes, cut: int) -> None:
    encoded = gzip.compress(content)
    with pytest.raises(InvalidMultipart):
        everything(encoded[: max(len(encoded) - cut, 1)])


@given(encoded=st.binary(min_size=1, max_size=300))
def test_what_is_in_no_coding_is_refused(encoded: bytes) -> None:
    with pytest.raises(InvalidMultipart):
        everything(b"\xff" + encoded)


def test_what_grows_beyond_the_limit_is_refused_while_it_grows() -> None:
    body = InflatedBody(BytesIO(gzip.compress(bytes(1 << 20))), bytes_max=1000)
    assert body.read(1000) == bytes(1000)
    with pytest.raises(LimitExceeded):
        body.read(1000)
