"""Bulk data through the views (PS3.18 10.4.1.1.5): every URI of metadata leads somewhere."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.sequence import Sequence
from pydicom.uid import (
    EncapsulatedPDFStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    RLELossless,
)

from ingestion.errors import InvalidInstance
from ingestion.models import StorageSpace
from tests.builders import build_ct, new_uid, part10_bytes
from tests.bundled_files import BUNDLED_FILES, bundled_name
from tests.held_instances import hold
from tests.integration.dicomweb.paths import instance_path
from tests.integration.dicomweb.web_client import WebClient, content, parts

OCTETS = "application/octet-stream"
PARTS = f'multipart/related; type="{OCTETS}"'
AS_STORED = 'multipart/related; type="*/*"; transfer-syntax=*'
LUT = b"".join(number.to_bytes(2, "little") for number in range(4096))
TEXT = "äö" * 600_000
PIXELS = bytes(range(128))


def with_bulk_data(syntax: str = ExplicitVRLittleEndian) -> tuple[Dataset, dict[str, bytes]]:
    """An object with long values at several depths, and what they are in little endian."""
    is_big = syntax == ExplicitVRBigEndian
    lut = Dataset()
    lut.add_new(0x00283006, "OW", swapped(LUT, 2) if is_big else LUT)
    inner = Dataset()
    inner.add_new(0x00091001, "OB", PIXELS * 20)
    outer = Dataset()
    outer.add_new(0x00090010, "LO", "ACME")
    outer.ModalityLUTSequence = Sequence([inner, lut])
    doubles = np.arange(1000, dtype="<f8").tobytes()
    dataset = build_ct(
        transfer_syntax_uid=syntax,
        character_set="ISO_IR 192",
        extra=[
            (0x00081140, "SQ", Sequence([Dataset(), outer])),
            (0x0040A160, "UT", TEXT),
            (0x00720073, "OD", swapped(doubles, 8) if is_big else doubles),
            (0x7FE00010, "OW", swapped(PIXELS, 2) if is_big else PIXELS),
        ],
    )
    return dataset, {
        "00081140/1/00283000/0/00091001": PIXELS * 20,
        "00081140/1/00283000/1/00283006": LUT,
        "0040A160": TEXT.encode(),
        "00720073": doubles,
        "7FE00010": PIXELS,
    }


def swapped(value: bytes, word_bytes: int) -> bytes:
    return np.frombuffer(value, dtype=f"<u{word_bytes}").byteswap().tobytes()


def uris(data_set: dict[str, Any]) -> Iterator[str]:
    """Every BulkDataURI, in order."""
    for element in data_set.values():
        if "BulkDataURI" in element:
            yield element["BulkDataURI"]
        if element["vr"] == "SQ":
            for item in element.get("Value", ()):
                yield from uris(item)


def metadata(web: WebClient, path: str) -> dict[str, Any]:
    (found,) = web.json(f"{path}/metadata")
    return dict(found)


@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian]
)
def test_every_uri_of_metadata_gives_its_value(web: WebClient, syntax: str) -> None:
    dataset, expected = with_bulk_data(syntax)
    web.store(dataset)
    path = instance_path(dataset)
    found = list(uris(metadata(web, path)))
    assert [uri.partition("/bulkdata/")[2] for uri in found] == list(expected)
    for uri, value in zip(found, expected.values(), strict=True):
        response = web.get(uri.removeprefix("http://testserver"), accept=OCTETS)
        assert content(response) == value
        assert response["Content-Length"] == str(len(value))
        assert response["Content-Location"] == uri
        ((headers, body),) = parts(web.get(uri.removeprefix("http://testserver"), accept=PARTS))
        assert (headers["Content-Location"], body) == (uri, value)
    everything = parts(web.get(f"{path}/bulkdata"))
    assert [headers["Content-Location"] for headers, _ in everything] == found
    assert [body for _, body in everything] == list(expected.values())


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@pytest.mark.parametrize("path", BUNDLED_FILES, ids=bundled_name)
def test_every_uri_of_bundled_files_gives_its_value(
    web: WebClient, space: StorageSpace, path: Path
) -> None:
    try:
        instance = hold(space, path.read_bytes())
    except InvalidInstance:
        return
    dataset = dcmread(path, force=True)
    address = instance_path(dataset)
    for uri in uris(metadata(web, address)):
        tag_path = uri.partition("/bulkdata/")[2]
        response = web.get(uri.removeprefix("http://testserver"), accept=f"{PARTS}, */*")
        if tag_path == "7FE00010":
            assert response.status_code in {200, 406}
        else:
            assert response.status_code == 200
        if tag_path == "7FE00010" and not instance.transfer_syntax_uid.endswith(".2.2"):
            response = web.get(f"{address}/bulkdata/{tag_path}", accept=AS_STORED)
            expected = pixel_parts(dataset, instance.transfer_syntax_uid)
            assert [body for _, body in parts(response)] == expected
    assert web.get(f"{address}/bulkdata").status_code in {200, 404, 406}
    assert web.get(f"{address}/pixeldata").status_code in {200, 404, 406}
    assert web.get(f"{address}/frames/1").status_code in {200, 404, 406}


def pixel_parts(dataset: Dataset, syntax: str) -> list[bytes]:
    if not dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        return [dataset.PixelData]
    count = int(dataset.get("NumberOfFrames", 1))
    return list(generate_frames(dataset.PixelData, number_of_frames=count))


@pytest.mark.parametrize(
    "tag_path",
    ["00100010", "7FE00008", "00081140", "00081140/7/00091001", "x", "7FE00010/0", "%00"],
)
def test_what_metadata_does_not_name_is_404(web: WebClient, tag_path: str) -> None:
    dataset, _ = with_bulk_data()
    web.store(dataset)
    assert web.get(f"{instance_path(dataset)}/bulkdata/{tag_path}").status_code == 404


def test_a_value_answers_ranges_and_conditions(web: WebClient) -> None:
    dataset, expected = with_bulk_data(ExplicitVRBigEndian)
    web.store(dataset)
    for tag_path, value in expected.items():
        path = f"{instance_path(dataset)}/bulkdata/{tag_path}"
        etag = web.get(path, accept=OCTETS)["ETag"]
        for first, last in ((0, 0), (3, 3), (5, 101), (len(value) - 3, len(value) - 1)):
            part = web.get(path, accept=OCTETS, headers={"Range": f"bytes={first}-{last}"})
            assert (part.status_code, content(part)) == (206, value[first : last + 1])
        for accept, unchanged in ((OCTETS, etag), (PARTS, web.get(path, accept=PARTS)["ETag"])):
            response = web.get(path, accept=accept, headers={"If-None-Match": unchanged})
            assert (response.status_code, content(response)) == (304, b"")
        head = web.get(path, accept=OCTETS, method="HEAD")
        assert (head["Content-Length"], content(head)) == (str(len(value)), b"")


def test_a_value_is_octets_and_can_run_nothing(web: WebClient) -> None:
    dataset, _ = with_bulk_data()
    web.store(dataset)
    path = f"{instance_path(dataset)}/bulkdata/0040A160"
    for accept in ("*/*", "text/html, */*;q=0.8", "application/*", None):
        response = web.get(path, accept=accept)
        assert response["Content-Type"] == OCTETS
        assert response["Content-Security-Policy"] == "sandbox"
        assert response["X-Content-Type-Options"] == "nosniff"
    assert web.get(path, accept="text/html").status_code == 406


@pytest.mark.parametrize("length", [4001, 4002])
def test_a_document_is_what_it_says_without_its_padding(web: WebClient, length: int) -> None:
    document = b"%PDF-1.7 " + bytes(length - 9)
    dataset = build_ct(
        extra=[
            (0x00080016, "UI", EncapsulatedPDFStorage),
            (0x00280010, "US", None),
            (0x00420011, "OB", document + b"\0" * (length % 2)),
            (0x00420012, "LO", "application/pdf"),
            (0x00420015, "UL", length),
            (0x7FE00010, "OW", None),
        ]
    )
    web.store(dataset)
    path = f"{instance_path(dataset)}/bulkdata/00420011"
    for accept in ("application/pdf", "*/*", None, 'multipart/related; type="application/pdf"'):
        response = web.get(path, accept=accept)
        assert "application/pdf" in response["Content-Type"]
        body = parts(response)[0][1] if accept and "multipart" in accept else content(response)
        assert body == document
    assert web.get(path, accept=OCTETS)["Content-Type"] == OCTETS
    assert web.get(path, accept="text/xml").status_code == 406


def test_a_document_of_a_type_that_can_run_is_octets(web: WebClient) -> None:
    dataset = build_ct(
        extra=[
            (0x00420011, "OB", b"<script>" * 1000),
            (0x00420012, "LO", "text/html"),
        ]
    )
    web.store(dataset)
    response = web.get(f"{instance_path(dataset)}/bulkdata/00420011", accept="text/html, */*")
    assert response["Content-Type"] == OCTETS


def test_an_icon_in_fragments_is_its_code_stream(web: WebClient) -> None:
    icon = Dataset()
    icon.Rows = icon.Columns = 4
    icon.add_new(0x7FE00010, "OB", encapsulate([b"\xff\xd8icon"]))
    icon["PixelData"].is_undefined_length = True
    dataset = build_ct(
        transfer_syntax_uid=JPEGBaseline8Bit, extra=[(0x00880200, "SQ", Sequence([icon]))]
    )
    web.store(dataset)
    path = f"{instance_path(dataset)}/bulkdata/00880200/0/7FE00010"
    response = web.get(path)
    assert content(response) == b"\xff\xd8icon"
    assert response["Content-Type"] == f"image/jpeg; transfer-syntax={JPEGBaseline8Bit}"


def test_compressed_pixel_data_is_a_part_per_frame_or_decoded_together(web: WebClient) -> None:
    frames = [bytes([number, 1]) * 64 for number in range(3)]
    dataset = build_ct(extra=[(0x00280008, "IS", "3"), (0x7FE00010, "OW", b"".join(frames))])
    dataset.compress(RLELossless, generate_instance_uid=False)
    web.store(dataset)
    path = f"{instance_path(dataset)}/bulkdata/7FE00010"
    streams = list(generate_frames(dataset.PixelData, number_of_frames=3))
    assert [body for _, body in parts(web.get(path, accept=AS_STORED))] == streams
    assert [body for _, body in parts(web.get(path))] == [b"".join(frames)]
    response = web.get(path, accept=OCTETS)
    assert content(response) == b"".join(frames)
    part = web.get(path, accept=OCTETS, headers={"Range": "bytes=120-300"})
    assert content(part) == b"".join(frames)[120:301]
    assert web.get(path, accept="image/dicom-rle").status_code == 406


@pytest.mark.parametrize("removed", [0x00280010, 0x00280004, 0x00280100])
def test_pixels_that_make_no_frames_are_a_value(web: WebClient, removed: int) -> None:
    """Metadata names them, and somebody may know what they are."""
    dataset = build_ct(extra=[(0x7FE00010, "OW", PIXELS), (removed, "US", None)])
    web.store(dataset)
    path = instance_path(dataset)
    (uri,) = uris(metadata(web, path))
    asked = uri.removeprefix("http://testserver")
    assert content(web.get(asked, accept=OCTETS)) == PIXELS
    assert content(web.get(asked)) == PIXELS
    assert [body for _, body in parts(web.get(asked, accept=PARTS))] == [PIXELS]
    assert web.get(asked, accept="image/jp2").status_code == 406
    assert web.get(f"{path}/frames/1").status_code == 406


def test_bulk_data_of_a_study_and_a_series(web: WebClient) -> None:
    study, series = new_uid(), new_uid()
    datasets = [
        build_ct(study_instance_uid=study, series_instance_uid=item) for item in (series, "")
    ]
    for number, dataset in enumerate(datasets):
        dataset.SeriesNumber = number
    web.store(*datasets)
    path = f"/dicomweb/studies/{study}"
    assert len(parts(web.get(f"{path}/bulkdata", accept=PARTS))) == 2
    assert len(parts(web.get(f"{path}/series/{series}/bulkdata"))) == 1
    assert web.get(f"{path}/bulkdata", accept="application/dicom+json").status_code == 406


def test_statements_for_a_value_are_few(web: WebClient) -> None:
    dataset, _ = with_bulk_data()
    web.store(dataset)
    with CaptureQueriesContext(connection) as captured:
        web.get(f"{instance_path(dataset)}/bulkdata/0040A160")
    assert len(captured) == 2  # the spaces, the instance


def test_an_object_that_its_store_lost_is_an_error(web: WebClient, space: StorageSpace) -> None:
    dataset = build_ct()
    instance = hold(space, part10_bytes(dataset))
    instance.store.delete(instance.location)
    for name in ("frames/1", "bulkdata/7FE00010", "bulkdata", "pixeldata"):
        response = web.get(f"{instance_path(dataset)}/{name}")
        assert response.status_code == 500
        assert json.loads(response.content)["code"] == "object-missing"
