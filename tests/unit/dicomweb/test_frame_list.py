"""Lists of frames: numbers in the order asked for, or a refusal. Source: PS3.18 10.4.1.1.6."""

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.frame_list import FRAMES_MAX, parse_frame_list
from ingestion.errors import InvalidQuery


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1", (1,)), ("3,1,3", (3, 1, 3)), ("2-4", (2, 3, 4)), ("9, 1-2", (9, 1, 2))],
)
def test_lists_of_frames(text: str, expected: tuple[int, ...]) -> None:
    assert parse_frame_list(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", ",", "0", "01", "-1", "1-", "1--2", "1,", "1,,2", "a", "1.5", "4-2"),
        *("99999999999", "1-10001", "1-999999999"),
        *("1\r", "\t1", "1,\u00a02", "\u0661"),
    ],
)
def test_what_is_no_list_or_too_long_is_refused(text: str) -> None:
    with pytest.raises(InvalidQuery):
        parse_frame_list(text)


@given(st.text(max_size=30) | st.text("0123456789,- ", max_size=30))
def test_any_text_is_numbers_or_refused(text: str) -> None:
    with suppress(InvalidQuery):
        numbers = parse_frame_list(text)
        assert 0 < len(numbers) <= FRAMES_MAX
        assert min(numbers) >= 1
        assert re.fullmatch(r"[0-9,\- ]+", text)


@given(st.lists(st.integers(1, 10**9 - 1), min_size=1, max_size=20))
def test_frames_come_in_the_order_asked_for(numbers: list[int]) -> None:
    assert parse_frame_list(",".join(map(str, numbers))) == tuple(numbers)
