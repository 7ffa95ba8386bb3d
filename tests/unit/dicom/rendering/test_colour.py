"""Colour images: PS3.3 C.7.6.3.1.2 and palettes."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.errors import UnreadablePixelData
from tests.unit.dicom.rendering.frames import element, rendered, words


def pixel(*samples: int, dtype: str = "u1") -> Any:
    return np.array([[samples]], dtype=dtype)


@pytest.mark.parametrize(
    ("ybr", "rgb"),
    [
        # Inverse of the equations of C.7.6.3.1.2 for YBR_FULL.
        ((0, 128, 128), (0, 0, 0)),
        ((255, 128, 128), (255, 255, 255)),
        ((76, 85, 255), (254, 0, 0)),
        ((150, 44, 21), (0, 255, 1)),
        ((29, 255, 107), (0, 0, 254)),
    ],
)
@pytest.mark.parametrize("photometric", ["YBR_FULL", "YBR_FULL_422", "YBR_ICT"])
def test_ybr_becomes_rgb(ybr: tuple[int, ...], rgb: tuple[int, ...], photometric: str) -> None:
    found = rendered(pixel(*ybr), photometric_interpretation=photometric)
    np.testing.assert_allclose(found[0, 0].astype(int), rgb, atol=1)


def test_rgb_stays() -> None:
    found = rendered(pixel(1, 2, 3), photometric_interpretation="RGB")
    assert found[0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("dtype", "bits_stored", "samples", "expected"),
    [
        ("<u2", 16, (0, 0x8000, 0xFFFF), [0, 0x80, 0xFF]),
        ("<u2", 12, (0, 0x800, 0xFFF), [0, 0x80, 0xFF]),
        ("<u4", 32, (0, 0x80000000, 0xFFFFFFFF), [0, 0x80, 0xFF]),
        ("u1", 4, (0, 8, 15), [0, 136, 255]),
    ],
)
def test_other_depths_keep_the_highest_bits(
    dtype: str, bits_stored: int, samples: tuple[int, ...], expected: list[int]
) -> None:
    found = rendered(
        pixel(*samples, dtype=dtype), photometric_interpretation="RGB", bits_stored=bits_stored
    )
    assert found[0, 0].tolist() == expected


@pytest.mark.parametrize("photometric", ["YBR_PARTIAL_420", "HSV", "YBR_RCT"])
def test_retired_colours_are_not_rendered(photometric: str) -> None:
    with pytest.raises(UnreadablePixelData):
        rendered(pixel(1, 2, 3), photometric_interpretation=photometric)


def palette(descriptor: tuple[int, ...], *tables: dict[str, Any], first: int = 0x00281201) -> Any:
    header = {f"{0x00281101 + index:08X}": element(*descriptor) for index in range(3)}
    return header | {f"{first + index:08X}": table for index, table in enumerate(tables)}


def coloured(header: dict[str, Any], *values: int, dtype: str = "u1") -> Any:
    pixels = np.array([values], dtype=dtype)
    return rendered(pixels, header, photometric_interpretation="PALETTE COLOR")[0].tolist()


@pytest.mark.parametrize(
    ("bits", "tables"),
    [
        (16, [(0, 0xFF00), (0x8000, 0), (0, 0x1234)]),
        (8, [(0, 0xFF), (0x80, 0), (0, 0x12)]),  # each in a word
        (16, [(0, 0xFF), (0x80, 0), (0, 0x12)]),  # described as 16, written as 8
    ],
)
def test_palettes(bits: int, tables: list[tuple[int, ...]]) -> None:
    header = palette((2, 0, bits), *(words(*table) for table in tables))
    assert coloured(header, 0, 1, 99) == [[0, 0x80, 0], [0xFF, 0, 0x12], [0xFF, 0, 0x12]]


def test_palettes_of_bytes_two_in_a_word() -> None:
    header = palette((4, 0, 8), *(words(0x2010, 0x4030) for _ in range(3)))
    assert coloured(header, 0, 1, 2, 3) == [[level] * 3 for level in (0x10, 0x20, 0x30, 0x40)]


def test_the_first_value_of_a_palette_may_be_negative() -> None:
    header = palette((2, 0xFFFF, 8), *(words(5, 9) for _ in range(3)))
    assert coloured(header, -9, -1, 0, 1, dtype="<i2") == [[5] * 3, [5] * 3, [9] * 3, [9] * 3]


def test_segmented_palettes() -> None:
    """PS3.3 C.7.9.2: discrete, linear, and a copy of the linear segment."""
    table = words(0, 1, 0, 1, 4, 0x4000, 2, 1, 6, 0)
    header = palette((9, 0, 16), table, table, table, first=0x00281221)
    levels = [0, 0x10, 0x20, 0x30, 0x40]
    # The copy begins where the table stands, so that it repeats the last value.
    assert coloured(header, *range(9)) == [[level] * 3 for level in (*levels, *[0x40] * 4)]


@pytest.mark.parametrize(
    "header",
    [
        {},
        palette((2, 0), words(1, 2), words(1, 2), words(1, 2)),
        palette((2, 0, 8)),
        palette((2, 0, 8), words(1, 2)),
        palette((9, 0, 16), *[words(1, 4, 7)] * 3, first=0x00281221),
        palette((9, 0, 16), *[words(7, 4, 7)] * 3, first=0x00281221),
        palette((9, 0, 16), *[words(0, 1, 7, 2, 9, 9, 9, 0)] * 3, first=0x00281221),
    ],
)
def test_a_palette_that_is_none_is_unreadable_or_a_palette(header: dict[str, Any]) -> None:
    try:
        assert len(coloured(header, 0, 1)) == 2
    except UnreadablePixelData:
        return


@given(table=st.lists(st.integers(0, 0xFFFF), max_size=40), bits=st.sampled_from([8, 16]))
def test_hostile_segments_end(table: list[int], bits: int) -> None:
    small = [word % 5 if index % 2 == 0 else word for index, word in enumerate(table)]
    for content in (table, small):
        header = palette((0, 0, bits), *[words(*content)] * 3, first=0x00281221)
        try:
            assert len(coloured(header, 0, 255)) == 2
        except UnreadablePixelData:
            continue
