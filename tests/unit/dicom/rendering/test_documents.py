"""Content trees as pages and as text (PS3.3 C.17.3), animations and their times (C.7.6.5)."""

from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ingestion.dicom.rendering.content_tree import DEPTH_MAX, ITEMS_MAX, content_tree
from ingestion.dicom.rendering.document import html_page, plain_text
from ingestion.dicom.rendering.encoding import GIF, JPEG, PNG, animation, encoded
from ingestion.dicom.rendering.frame_times import frame_durations_ms
from ingestion.dicom.rendering.placeholder import placeholder
from ingestion.errors import UnreadablePixelData
from tests.bundled_files import BUNDLED_FILES, bundled_name
from tests.unit.dicom.readers import scanned_json, split
from tests.unit.dicom.rendering.frames import element

REPORTS = [path for path in BUNDLED_FILES if path.name in ("reportsi.dcm", "test-SR.dcm")]


def code(meaning: str) -> dict[str, Any]:
    return element({"00080104": element(meaning)})


def item(value_type: str, name: str, **elements: Any) -> dict[str, Any]:
    return {"0040A040": element(value_type), "0040A043": code(name)} | elements


REPORT = {
    "00100010": element({"Alphabetic": "Doe^Jane^^Dr", "Ideographic": "王^小東"}),
    "00080020": element("20260102"),
    **item("CONTAINER", "Report of <everything>"),
    "0040A730": element(
        item("TEXT", "Finding", **{"0040A160": element("<script>alert(1)</script> & more")}),
        item(
            "NUM",
            "Diameter",
            **{"0040A300": element({"0040A30A": element(4.5), "004008EA": code("mm")})},
        ),
        item("CODE", "Side", **{"0040A168": code("left")}),
        item("PNAME", "Observer", **{"0040A123": element({"Alphabetic": "Roe^Richard"})}),
        item("DATE", "On", **{"0040A121": element("20260103")}),
        item("IMAGE", "Shown in", **{"00081199": element({"00081155": element("1.2.3")})}),
        item("CONTAINER", "More", **{"0040A730": element(item("TEXT", "Inside"))}),
        "no item",
    ),
}


class Reader(HTMLParser):
    """Collects tags, and the text between them."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.closed: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, *_: Any) -> None:
        self.opened.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.closed.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert sorted(tag for tag in reader.opened if tag != "meta") == sorted(reader.closed)
    return reader


def test_a_page_shows_names_and_values_and_runs_nothing() -> None:
    reader = read(html_page(content_tree(REPORT)))
    assert "script" not in reader.opened
    text = "".join(reader.texts)
    for shown in (
        "Report of <everything>",
        "Doe Jane Dr / 王 小東",
        "Finding: <script>alert(1)</script> & more",
        "Diameter: 4.5 mm",
        "Side: left",
        "Observer: Roe Richard",
        "On: 20260103",
        "Shown in: 1.2.3",
        "Inside",
    ):
        assert shown in text
    assert reader.opened.count("ul") == 2


def test_text_has_a_line_for_each_item() -> None:
    lines = plain_text(content_tree(REPORT)).split("\n")
    assert lines[0] == "Report of <everything>"
    assert "Diameter: 4.5 mm" in lines
    assert "  Inside" in lines


@pytest.mark.parametrize("path", REPORTS, ids=bundled_name)
def test_bundled_reports_are_pages(path: Path) -> None:
    reader, syntax = split(path.read_bytes())
    tree = content_tree(scanned_json(reader.content, syntax))
    assert len(plain_text(tree)) > 200
    assert read(html_page(tree)).opened.count("li") > 5


def test_hostile_trees_end() -> None:
    deep: dict[str, Any] = item("TEXT", "deepest")
    for _ in range(300):
        deep = item("CONTAINER", "deeper", **{"0040A730": element(deep)})
    assert plain_text(content_tree(deep)).count("deeper") == DEPTH_MAX + 1
    wide = item("CONTAINER", "wide", **{"0040A730": element(*[item("TEXT", "x")] * 60_000)})
    tree = content_tree(wide)
    assert len(tree.children) == ITEMS_MAX + 1
    assert str(ITEMS_MAX) in tree.children[-1].value


@pytest.mark.parametrize("header", [{}, {"0040A730": {}}, {"0040A730": element(None, 3, [])}])
def test_an_empty_document_is_a_page(header: dict[str, Any]) -> None:
    assert "Structured report" in html_page(content_tree(header))


@pytest.mark.parametrize("media_type", [JPEG, PNG, GIF])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_pictures_of_every_type(media_type: str, mode: str) -> None:
    found = Image.open(BytesIO(encoded(Image.new(mode, (7, 5), 77), media_type)))
    assert Image.MIME[found.format or ""] == media_type
    assert found.size == (7, 5)


def test_quality_costs_bytes() -> None:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 255, (64, 64), dtype=np.uint8))
    sizes = [len(encoded(noise, JPEG, quality=quality)) for quality in (1, 50, 100)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[2]


def test_an_image_larger_than_its_type_can_be_is_unreadable() -> None:
    with pytest.raises(UnreadablePixelData):
        encoded(Image.new("L", (65_535, 1)), JPEG)


def test_an_animation_has_all_frames_and_their_times() -> None:
    pictures = [Image.new("L", (8, 8), level) for level in (0, 100, 200)]
    found = Image.open(BytesIO(animation(pictures, [40.0, 5.0, 1e9])))
    durations = []
    for index in range(found.n_frames):  # type: ignore[attr-defined]  # a GIF has it
        found.seek(index)
        durations.append(found.info["duration"])
    assert durations == [40, 20, 10_000]
    assert found.info["loop"] == 0


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({}, [100, 100, 100]),
        ({"00181063": element(40)}, [40, 40, 40]),
        ({"00181065": element(0, 30, 50)}, [30, 50, 30]),
        ({"00082144": element(25), "00181063": element(77)}, [40, 40, 40]),
        ({"00180040": element(10)}, [100, 100, 100]),
        ({"00181063": element(-4)}, [100, 100, 100]),
        ({"00082144": element(0)}, [100, 100, 100]),
    ],
)
def test_times_of_frames(header: dict[str, Any], expected: list[float]) -> None:
    assert frame_durations_ms(header, 3) == expected


@pytest.mark.parametrize("modality", ["SR", "", "RTSTRUCT", "日本"])
def test_placeholders_name_the_modality(modality: str) -> None:
    levels = np.asarray(placeholder(modality))
    assert levels.shape == (128, 128)
    assert levels.max() > 150
