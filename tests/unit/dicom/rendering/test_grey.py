"""Grey images: PS3.3 C.11.1 and C.11.2, restated here number by number."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.dicom.rendering.windows import Window, WindowFunction
from tests.unit.dicom.rendering.frames import element, rendered, words

LINEAR, EXACT, SIGMOID = (
    WindowFunction.LINEAR,
    WindowFunction.LINEAR_EXACT,
    WindowFunction.SIGMOID,
)


def row(*values: float, dtype: str = "<i2") -> Any:
    return np.array([values], dtype=dtype)


@pytest.mark.parametrize(
    ("function", "width", "value", "brightness"),
    [
        # PS3.3 C.11.2.1.2.1, the notes: center 2048, width 4096 shows 0 to 4095.
        (LINEAR, 4096, 0, 0),
        (LINEAR, 4096, 4095, 1),
        (LINEAR, 4096, 2048, (2048 - 2047.5) / 4095 + 0.5),
        # Width 1 is a threshold: at 2047.5 and below black.
        (LINEAR, 1, 2047, 0),
        (LINEAR, 1, 2048, 1),
        # C.11.2.1.3.2: center 2048, width 4096 shows 0 to 4096.
        (EXACT, 4096, 0, 0),
        (EXACT, 4096, 4096, 1),
        (EXACT, 4096, 1024, 0.25),
        # C.11.2.1.3.1: 1 / (1 + exp(-4 (x - c) / w)).
        (SIGMOID, 4096, 2048, 0.5),
        (SIGMOID, 4096, 3072, 1 / (1 + math.exp(-1))),
        (SIGMOID, 0.001, 4000, 1),
    ],
)
def test_windows(function: WindowFunction, width: float, value: int, brightness: float) -> None:
    found = rendered(row(value), window=Window(2048, width, function))
    assert abs(int(found[0, 0]) - brightness * 255) <= 0.5


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_the_header_names_the_window_and_its_function(function: str) -> None:
    header = {"00281050": element(100), "00281051": element(50), "00281056": element(function)}
    values = row(*range(60, 140))
    found = rendered(values, header)
    expected = rendered(values, window=Window(100, 50, WindowFunction(function)))
    np.testing.assert_array_equal(found, expected)


def test_the_window_asked_for_goes_before_that_of_the_header() -> None:
    header = {"00281050": element(100), "00281051": element(50)}
    window = Window(0, 10)
    np.testing.assert_array_equal(
        rendered(row(-5, 0, 5), header, window=window), rendered(row(-5, 0, 5), window=window)
    )


@pytest.mark.parametrize("width", [0, -1, 0.5, "wide", None])
def test_a_window_that_is_none_is_as_if_it_were_absent(width: Any) -> None:
    values = row(0, 100, 200)
    header = {"00281050": element(1000), "00281051": element(width)}
    np.testing.assert_array_equal(rendered(values, header), rendered(values))


def test_windows_are_of_rescaled_values() -> None:
    header = {"00281052": element(-1024), "00281053": element(2)}
    found = rendered(row(487, 512, 537), header, window=Window(0, 100, EXACT))
    np.testing.assert_array_equal(found, [[0, 128, 255]])


def test_monochrome1_is_dark_where_values_are_high() -> None:
    values, window = row(0, 40, 100), Window(50, 100, EXACT)
    found = rendered(values, window=window, photometric_interpretation="MONOCHROME1")
    np.testing.assert_array_equal(found, 255 - rendered(values, window=window))


@pytest.mark.parametrize("dtype", ["i1", "<i2", "<i4", "<f4", "<f8"])
def test_negative_values_are_darker_than_zero(dtype: str) -> None:
    found = rendered(row(-100, 0, 100, dtype=dtype), window=Window(0, 200, EXACT))
    np.testing.assert_array_equal(found, [[0, 128, 255]])


@pytest.mark.parametrize("dtype", ["u1", "i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<f4", "<f8"])
def test_every_type_spreads_over_the_grey_scale(dtype: str) -> None:
    values = np.arange(100, dtype=dtype).reshape(10, 10)
    found = rendered(values, {"00281050": element(50), "00281051": element(100)})
    assert found[0, 0] <= 1
    assert found[-1, -1] >= 250
    assert (np.diff(found.ravel().astype(int)) >= 0).all()


def test_bits_are_black_and_white() -> None:
    found = rendered(row(0, 1, dtype="u1"), bits_stored=1)
    np.testing.assert_array_equal(found, [[0, 255]])


def test_bytes_without_a_window_are_shown_as_they_are() -> None:
    values = np.arange(256, dtype="u1").reshape(16, 16)
    np.testing.assert_array_equal(rendered(values), values)


def test_without_a_window_outliers_do_not_count() -> None:
    values = np.arange(10_000, dtype="<u2").reshape(100, 100)
    values[0, 0] = 65_535
    found = rendered(values)
    assert found[50, 0] in range(125, 131)


def test_padding_does_not_count_for_the_window() -> None:
    values = np.full((100, 100), -2000, dtype="<i2")
    values[40:60, 40:60] = np.arange(400).reshape(20, 20)
    found = rendered(values, {"00280120": element(-2000)})
    np.testing.assert_array_equal(found, rendered(values, window=Window(199.5, 395.01, EXACT)))
    ranged = {"00280120": element(-1990), "00280121": element(-2010)}
    np.testing.assert_array_equal(rendered(values, ranged), found)


def test_an_image_of_one_value_is_grey() -> None:
    np.testing.assert_array_equal(rendered(row(7, 7, 7)), [[128, 128, 128]])
    everything_is_padding = rendered(row(7, 7, 7), {"00280120": element(7)})
    np.testing.assert_array_equal(everything_is_padding, [[128, 128, 128]])


def test_what_is_no_number_is_shown_as_zero() -> None:
    found = rendered(row(math.nan, math.inf, -math.inf, 0, dtype="<f8"), window=Window(0, 10))
    assert found[0].tolist() == [found[0, 3], 255, 0, found[0, 3]]


def test_a_modality_lut_goes_before_the_rescale() -> None:
    """PS3.3 C.11.1.1: values below and above the table take its ends."""
    item = {"00283002": element(3, 10, 16), "00283006": words(0, 50, 100)}
    header = {"00283000": element(item), "00281053": element(7), "00281052": element(7)}
    found = rendered(row(0, 10, 11, 12, 99), header, window=Window(50, 100, EXACT))
    np.testing.assert_array_equal(found, [[0, 0, 128, 255, 255]])


def test_a_voi_lut_goes_before_the_window() -> None:
    item = {"00283002": element(2, 0, 8), "00283006": words(0, 255)}
    header = {"00283010": element(item), "00281050": element(0), "00281051": element(1)}
    np.testing.assert_array_equal(rendered(row(0, 1), header), [[0, 255]])


def test_a_table_of_bytes_may_have_two_in_a_word() -> None:
    item = {"00283002": element(4, 0, 8), "00283006": words(0x5000, 0xFFA0)}
    found = rendered(row(0, 1, 2, 3), {"00283010": element(item)})
    np.testing.assert_array_equal(found, [[0, 0x50, 0xA0, 0xFF]])


def test_a_first_value_written_unsigned_is_signed_where_pixels_are() -> None:
    item = {"00283002": element(2, 65535, 8), "00283006": element(0, 255)}
    found = rendered(row(-2, -1, 0, 1), {"00283010": element(item)})
    np.testing.assert_array_equal(found, [[0, 0, 255, 255]])


def test_a_table_may_be_bulk_data() -> None:
    item = {
        "00283002": element(2, 0, 16),
        "00283006": {"BulkDataURI": "bulkdata/00283010/0/00283006"},
    }
    bulk_data = {"00283010/0/00283006": b"\x00\x00\xff\xff"}
    found = rendered(row(0, 1), {"00283010": element(item)}, bulk_data=bulk_data)
    np.testing.assert_array_equal(found, [[0, 255]])


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"00283002": element(0, 0)},
        {"00283002": element(4, 0, 99), "00283006": words(1, 2, 3, 4)},
        {"00283002": element(4, 0, 8)},
        {"00283002": element("a", "b", "c"), "00283006": words(1)},
    ],
)
def test_a_table_that_is_none_is_as_if_it_were_absent(item: dict[str, Any]) -> None:
    header = {"00283010": element(item), "00283000": element(item)}
    np.testing.assert_array_equal(rendered(row(0, 50, 100), header), rendered(row(0, 50, 100)))


def test_frames_of_enhanced_images_have_their_own_transformation_and_window() -> None:
    """PS3.3 C.7.6.16: what the frame says, else what all share."""
    shared = {"00289132": element({"00281050": element(50), "00281051": element(100)})}
    first = {"00289145": element({"00281052": element(0), "00281053": element(1)})}
    second = {
        "00289145": element({"00281052": element(-50), "00281053": element(1)}),
        "00289132": element({"00281050": element(0), "00281051": element(200)}),
    }
    header = {"52009229": element(shared), "52009230": element(first, second)}
    values = row(0, 50, 100)
    np.testing.assert_array_equal(
        rendered(values, header), rendered(values, window=Window(50, 100))
    )
    np.testing.assert_array_equal(
        rendered(values, header, frame_number=2), rendered(values, window=Window(50, 200))
    )
    np.testing.assert_array_equal(
        rendered(values, header, frame_number=9), rendered(values, window=Window(50, 100))
    )


@given(
    center=st.floats(-1e30, 1e30),
    width=st.floats(1, 1e300),
    slope=st.floats(allow_nan=False, allow_infinity=False),
    function=st.sampled_from(list(WindowFunction)),
)
def test_absurd_windows_and_slopes_give_a_picture(
    center: float, width: float, slope: float, function: WindowFunction
) -> None:
    values = row(-32768, -1, 0, 1, 32767)
    header = {"00281053": element(slope), "00281052": element(1e300)}
    assert rendered(values, header).shape == (1, 5)
    assert rendered(values, header, window=Window(center, width, function)).shape == (1, 5)
