"""Rendered resources through the views (PS3.18 10.4.1.1.3): pictures, pages and documents."""

import json
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import UID
from pytest_django import DjangoAssertNumQueries, Settings

from ingestion.models import Instance, StorageSpace
from tests.builders import build_ct, new_uid
from tests.integration.dicomweb.images import gradient, image, levels, picture
from tests.integration.dicomweb.paths import instance_path, study_path
from tests.integration.dicomweb.web_client import WebClient, content, make_token, parts

RLE = "1.2.840.10008.1.2.5"
BROWSER = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
WINDOW = "window=0,100,linear-exact"


@pytest.fixture
def stored(web: WebClient) -> Dataset:
    dataset = image(gradient(start=1024 - 12))
    web.store(dataset)
    return dataset


@pytest.fixture
def loop(web: WebClient) -> Dataset:
    """Three frames, each brighter than the one before."""
    dataset = image(*(np.full((4, 6), 1024 + 40 * n, dtype="<u2") for n in (-1, 0, 1)))
    dataset.FrameTime = "40"
    web.store(dataset)
    return dataset


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, "JPEG"),
        ("*/*", "JPEG"),
        ("image/*", "JPEG"),
        (BROWSER, "JPEG"),
        ("image/png", "PNG"),
        ("image/gif", "GIF"),
        ("image/gif;q=0.3, image/png;q=0.4", "PNG"),
        ("application/dicom+json, image/png", "PNG"),
    ],
)
def test_an_instance_is_a_picture(
    web: WebClient, stored: Dataset, accept: str | None, expected: str
) -> None:
    found = picture(web.get(f"{instance_path(stored)}/rendered", accept=accept))
    assert (found.format, found.size) == (expected, (6, 4))


def test_the_accept_parameter_goes_before_the_header(web: WebClient, stored: Dataset) -> None:
    address = f"{instance_path(stored)}/rendered?accept=image/png"
    assert picture(web.get(address, accept="image/jpeg")).format == "PNG"


@pytest.mark.parametrize("accept", ["application/pdf", "text/html", "video/mp4", "image/tiff"])
def test_what_an_image_is_not_is_406(web: WebClient, stored: Dataset, accept: str) -> None:
    response = web.get(f"{instance_path(stored)}/rendered", accept=accept)
    assert response.status_code == 406
    assert "image/jpeg" in json.loads(content(response))["detail"]


def test_levels_are_those_of_the_window(web: WebClient, stored: Dataset) -> None:
    found = levels(
        web.get(f"{instance_path(stored)}/rendered?window=0,24,linear-exact", accept="image/png")
    )
    # Rescaled values are -12 to 11: value / 24 + 1/2 of the grey scale.
    expected = [(value / 24 + 0.5) * 255 for value in range(-12, 12)]
    assert np.abs(np.array(found) - expected).max() <= 0.5


def test_jpeg_is_near(web: WebClient, stored: Dataset) -> None:
    address = f"{instance_path(stored)}/rendered?quality=100&window=0,24"
    found = levels(web.get(address, accept="image/jpeg"))
    exact = levels(web.get(address, accept="image/png"))
    assert np.abs(np.array(found) - exact).max() <= 3


def test_viewport_and_commas_that_arrive_encoded(web: WebClient, stored: Dataset) -> None:
    address = f"{instance_path(stored)}/rendered?viewport=12%2C12%2C0%2C0%2C-6%2C4&{WINDOW}"
    found = np.asarray(picture(web.get(address, accept="image/png"))).astype(int)
    assert found.shape == (8, 12)
    assert found[0, 0] > found[0, -1], "it is flipped"


@pytest.mark.parametrize(
    "query",
    [
        *("viewport=0,0", "viewport=a", "viewport=9,9,100,100,5,5", "window=1", "quality=0"),
        *("annotation=name", "iccprofile=cmyk"),
    ],
)
def test_nonsense_is_400(web: WebClient, stored: Dataset, query: str) -> None:
    response = web.get(f"{instance_path(stored)}/rendered?{query}")
    assert response.status_code == 400
    assert query.partition("=")[0] in json.loads(content(response))["detail"]


def test_what_has_no_effect_is_warned_of(web: WebClient, stored: Dataset) -> None:
    address = f"{instance_path(stored)}/rendered?annotation=patient,technique&iccprofile=srgb"
    response = web.get(address)
    assert response.status_code == 200
    assert response["Warning"].count("299 ") == 2
    assert "annotation" in response["Warning"]


def test_a_rendition_that_the_client_has_is_not_made(web: WebClient, stored: Dataset) -> None:
    address = f"{instance_path(stored)}/rendered?viewport=5,5"
    first = web.get(address)
    assert first["Cache-Control"] == "private, max-age=600"
    assert "Accept" in first["Vary"]
    assert first["Content-Location"].endswith("/frames/1/rendered")
    Instance.objects.update(location="gone/gone/gone.dcm")
    again = web.get(address, headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, content(again)) == (304, b"")
    assert again["ETag"] == first["ETag"]
    assert again["Cache-Control"] == first["Cache-Control"]
    other = web.get(f"{instance_path(stored)}/rendered?viewport=6,6", method="HEAD", headers={})
    assert other.status_code == 500, "that one has to be made"


def test_etags_differ_by_what_is_asked(web: WebClient, stored: Dataset) -> None:
    addresses = ("", "?viewport=5,5", "?window=1,2", "?quality=7", "?accept=image/png")
    etags = {web.get(f"{instance_path(stored)}/rendered{query}")["ETag"] for query in addresses}
    assert len(etags) == len(addresses)


def test_what_was_rendered_is_remembered(web: WebClient, stored: Dataset) -> None:
    address = f"{instance_path(stored)}/rendered?viewport=3,3"
    first = content(web.get(address))
    Instance.objects.update(location="gone/gone/gone.dcm")
    assert content(web.get(address)) == first


def test_head_has_the_headers_and_no_body(web: WebClient, stored: Dataset) -> None:
    whole = web.get(f"{instance_path(stored)}/rendered")
    head = web.get(f"{instance_path(stored)}/rendered", method="HEAD")
    assert (head.status_code, content(head)) == (200, b"")
    for name in ("Content-Length", "Content-Type", "ETag"):
        assert head[name] == whole[name]


def test_statements_of_a_rendition(
    web: WebClient, stored: Dataset, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    web.get(f"{instance_path(stored)}/rendered?viewport=7,7")
    # The spaces, the instance, its header.
    with django_assert_num_queries(3):
        web.get(f"{instance_path(stored)}/rendered?viewport=8,8")
    with django_assert_num_queries(2):
        web.get(f"{instance_path(stored)}/rendered?viewport=8,8")


def test_a_loop_is_an_animation(web: WebClient, loop: Dataset) -> None:
    found = picture(web.get(f"{instance_path(loop)}/rendered?{WINDOW}", accept="image/gif"))
    shown = []
    for index in range(found.n_frames):  # type: ignore[attr-defined]  # a GIF has it
        found.seek(index)
        shown.append((np.asarray(found.convert("L"))[0, 0], found.info["duration"]))
    assert [level for level, _ in shown] == pytest.approx([26, 128, 230], abs=1)
    assert {duration for _, duration in shown} == {40}


def test_an_animation_may_be_cut(web: WebClient, loop: Dataset, settings: Settings) -> None:
    settings.LIMITS = settings.LIMITS.model_copy(update={"animation_frames_max": 2})
    response = web.get(f"{instance_path(loop)}/rendered?{WINDOW}", accept="image/gif")
    assert picture(response).n_frames == 2  # type: ignore[attr-defined]  # a GIF has it
    assert "only the first 2" in response["Warning"]


def test_a_loop_alone_is_its_first_or_its_representative_frame(
    web: WebClient, loop: Dataset
) -> None:
    address = f"{instance_path(loop)}/rendered?{WINDOW}"
    assert levels(web.get(address, accept="image/png"))[0] == pytest.approx(26, abs=1)
    loop.RepresentativeFrameNumber = 3
    loop.SOPInstanceUID = loop.file_meta.MediaStorageSOPInstanceUID = UID(new_uid())
    web.store(loop)
    address = f"{instance_path(loop)}/rendered?{WINDOW}"
    assert levels(web.get(address, accept="image/png"))[0] == pytest.approx(230, abs=1)


def test_frames_are_parts_in_the_order_asked_for(web: WebClient, loop: Dataset) -> None:
    response = web.get(
        f"{instance_path(loop)}/frames/3,1-2/rendered?{WINDOW}&accept=multipart/related"
    )
    found = parts(response)
    assert response["Content-Type"].startswith('multipart/related; type="image/jpeg"')
    assert [head["Content-Type"] for head, _ in found] == ["image/jpeg"] * 3
    places = [head["Content-Location"].split("/frames/")[1] for head, _ in found]
    assert places == ["3/rendered", "1/rendered", "2/rendered"]
    shown = [np.asarray(Image.open(BytesIO(body)))[0, 0] for _, body in found]
    assert shown == pytest.approx([230, 26, 128], abs=2)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ('multipart/related; type="image/png"', "image/png"),
        ("multipart/related; type=image/gif", "image/gif"),
        ('multipart/related; type="*/*"', "image/jpeg"),
        (None, "image/jpeg"),
    ],
)
def test_parts_are_of_the_type_asked_for(
    web: WebClient, loop: Dataset, accept: str | None, kind: str
) -> None:
    found = parts(web.get(f"{instance_path(loop)}/frames/1,2/rendered", accept=accept))
    assert [head["Content-Type"] for head, _ in found] == [kind, kind]


def test_one_frame_is_a_picture_and_several_no_single_jpeg(web: WebClient, loop: Dataset) -> None:
    one = web.get(f"{instance_path(loop)}/frames/2/rendered?{WINDOW}", accept="image/png")
    assert levels(one)[0] == 128
    several = web.get(f"{instance_path(loop)}/frames/1,2/rendered", accept="image/jpeg")
    assert several.status_code == 406
    animated = web.get(f"{instance_path(loop)}/frames/1,2/rendered?{WINDOW}", accept="image/gif")
    assert picture(animated).n_frames == 2  # type: ignore[attr-defined]  # a GIF has it


@pytest.mark.parametrize(("frames", "status"), [("4", 404), ("1,4", 404), ("0", 400), ("x", 400)])
@pytest.mark.parametrize("resource", ["rendered", "thumbnail"])
def test_frames_that_are_none(
    web: WebClient, loop: Dataset, frames: str, status: int, resource: str
) -> None:
    if (resource, frames) == ("thumbnail", "1,4"):
        status = 200  # of the first
    response = web.get(f"{instance_path(loop)}/frames/{frames}/{resource}")
    assert response.status_code == status


@pytest.fixture
def study(web: WebClient) -> list[Dataset]:
    """Two images and a broken one, in two series."""
    study_uid, first, second = new_uid(), new_uid(), new_uid()
    datasets = [
        image(gradient(), study_instance_uid=study_uid, series_instance_uid=series, number=number)
        for series, number in ((first, 1), (first, 2), (second, 1))
    ]
    datasets[1].PixelData = b"\0\0"
    web.store(*datasets)
    return datasets


@pytest.mark.parametrize("level", ["study", "series"])
def test_a_study_is_the_pictures_of_all_that_can_be_shown(
    web: WebClient, study: list[Dataset], level: str
) -> None:
    path = study_path(study[0])
    shown = {study[0].SOPInstanceUID, study[2].SOPInstanceUID}
    if level == "series":
        path += f"/series/{study[0].SeriesInstanceUID}"
        shown = {study[0].SOPInstanceUID}
    response = web.get(f"{path}/rendered")
    found = parts(response)
    places = {head["Content-Location"].split("/instances/")[1].split("/")[0] for head, _ in found}
    assert places == shown
    unchanged = web.get(f"{path}/rendered", headers={"If-None-Match": response["ETag"]})
    assert unchanged.status_code == 304


def test_a_study_of_which_nothing_can_be_shown_is_406(web: WebClient) -> None:
    broken = image(gradient())
    broken.PixelData = b"\0\0"
    web.store(broken)
    for address in (instance_path(broken), study_path(broken)):
        response = web.get(f"{address}/rendered")
        assert response.status_code == 406, content(response)


def test_one_picture_of_a_study_is_a_representative_one(
    web: WebClient, study: list[Dataset]
) -> None:
    path = f"{study_path(study[0])}/series/{study[2].SeriesInstanceUID}"
    assert picture(web.get(f"{path}/rendered", accept=BROWSER)).size == (6, 4)


def test_pictures_of_a_study_may_be_cut(web: WebClient, loop: Dataset, settings: Settings) -> None:
    settings.LIMITS = settings.LIMITS.model_copy(update={"rendered_parts_max": 2})
    response = web.get(f"{study_path(loop)}/rendered")
    assert response.status_code == 206
    assert len(parts(response)) == 2
    assert "only the first 2" in response["Warning"]
    assert response["ETag"].startswith("W/")


@pytest.mark.parametrize("resource", ["rendered", "thumbnail"])
def test_what_is_not_held_or_not_readable_is_404(
    web: WebClient, stored: Dataset, other_space: StorageSpace, resource: str
) -> None:
    path = f"{instance_path(stored)}/{resource}"
    assert web.get(path.replace("/dicomweb/", "/dicomweb/spaces/main/")).status_code == 200
    assert web.get(path.replace("/dicomweb/", "/dicomweb/spaces/other/")).status_code == 404
    assert WebClient(make_token(spaces=[other_space])).get(path).status_code == 404
    assert web.get(f"/dicomweb/studies/1.2.3/{resource}").status_code == 404
    Instance.objects.update(deleted_at="2026-01-01T00:00:00Z")
    assert web.get(path).status_code == 404


def test_hostile_sizes_cost_nothing(web: WebClient) -> None:
    """65,535 by 65,535 pixels in a few bytes, and none at all."""
    huge = image(gradient())
    huge.Rows = huge.Columns = 65_535
    flat = image(gradient())
    flat.Columns = 0
    rle = build_ct(transfer_syntax_uid=RLE)
    web.store(huge, flat, rle)
    for dataset in (huge, flat, rle):
        assert web.get(f"{instance_path(dataset)}/rendered").status_code == 406
        assert picture(web.get(f"{instance_path(dataset)}/thumbnail")).size == (128, 128)


def test_a_frame_beyond_the_limit_is_406(web: WebClient, settings: Settings) -> None:
    dataset = image(gradient(100, 100))
    web.store(dataset)
    settings.LIMITS = settings.LIMITS.model_copy(update={"decoded_frame_bytes_max": 19_999})
    response = web.get(f"{instance_path(dataset)}/rendered")
    assert response.status_code == 406
    assert "19999" in json.loads(content(response))["detail"]


def test_an_animation_has_so_many_pixels(web: WebClient, loop: Dataset, settings: Settings) -> None:
    settings.LIMITS = settings.LIMITS.model_copy(update={"animation_pixels_max": 2 * 24})
    response = web.get(f"{instance_path(loop)}/rendered?{WINDOW}", accept="image/gif")
    assert picture(response).n_frames == 2  # type: ignore[attr-defined]  # a GIF has it
