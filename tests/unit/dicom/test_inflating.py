"""An inflating reader gives the same bytes as a reader over the inflated ones."""

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.dicom.inflating import InflatingReader
from ingestion.errors import LimitExceeded, TruncatedDataSet
from tests.unit.dicom.readers import BytesReader

CONTENT = bytes(range(256)) * 16_000  # 4 MB, more than one chunk


def deflated(content: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(content) + compressor.flush()


DEFLATED = deflated(CONTENT)


@settings(max_examples=15)
@given(
    st.lists(
        st.tuples(st.integers(0, len(CONTENT) + 10), st.integers(0, 70_000)), min_size=1, max_size=5
    )
)
def test_any_piece_is_that_of_the_inflated_bytes(pieces: list[tuple[int, int]]) -> None:
    reader = InflatingReader(BytesReader(DEFLATED), len(CONTENT))
    assert reader.size_bytes == len(CONTENT)
    for offset, length in pieces:
        assert reader.read_at(offset, length) == CONTENT[offset : offset + length]


def test_one_byte_over_the_limit_is_too_much() -> None:
    with pytest.raises(LimitExceeded):
        InflatingReader(BytesReader(DEFLATED), len(CONTENT) - 1)


@given(st.integers(0, 200))
def test_every_truncation_is_noticed(length: int) -> None:
    whole = deflated(bytes(range(256)))
    if length < len(whole):
        with pytest.raises(TruncatedDataSet):
            InflatingReader(BytesReader(whole[:length]), 1000)
