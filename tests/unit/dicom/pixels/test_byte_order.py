"""Words of big endian values are reversed, each by itself (PS3.5 7.3)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.dicom.pixels.byte_order import little_endian


@pytest.mark.parametrize("word_bytes", [1, 2, 4, 8])
@given(numbers=st.lists(st.integers(0, 255), max_size=20))
def test_words_are_those_that_numpy_reads(word_bytes: int, numbers: list[int]) -> None:
    words = np.array(numbers, dtype=f">u{word_bytes}")
    assert little_endian(words.tobytes(), word_bytes) == words.astype(f"<u{word_bytes}").tobytes()


def test_what_is_no_whole_word_stays() -> None:
    assert little_endian(b"\1\2\3\4\5", 4) == b"\4\3\2\1\5"
