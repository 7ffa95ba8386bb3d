"""STOW-RS of metadata and bulk data: the instances they make (PS3.18 10.5.1.4, 10.5.2)."""

from io import BytesIO
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset
from pydicom.encaps import generate_frames, parse_basic_offsets
from pydicom.uid import ExplicitVRLittleEndian

from ingestion.models import Instance
from tests.builders import build_ct, part10_bytes
from tests.bundled_files import BUNDLED_FILES
from tests.integration.dicomweb.store_requests import (
    ENCAPSULATED_PDF,
    JSON_TYPE,
    XML_TYPE,
    RawPart,
    body,
    bulk,
    ct_metadata,
    jpeg,
    json_part,
    metadata,
    uid_of,
    xml_part,
)
from tests.integration.dicomweb.web_client import STOW_TYPE, WebClient, content

DOCUMENT = b"%PDF-1.4 of odd length.\n%%EOF"


def retrieved(web: WebClient, data_set: dict[str, Any]) -> FileDataset:
    """The instance as a client gets it back."""
    instance = Instance.objects.select_related("series__study").get(
        sop_instance_uid=uid_of(data_set)
    )
    path = (
        f"/dicomweb/studies/{instance.series.study.study_instance_uid}"
        f"/series/{instance.series.series_instance_uid}/instances/{instance.sop_instance_uid}"
    )
    response = web.get(path, accept="application/dicom; transfer-syntax=*")
    assert response.status_code == 200
    return pydicom.dcmread(BytesIO(content(response)))


def stored(web: WebClient, *parts: RawPart, content_type: str = JSON_TYPE) -> None:
    response = web.post(body(*parts), content_type=content_type)
    assert response.status_code == 200, response.content


def bundled_frames(name: str) -> tuple[FileDataset, list[bytes]]:
    (path,) = [path for path in BUNDLED_FILES if path.name == name]
    dataset = pydicom.dcmread(path)
    frames = int(dataset.get("NumberOfFrames") or 1)
    return dataset, list(generate_frames(dataset.PixelData, number_of_frames=frames))


@pytest.mark.parametrize("content_type", [JSON_TYPE, XML_TYPE])
@pytest.mark.parametrize("uri", ["bulk/1", "https://a.example/x?y=1&z=2"])
def test_uncompressed_pixels_make_explicit_little_endian(
    web: WebClient, content_type: str, uri: str
) -> None:
    document, dataset, pixels = ct_metadata(uri)
    part = json_part(document) if content_type == JSON_TYPE else xml_part(document)
    stored(web, part, RawPart(pixels, location=uri), content_type=content_type)
    found = retrieved(web, document)
    assert found.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert found.PixelData == pixels
    assert found.SpecificCharacterSet == "ISO_IR 192"
    del found.PixelData, found.SpecificCharacterSet
    assert found.to_json_dict() == dataset.to_json_dict()


@pytest.mark.parametrize(
    ("uri", "location"),
    [
        ("bulk/1", "/dicomweb/bulk/1"),
        ("http://testserver/dicomweb/bulk/1", "bulk/1"),
        ("../dicomweb/bulk/1", " ./bulk/1 "),
        ("urn:uuid:3ba1b0e4", "urn:uuid:3ba1b0e4"),
        ("http://[broken", "http://[broken"),
        ("bulk/1", "bulk/1/frames/1"),
    ],
)
def test_locations_are_resolved_before_they_are_compared(
    web: WebClient, uri: str, location: str
) -> None:
    document, _, pixels = ct_metadata(uri)
    stored(web, json_part(document), RawPart(pixels, location=location))


def test_bulk_data_may_stand_before_the_metadata(web: WebClient) -> None:
    document, _, pixels = ct_metadata("a")
    stored(web, RawPart(pixels, location="a"), json_part(document))


def test_the_form_of_dcm4che_is_taken(web: WebClient) -> None:
    image = jpeg("L")
    data_set = metadata(x7FE00010=bulk("file:///tmp/image.jpg"))
    sent = (
        b"\r\n--myboundary\r\nContent-Type: application/dicom+xml\r\n\r\n"
        + xml_part(data_set).content
        + b"\r\n--myboundary\r\nContent-Type: image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.50"
        + b"\r\nContent-Location: file:///tmp/image.jpg\r\n\r\n"
        + image
        + b"\r\n--myboundary--\r\n"
    )
    response = web.post(
        sent,
        content_type='multipart/related; type="application/dicom+xml"; boundary=myboundary',
        headers={"Accept": "application/dicom+xml"},
    )
    assert response.status_code == 200, response.content
    assert response["Content-Type"] == "application/dicom+xml"
    assert next(generate_frames(retrieved(web, data_set).PixelData, number_of_frames=1)) == image


@pytest.mark.parametrize(
    ("mode", "options", "photometric", "syntax"),
    [
        ("L", {}, "MONOCHROME2", "1.2.840.10008.1.2.4.50"),
        ("RGB", {}, "YBR_FULL_422", "1.2.840.10008.1.2.4.50"),
        ("RGB", {"progressive": True}, "YBR_FULL_422", "1.2.840.10008.1.2.4.55"),
    ],
)
def test_what_metadata_leaves_out_a_jpeg_tells(
    web: WebClient, mode: str, options: dict[str, Any], photometric: str, syntax: str
) -> None:
    data_set = metadata(x7FE00010=bulk("a"))
    stored(web, json_part(data_set), RawPart(jpeg(mode, **options), "image/jpeg", "a"))
    found = retrieved(web, data_set)
    assert found.file_meta.TransferSyntaxUID == syntax
    assert (found.Rows, found.Columns) == (20, 30)
    assert found.SamplesPerPixel == len(mode)
    assert found.PhotometricInterpretation == photometric
    assert (found.BitsAllocated, found.BitsStored, found.HighBit) == (8, 8, 7)
    assert found.PixelRepresentation == 0
    assert found.LossyImageCompression == "01"


def test_attributes_that_are_there_are_kept(web: WebClient) -> None:
    data_set = metadata(x7FE00010=bulk("a"), x00280004={"vr": "CS", "Value": ["MONOCHROME1"]})
    stored(web, json_part(data_set), RawPart(jpeg("L"), "image/jpeg", "a"))
    assert retrieved(web, data_set).PhotometricInterpretation == "MONOCHROME1"


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("JPGExtended.dcm", "image/jpeg"),
        ("JPEGLSNearLossless_16.dcm", "image/jls"),
        ("MR_small_jpeg_ls_lossless.dcm", "image/x-jls"),
        ("MR_small_jp2klossless.dcm", "image/jp2"),
        ("JPEG2000.dcm", "image/jp2"),
        ("SC_rgb_rle_2frame.dcm", "image/dicom-rle"),
        ("examples_ybr_color.dcm", "image/jpeg"),
        ("JPEG2000.dcm", "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.4.91"),
    ],
)
def test_compressed_frames_are_encapsulated_as_they_are(
    web: WebClient, name: str, media_type: str
) -> None:
    dataset, frames = bundled_frames(name)
    frames = frames[:5]
    document = metadata(x7FE00010=bulk("a"))
    if "rle" in name or "octet" in media_type:
        for keyword in (
            "Rows",
            "Columns",
            "BitsAllocated",
            "BitsStored",
            "HighBit",
            "SamplesPerPixel",
            "PixelRepresentation",
            "PhotometricInterpretation",
        ):
            item = dataset[keyword]
            document[item.tag.json_key] = item.to_json_dict(None, 1024)
    parts = [RawPart(frame, media_type, "a") for frame in frames]
    stored(web, json_part(document), *parts)
    found = retrieved(web, document)
    assert found.file_meta.TransferSyntaxUID == dataset.file_meta.TransferSyntaxUID
    assert (found.Rows, found.Columns) == (dataset.Rows, dataset.Columns)
    assert found.get("NumberOfFrames", 1) == len(frames)
    assert list(generate_frames(found.PixelData, number_of_frames=len(frames))) == frames
    offsets = parse_basic_offsets(found.PixelData)
    assert len(offsets) == (len(frames) if len(frames) > 1 else 0)


def test_a_stored_jpeg_has_the_pixels_of_its_image(web: WebClient) -> None:
    dataset, frames = bundled_frames("MR_small_jp2klossless.dcm")
    document = metadata(x7FE00010=bulk("a"))
    stored(web, json_part(document), RawPart(frames[0], "image/jp2", "a"))
    assert np.array_equal(retrieved(web, document).pixel_array, dataset.pixel_array)


def test_a_video_is_one_fragment(web: WebClient) -> None:
    video = b"\0\0\1\xb3" + (1920 << 12 | 1080).to_bytes(3, "big") + b"\x13" * 1000
    data_set = metadata(x7FE00010=bulk("a"), x00280008={"vr": "IS", "Value": [25]})
    stored(web, json_part(data_set), RawPart(video, "video/mpeg", "a"))
    found = retrieved(web, data_set)
    assert found.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.101"
    assert (found.Rows, found.Columns, found.NumberOfFrames) == (1080, 1920, 25)
    assert video in found.PixelData


@pytest.mark.parametrize("media_type", ["application/pdf", "text/xml", "model/stl", "model/obj"])
def test_a_document_is_encapsulated_with_its_type_and_length(
    web: WebClient, media_type: str
) -> None:
    data_set = metadata(ENCAPSULATED_PDF, x00420011=bulk("report"))
    stored(web, json_part(data_set), RawPart(DOCUMENT, media_type, "report"))
    found = retrieved(web, data_set)
    assert found.EncapsulatedDocument == DOCUMENT + b"\0"
    assert found.EncapsulatedDocumentLength == len(DOCUMENT)
    assert found.MIMETypeOfEncapsulatedDocument == media_type


def test_bulk_data_in_items_and_in_line_is_stored(web: WebClient) -> None:
    icon = {"00282000": {"vr": "OB", "InlineBinary": "AAEC"}, "7FE00010": bulk("icon", "OW")}
    data_set = metadata(x00880200={"vr": "SQ", "Value": [icon]})
    stored(web, json_part(data_set), RawPart(b"12345", location="icon"))
    (found,) = retrieved(web, data_set).IconImageSequence
    assert found.ICCProfile == b"\0\1\2\0"
    assert found.PixelData == b"12345\0"


def test_text_is_kept_whatever_character_set_is_said(web: WebClient) -> None:
    data_set = metadata(x00080005={"vr": "CS", "Value": ["ISO_IR 100"]})
    stored(web, json_part(data_set))
    found = retrieved(web, data_set)
    assert str(found.PatientName) == "Döe^Jane"
    assert found.SpecificCharacterSet == "ISO_IR 192"


def test_metadata_names_the_syntax_that_its_type_leaves_open(web: WebClient) -> None:
    _, frames = bundled_frames("MR_small_jp2klossless.dcm")
    syntax = {"vr": "UI", "Value": ["1.2.840.10008.1.2.4.91"]}
    data_set = metadata(x7FE00010=bulk("a"), x00020010=syntax)
    stored(web, json_part(data_set), RawPart(frames[0], "image/jp2", "a"))
    assert retrieved(web, data_set).file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.91"


def test_metadata_alone_is_stored_with_and_without_multipart(web: WebClient) -> None:
    stored(web, json_part(metadata()))
    for part in (json_part(metadata()), xml_part(metadata())):
        response = web.post(part.content, content_type=part.content_type)
        assert response.status_code == 200, response.content
    assert Instance.objects.count() == 3


def test_files_and_metadata_may_come_together(web: WebClient) -> None:
    file = RawPart(part10_bytes(build_ct()), "application/dicom")
    stored(web, file, json_part(metadata()), content_type=STOW_TYPE)
    assert Instance.objects.count() == 2


def test_lf_only_and_no_closing_delimiter_are_taken(web: WebClient) -> None:
    document, _, pixels = ct_metadata("a")
    parts = (json_part(document), RawPart(pixels, location="a"))
    sent = body(*parts, line_end="\n", is_closed=False)
    assert web.post(sent, content_type=JSON_TYPE).status_code == 200
