"""Viewports: PS3.18 8.3.5.1.3. The picture's pixels tell where they were."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ingestion.dicom.rendering.viewport import Viewport, into_viewport, pixel_ratio
from ingestion.errors import InvalidQuery
from tests.unit.dicom.rendering.frames import element

# Four quarters of their own grey.
QUARTERS = np.kron(np.array([[10, 80], [150, 220]], dtype=np.uint8), np.ones((50, 100)))


def shown(viewport: Viewport, *, ratio: float = 1.0) -> Any:
    picture = Image.fromarray(QUARTERS.astype(np.uint8))
    return np.asarray(into_viewport(picture, viewport, ratio=ratio))


@pytest.mark.parametrize(
    ("asked", "size"),
    [
        ((200, 100), (200, 100)),
        ((100, 100), (100, 50)),  # as wide as fits
        ((400, 100), (200, 100)),  # as high as fits
        ((400, 400), (400, 200)),  # larger too
        ((1, 1), (1, 1)),
    ],
)
def test_proportions_are_kept(asked: tuple[int, int], size: tuple[int, int]) -> None:
    rows, columns = shown(Viewport(*asked)).shape
    assert (columns, rows) == size


def test_a_thumbnail_is_not_enlarged() -> None:
    assert shown(Viewport(400, 400, may_enlarge=False)).shape == (100, 200)
    assert shown(Viewport(20, 20, may_enlarge=False)).shape == (10, 20)


@pytest.mark.parametrize(
    ("region", "corners"),
    [
        ((0, 0, None, None), (10, 80, 150, 220)),
        ((0, 0, -200, 100), (80, 10, 220, 150)),  # flipped horizontally
        ((0, 0, 200, -100), (150, 220, 10, 80)),  # flipped vertically
        ((0, 0, -200, -100), (220, 150, 80, 10)),
        ((100, 0, None, None), (80, 80, 220, 220)),
        ((100, 50, 100, 50), (220, 220, 220, 220)),
        ((100, 50, 9999, 9999), (220, 220, 220, 220)),  # to the edge
    ],
)
def test_regions(region: tuple[Any, ...], corners: tuple[int, ...]) -> None:
    found = shown(Viewport(100, 100, *region))
    assert (found[0, 0], found[0, -1], found[-1, 0], found[-1, -1]) == corners


@pytest.mark.parametrize("region", [(200, 0, None, None), (0, 100, 5, 5), (1e9, 1e9, 1, 1)])
def test_a_region_beyond_the_image_is_refused(region: tuple[Any, ...]) -> None:
    with pytest.raises(InvalidQuery):
        shown(Viewport(100, 100, *region))


def test_pixels_higher_than_wide_make_higher_pictures() -> None:
    assert shown(Viewport(200, 400), ratio=2.0).shape == (200, 200)
    assert shown(Viewport(200, 100), ratio=0.5).shape == (50, 200)


@pytest.mark.parametrize(
    ("header", "ratio"),
    [
        ({}, 1),
        ({"00280030": element(2, 1)}, 2),
        ({"00181164": element(1, 2)}, 0.5),
        ({"00280034": element(4, 3)}, 4 / 3),
        ({"52009229": element({"00289110": element({"00280030": element(3, 1)})})}, 3),
        ({"00280030": element(0, 1)}, 1),
        ({"00280030": element(-1, 1)}, 1),
        ({"00280030": element(1)}, 1),
        ({"00280030": element(1e9, 1)}, 1),
        ({"00280030": element("a", None)}, 1),
    ],
)
def test_ratios_of_pixels(header: dict[str, Any], ratio: float) -> None:
    assert pixel_ratio(header, 1) == pytest.approx(ratio)


@given(
    width=st.integers(1, 300),
    height=st.integers(1, 300),
    left=st.floats(0, 199.9),
    top=st.floats(0, 99.9),
    region_width=st.none() | st.floats(-300, 300).filter(lambda size: abs(size) > 1e-6),
    ratio=st.floats(0.01, 100),
)
def test_no_picture_exceeds_its_viewport(
    width: int,
    height: int,
    left: float,
    top: float,
    region_width: float | None,
    ratio: float,
) -> None:
    viewport = Viewport(width, height, left, top, region_width)
    rows, columns = shown(viewport, ratio=ratio).shape
    assert 1 <= columns <= width
    assert 1 <= rows <= height
