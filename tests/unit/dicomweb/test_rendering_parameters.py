"""Query parameters of rendered resources (PS3.18 8.3.5)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.rendering_parameters import parse_rendering, parse_thumbnail
from ingestion.dicom.rendering.viewport import Viewport
from ingestion.dicom.rendering.windows import Window, WindowFunction
from ingestion.errors import InvalidQuery


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("512,256", Viewport(512, 256)),
        (" 512 , 256 ", Viewport(512, 256)),
        ("512.0,256", Viewport(512, 256)),
        ("512,256,10,20,30,40", Viewport(512, 256, 10, 20, 30, 40)),
        ("512,256,,,-30,", Viewport(512, 256, 0, 0, -30, None)),
        ("512,256,1.5", Viewport(512, 256, 1.5)),
        ("512,256,,,,", Viewport(512, 256)),
    ],
)
def test_viewports(text: str, expected: Viewport) -> None:
    assert parse_rendering({"viewport": text}).viewport == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("40,400,linear", Window(40, 400, WindowFunction.LINEAR)),
        ("-600,1500,linear-exact", Window(-600, 1500, WindowFunction.LINEAR_EXACT)),
        ("0.5,1e-1,sigmoid", Window(0.5, 0.1, WindowFunction.SIGMOID)),
        ("40,400,LINEAR", Window(40, 400, WindowFunction.LINEAR)),
        ("40,400", Window(40, 400, WindowFunction.LINEAR)),
    ],
)
def test_windows(text: str, expected: Window) -> None:
    assert parse_rendering({"window": text}).window == expected


@pytest.mark.parametrize("text", ["1", "50", "100", " 7 ", "007"])
def test_qualities(text: str) -> None:
    assert parse_rendering({"quality": text}).quality == int(text)


def test_what_has_no_effect_is_named() -> None:
    query = {"annotation": "patient,technique", "iccprofile": "srgb"}
    assert parse_rendering(query).unapplied == ("annotation", "iccprofile")
    assert parse_rendering({"iccprofile": "no"}).unapplied == ()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("viewport", text) for text in ("", "1", "a,b", "0,5", "5,0", "-1,5", "9999999,1")),
        *(("viewport", text) for text in ("1,2,3,4,5,6,7", "1,2,x", "1,2,,,0", "nan,1", "inf,1")),
        *(("window", text) for text in ("", "1", "1,", ",1", "1,2,cubic", "1,2,linear,3")),
        *(("window", text) for text in ("1,0,linear", "1,0.5", "1,0,sigmoid", "1,nan", "1e999,1")),
        *(("quality", text) for text in ("", "0", "101", "-1", "5.5", "high", "٥")),
        ("annotation", ""),
        ("annotation", "names"),
        ("iccprofile", "cmyk"),
    ],
)
def test_nonsense_is_refused(name: str, text: str) -> None:
    with pytest.raises(InvalidQuery, match=name):
        parse_rendering({name: text})


def test_thumbnails_are_small_and_never_enlarged() -> None:
    assert parse_thumbnail({}) == Viewport(128, 128, may_enlarge=False)
    asked = parse_thumbnail({"viewport": "64,32,1,2,3,4"})
    assert asked == Viewport(64, 32, may_enlarge=False)


@given(text=st.text(alphabet="0123456789,.-+eE linear", max_size=30))
def test_any_text_is_understood_or_refused(text: str) -> None:
    for name in ("viewport", "window", "quality"):
        try:
            parse_rendering({name: text})
        except InvalidQuery:
            continue
