"""Frames and Pixel Data through the views (PS3.18 10.4.1.1.6, 10.4.3.3.6, 8.7.3.3)."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from ingestion.models import StorageSpace
from tests.builders import build_ct, new_uid
from tests.integration.dicomweb.paths import instance_path, study_path
from tests.integration.dicomweb.web_client import WebClient, content, parts

OCTETS = "application/octet-stream"
EXPLICIT = str(ExplicitVRLittleEndian)
ROWS, COLUMNS = 40, 36
FRAME_BYTES = ROWS * COLUMNS * 2
AS_STORED = 'multipart/related; type="*/*"; transfer-syntax=*'


def native(count: int = 5, **extra: str) -> tuple[Dataset, list[bytes]]:
    """A multi-frame object and its frames."""
    frames = [
        b"".join((index * 7 + pixel).to_bytes(2, "little") for pixel in range(ROWS * COLUMNS))
        for index in range(count)
    ]
    dataset = build_ct(
        rows=ROWS,
        columns=COLUMNS,
        extra=[(0x00280008, "IS", str(count)), (0x7FE00010, "OW", b"".join(frames))],
        **extra,
    )
    return dataset, frames


def compressed(syntax: str, count: int = 5) -> tuple[Dataset, list[bytes], list[bytes]]:
    """A compressed object, its code streams, and its frames once they are decoded."""
    dataset, frames = native(count)
    dataset.compress(syntax, generate_instance_uid=False)
    streams = list(generate_frames(dataset.PixelData, number_of_frames=count))
    return dataset, streams, frames


def related(part_type: str, syntax: str = "") -> str:
    parameter = f"; transfer-syntax={syntax}" if syntax else ""
    return f"multipart/related; type={part_type}{parameter}"


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [("1", [1]), ("1,3,5", [1, 3, 5]), ("4,2,2", [4, 2, 2]), ("2-4,1", [2, 3, 4, 1])],
)
def test_frames_come_in_the_order_asked_for(web: WebClient, asked: str, numbers: list[int]) -> None:
    dataset, frames = native()
    web.store(dataset)
    path = f"{instance_path(dataset)}/frames/"
    found = parts(web.get(path + asked, accept=related(OCTETS)))
    assert [body for _, body in found] == [frames[number - 1] for number in numbers]
    space_path = path.replace("/dicomweb/", "http://testserver/dicomweb/spaces/main/")
    assert [headers["Content-Location"] for headers, _ in found] == [
        f"{space_path}{number}" for number in numbers
    ]


@pytest.mark.parametrize("asked", ["0", "01", "a", "1,", ",1", "1-", "3-1", "-1", "1.5", "1;2"])
def test_a_list_that_is_none_is_400(web: WebClient, asked: str) -> None:
    dataset, _ = native()
    web.store(dataset)
    assert web.get(f"{instance_path(dataset)}/frames/{asked}").status_code == 400


@pytest.mark.parametrize("asked", ["6", "1,6", "5-6", "999999999"])
def test_a_number_beyond_the_frames_is_404(web: WebClient, asked: str) -> None:
    dataset, _ = native()
    web.store(dataset)
    assert web.get(f"{instance_path(dataset)}/frames/{asked}").status_code == 404


# What the field asks for, and the part's Content-Type that it gets of JPEG-LS.
@pytest.mark.parametrize(
    ("accept", "media_type", "syntax"),
    [
        ("", OCTETS, EXPLICIT),
        ("*/*", OCTETS, EXPLICIT),
        (related('"*/*"'), OCTETS, EXPLICIT),
        (related('"*/*"', "*"), "image/jls", JPEGLSLossless),
        (related("image/*"), "image/jls", JPEGLSLossless),
        (related(OCTETS, "*"), OCTETS, JPEGLSLossless),
        (related(f'"{OCTETS}"', '"*"'), OCTETS, JPEGLSLossless),
        (related(OCTETS, JPEGLSLossless), OCTETS, JPEGLSLossless),
        (related('"image/jls"'), "image/jls", JPEGLSLossless),
        (related("image/x-jls", JPEGLSLossless), "image/x-jls", JPEGLSLossless),
        (related(OCTETS), OCTETS, EXPLICIT),
        (related(OCTETS, EXPLICIT), OCTETS, EXPLICIT),
        (related("*/*", EXPLICIT), OCTETS, EXPLICIT),
        (related("image/jp2"), "image/jp2", "1.2.840.10008.1.2.4.90"),
        (related("image/dicom-rle", "*"), "image/dicom-rle", RLELossless),
        (f"{related(OCTETS)}, {related('image/jls')}", "image/jls", JPEGLSLossless),
        (f"{related(OCTETS)}, {related('image/jls')};q=0.5", OCTETS, EXPLICIT),
        (f"application/dicom+json, {related(OCTETS, '*')}", OCTETS, JPEGLSLossless),
    ],
)
def test_the_form_is_what_is_accepted_and_stored_first(
    web: WebClient, accept: str, media_type: str, syntax: str
) -> None:
    dataset, streams, frames = compressed(JPEGLSLossless)
    web.store(dataset)
    response = web.get(f"{instance_path(dataset)}/frames/2", accept=accept or None)
    assert response.status_code == 200, response.content
    assert response["Content-Type"].startswith(f'multipart/related; type="{media_type}"; ')
    ((headers, body),) = parts(response)
    assert headers["Content-Type"] == f"{media_type}; transfer-syntax={syntax}"
    if syntax in (JPEGLSLossless, EXPLICIT):
        assert body == (streams[1] if syntax == JPEGLSLossless else frames[1])


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        related("image/jphc"),
        related("video/mp4"),
        related("image/jls", RLELossless),
        related(OCTETS, str(ExplicitVRBigEndian)),
        related(OCTETS, "1.2.3"),
        f"{related(OCTETS)};q=0",
    ],
)
def test_a_form_that_cannot_be_made_is_406(web: WebClient, accept: str) -> None:
    dataset, *_ = compressed(RLELossless)
    web.store(dataset)
    response = web.get(f"{instance_path(dataset)}/frames/1", accept=accept)
    assert response.status_code == 406
    assert RLELossless in json.loads(response.content)["detail"]


def test_what_a_codec_cannot_hold_leaves_the_next_that_is_liked(web: WebClient) -> None:
    dataset = build_ct(
        extra=[(0x00280100, "US", 32), (0x00280101, "US", 32), (0x7FE00010, "OW", bytes(256))]
    )
    web.store(dataset)
    path = f"{instance_path(dataset)}/frames/1"
    response = web.get(path, accept="image/jpeg, */*; q=0.2")
    ((headers, body),) = parts(response)
    assert (headers["Content-Type"], body) == (f"{OCTETS}; transfer-syntax={EXPLICIT}", bytes(256))
    assert web.get(path, accept="image/jpeg").status_code == 406


def test_one_frame_alone_has_length_range_and_validator(web: WebClient) -> None:
    dataset, frames = native()
    web.store(dataset)
    path = f"{instance_path(dataset)}/frames/3"
    response = web.get(path, accept=OCTETS)
    assert content(response) == frames[2]
    assert response["Content-Type"] == f"{OCTETS}; transfer-syntax={EXPLICIT}"
    assert response["Content-Length"] == str(FRAME_BYTES)
    part = web.get(path, accept=OCTETS, headers={"Range": "bytes=5-9"})
    assert (part.status_code, content(part)) == (206, frames[2][5:10])
    assert part["Content-Range"] == f"bytes 5-9/{FRAME_BYTES}"
    assert (
        web.get(path, accept=OCTETS, headers={"Range": f"bytes={FRAME_BYTES}-"}).status_code == 416
    )
    again = web.get(path, accept=OCTETS, headers={"If-None-Match": response["ETag"]})
    assert (again.status_code, content(again)) == (304, b"")
    other = web.get(path.replace("/3", "/4"), accept=OCTETS)
    assert other["ETag"] != response["ETag"]


def test_one_compressed_frame_alone(web: WebClient) -> None:
    dataset, streams, frames = compressed(JPEGLSLossless)
    web.store(dataset)
    path = f"{instance_path(dataset)}/frames/5"
    response = web.get(path, accept="image/jls")
    assert content(response) == streams[4]
    assert response["Content-Type"] == f"image/jls; transfer-syntax={JPEGLSLossless}"
    assert content(web.get(path, accept=OCTETS)) == frames[4]
    assert content(web.get(f"{path}?accept=image/jls", accept="text/html")) == streams[4]
    assert web.get(path.replace("/5", "/4,5"), accept="image/jls").status_code == 406


def test_parts_have_a_weak_validator(web: WebClient) -> None:
    dataset, _ = native()
    web.store(dataset)
    path = f"{instance_path(dataset)}/frames/1,2"
    etag = web.get(path)["ETag"]
    assert etag.startswith("W/")
    again = web.get(path, headers={"If-None-Match": etag})
    assert (again.status_code, content(again)) == (304, b"")


def test_a_condition_that_fails_is_412(web: WebClient) -> None:
    dataset, _ = native()
    web.store(dataset)
    for accept in (OCTETS, related(OCTETS)):
        path = f"{instance_path(dataset)}/frames/1"
        assert web.get(path, accept=accept, headers={"If-Match": '"other"'}).status_code == 412


@pytest.mark.parametrize("accept", [OCTETS, related(OCTETS)])
def test_head_has_the_headers_and_no_body(web: WebClient, accept: str) -> None:
    dataset, _ = native()
    web.store(dataset)
    response = web.get(f"{instance_path(dataset)}/frames/1", accept=accept, method="HEAD")
    assert (response.status_code, content(response)) == (200, b"")
    assert response["ETag"]


def test_a_film_is_one_stream(web: WebClient) -> None:
    dataset = build_ct(transfer_syntax_uid=JPEGBaseline8Bit)
    dataset.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.4.102")
    dataset.NumberOfFrames = 300
    film = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 40
    dataset.PixelData = encapsulate([film], fragments_per_frame=7, has_bot=False)
    web.store(dataset)
    path = f"{instance_path(dataset)}/frames/1"
    response = web.get(path, accept="video/mp4")
    assert content(response) == film
    assert response["Content-Type"] == "video/mp4; transfer-syntax=1.2.840.10008.1.2.4.102"
    part = web.get(path, accept="video/*", headers={"Range": "bytes=4-7"})
    assert content(part) == b"ftyp"
    ((headers, body),) = parts(web.get(path, accept=related(OCTETS)))
    assert (headers["Content-Type"], body) == (
        f"{OCTETS}; transfer-syntax=1.2.840.10008.1.2.4.102",
        film,
    )
    assert web.get(path.replace("frames/1", "frames/2")).status_code == 404


@pytest.mark.parametrize(
    ("extra", "status"),
    [
        ([(0x7FE00010, "OW", None)], 404),
        ([(0x00280010, "US", None)], 406),
        ([(0x00280100, "US", 13)], 406),
        ([(0x00280011, "US", 60_000)], 406),
        ([(0x00280008, "IS", "4000000")], 200),
    ],
)
@pytest.mark.parametrize("name", ["frames/1", "bulkdata/7FE00010", "pixeldata", "bulkdata"])
def test_pixel_data_that_is_broken_or_absent_is_never_a_500(
    web: WebClient, extra: list[tuple[int, str, object]], status: int, name: str
) -> None:
    dataset = build_ct(extra=extra)
    web.store(dataset)
    response = web.get(f"{instance_path(dataset)}/{name}")
    expected = {status} if name == "frames/1" else {200, 404, 406}
    assert response.status_code in expected


def test_frames_that_are_not_all_there_are_told_before_the_first_is_sent(web: WebClient) -> None:
    dataset = build_ct(rows=600, columns=600, extra=[(0x00280008, "IS", "3")])
    web.store(dataset)
    path = f"{instance_path(dataset)}/frames/"
    assert web.get(f"{path}1").status_code == 200
    response = web.get(f"{path}1-3")
    assert response.status_code == 406
    assert json.loads(response.content)["code"] == "unreadable-pixel-data"


def test_an_instance_that_cannot_be_read_does_not_fail_its_neighbours(web: WebClient) -> None:
    study = new_uid()
    datasets = [
        build_ct(study_instance_uid=study, extra=[(0x00200011, "IS", str(number))])
        for number in range(3)
    ]
    datasets[1].compress(RLELossless, generate_instance_uid=False)
    datasets[1].PixelData = encapsulate([b"no", b"frame", b"at all"], has_bot=False)
    datasets[1].NumberOfFrames = 2
    web.store(*datasets)
    for name in ("pixeldata", "bulkdata"):
        found = parts(web.get(f"/dicomweb/studies/{study}/{name}"))
        assert [body for _, body in found] == [datasets[0].PixelData, datasets[2].PixelData]


@pytest.fixture
def study(web: WebClient) -> list[tuple[Dataset, list[bytes], list[bytes]]]:
    """A native, a compressed and an image-less instance in one study: stored and decoded frames."""
    study = new_uid()
    first, frames = native(3)
    second, streams, decoded = compressed(RLELossless, 2)
    report = build_ct(extra=[(0x7FE00010, "OW", None), (0x00280010, "US", None)])
    found = [(first, [b"".join(frames)], frames), (second, streams, decoded), (report, [], [])]
    for number, (dataset, *_) in enumerate(found):
        dataset.StudyInstanceUID = study
        dataset.SeriesNumber = number
    web.store(*(dataset for dataset, *_ in found))
    return found


def test_pixel_data_of_a_study_is_that_of_its_instances(
    web: WebClient, study: list[tuple[Dataset, list[bytes], list[bytes]]]
) -> None:
    path = f"{study_path(study[0][0])}/pixeldata"
    found = parts(web.get(path, accept=AS_STORED))
    assert [body for _, body in found] == study[0][1] + study[1][1]
    metadata = {item["00080018"]["Value"][0]: item for item in web.json(path[:-9] + "metadata")}
    uris = [metadata[dataset.SOPInstanceUID].get("7FE00010") for dataset, *_ in study[:2]]
    assert [headers["Content-Location"] for headers, _ in found] == [
        uris[0]["BulkDataURI"],
        uris[1]["BulkDataURI"],
        uris[1]["BulkDataURI"],
    ]
    for accept in (related(OCTETS), None, "*/*"):
        decoded = parts(web.get(path, accept=accept))
        assert [body for _, body in decoded] == [b"".join(frames) for _, _, frames in study[:2]]
    assert web.get(path, accept=related("image/jphc")).status_code == 406


def test_pixel_data_of_series_and_instances(
    web: WebClient, study: list[tuple[Dataset, list[bytes], list[bytes]]]
) -> None:
    path = instance_path(study[1][0])
    for entity in (path, path.partition("/instances")[0]):
        response = web.get(f"{entity}/pixeldata", accept=AS_STORED)
        assert [body for _, body in parts(response)] == study[1][1]
    assert web.get(f"{instance_path(study[2][0])}/pixeldata").status_code == 404


def damaged() -> tuple[Dataset, bytes]:
    """One frame of JPEG-LS that no codec reads, and its code stream."""
    dataset, *_ = compressed(JPEGLSLossless)
    stream = b"\xff\xd8\xff\xf7" + bytes(60)
    dataset.PixelData = encapsulate([stream])
    dataset.NumberOfFrames = 1
    return dataset, stream


def test_a_damaged_frame_comes_as_stored_unless_its_form_was_named(web: WebClient) -> None:
    dataset, stream = damaged()
    web.store(dataset)
    path = instance_path(dataset)
    for name in ("frames/1", "pixeldata", "bulkdata/7FE00010", "bulkdata"):
        ((headers, body),) = parts(web.get(f"{path}/{name}"))
        assert headers["Content-Type"] == f"image/jls; transfer-syntax={JPEGLSLossless}"
        assert body == stream
        response = web.get(f"{path}/{name}", accept=related(OCTETS))
        assert response.status_code == 406
        assert json.loads(response.content)["code"] in ("unreadable-pixel-data", "not-acceptable")


@pytest.mark.parametrize("name", ["pixeldata", "bulkdata"])
def test_what_is_left_out_of_many_makes_the_answer_partial(web: WebClient, name: str) -> None:
    broken, _ = damaged()
    whole, frames = native()
    whole.StudyInstanceUID = broken.StudyInstanceUID
    web.store(broken, whole)
    path = f"{study_path(broken)}/{name}"
    response = web.get(path, accept=related(OCTETS))
    assert response.status_code == 206
    assert response["Warning"].startswith("299 ")
    assert [body for _, body in parts(response)] == [b"".join(frames)]
    everything = web.get(path, accept=AS_STORED)
    assert everything.status_code == 200
    assert "Warning" not in everything


@pytest.mark.parametrize("name", ["pixeldata", "bulkdata"])
def test_collections_have_a_validator(web: WebClient, name: str) -> None:
    dataset, _ = native()
    web.store(dataset)
    path = f"{instance_path(dataset)}/{name}"
    tag = web.get(path)["ETag"]
    assert tag.startswith("W/")
    again = web.get(path, headers={"If-None-Match": tag})
    assert (again.status_code, content(again)) == (304, b"")
    assert web.get(path, accept=AS_STORED, headers={"If-None-Match": tag}).status_code == 200


def test_frames_of_another_space_are_404(web: WebClient, other_space: StorageSpace) -> None:
    dataset, _ = native()
    web.store(dataset, path="/dicomweb/spaces/main/studies")
    for name in ("frames/1", "bulkdata/7FE00010", "bulkdata", "pixeldata"):
        path = f"{instance_path(dataset)}/{name}"
        assert web.get(path.replace("/dicomweb/", "/dicomweb/spaces/main/")).status_code == 200
        assert web.get(path.replace("/dicomweb/", "/dicomweb/spaces/other/")).status_code == 404


def test_statements_for_a_frame_are_few_and_fewer_when_it_is_known(web: WebClient) -> None:
    dataset, *_ = compressed(RLELossless)
    web.store(dataset)
    path = f"{instance_path(dataset)}/frames/"
    counts = []
    for number in (1, 2):
        with CaptureQueriesContext(connection) as captured:
            parts(web.get(f"{path}{number}", accept=related(OCTETS, "*")))
        counts.append(len(captured))
    assert counts == [3, 2]  # the spaces, the instance; its header once
