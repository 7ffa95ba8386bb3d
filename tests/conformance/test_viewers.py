"""Requests of viewers as they put them on the wire: OHIF 3, cornerstone's image loader, Weasis."""

from xml.etree import ElementTree as ET

import pytest

from tests.builders import build_ct, new_uid, part10_bytes
from tests.conformance.wire import Wire, stow_of_ohif

EXPLICIT = "1.2.840.10008.1.2.1"
STUDY_LIST_FIELDS = "00081030%2C00080060%2C00080090%2C00100030"
BROWSER_IMAGE = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"


def values(data_set: dict[str, dict[str, object]], tag: str) -> object:
    return data_set[tag].get("Value")


# OHIF


@pytest.mark.parametrize(
    "filter_text",
    [
        "",
        "&PatientName=*doe*",
        "&00100020=*1001*",
        "&AccessionNumber=*2002*",
        "&StudyDescription=*abdomen*",
        "&ModalitiesInStudy=CT%2CMR",
        "&ModalitiesInStudy=CT%5CMR",
        "&StudyDate=20260101-20261231",
    ],
)
def test_ohif_lists_studies(wire: Wire, filter_text: str) -> None:
    answer = wire.get(
        "/dicomweb/studies?limit=101&offset=0&fuzzymatching=false"
        f"&includefield={STUDY_LIST_FIELDS}{filter_text}",
        "Accept: application/dicom+json",
    )
    (found,) = answer.data_sets()
    for tag in (
        *("0020000D", "00080020", "00080030", "00080050", "00100020", "00100010", "00100030"),
        *("00201208", "00081030", "00080061", "00080090"),
    ):
        assert tag in found
    assert values(found, "00201208") == [2]


@pytest.mark.parametrize("separator", ["%5C", "%2C", ","])
def test_ohif_asks_for_several_studies_by_uid(wire: Wire, separator: str) -> None:
    uids = separator.join([new_uid(), wire.instances[0].StudyInstanceUID, new_uid()])
    answer = wire.get(f"/dicomweb/studies?StudyInstanceUID={uids}")
    assert len(answer.data_sets()) == 1


def test_ohif_lists_series(wire: Wire) -> None:
    answer = wire.get(f"{wire.study}/series?includefield=0008103E%2C00080021")
    (found,) = answer.data_sets()
    assert values(found, "00201209") == [2]
    assert values(found, "00200011") == [3]
    assert "0008103E" in found


APPENDED = (
    "Accept: application/dicom+json, multipart/related; type=application/octet-stream;"
    " transfer-syntax=*"
)


def test_a_header_that_xhr_appended_to_still_gets_json(wire: Wire) -> None:
    metadata = wire.get(f"{wire.series}/metadata", APPENDED)
    assert len(metadata.data_sets()) == 2
    assert len(wire.get("/dicomweb/studies", APPENDED).data_sets()) == 1


def test_elements_without_a_value_have_no_value(wire: Wire) -> None:
    bare = build_ct(extra=[(0x00080050, "SH", ""), (0x00081030, "LO", None)])
    stow_of_ohif(wire, bare)
    path = f"/dicomweb/studies?StudyInstanceUID={bare.StudyInstanceUID}&includefield=00081030"
    (found,) = wire.get(path).data_sets()
    assert "Value" not in found["00080050"]
    assert b"null" not in wire.get(path).body


# cornerstone


@pytest.mark.parametrize(
    "accept",
    [
        "multipart/related; type=application/octet-stream; transfer-syntax=*",
        'multipart/related; type="application/octet-stream"; transfer-syntax=*',
        'multipart/related; type="application/octet-stream"; transfer-syntax="*"',
        "multipart/related;type=application/octet-stream;transfer-syntax=*",
        'multipart/related; type="*/*"',
        f'multipart/related; type="application/octet-stream"; transfer-syntax={EXPLICIT}',
    ],
)
def test_cornerstone_reads_a_frame(wire: Wire, accept: str) -> None:
    answer = wire.get(f"{wire.instance}/frames/1", f"Accept: {accept}")
    assert answer.status == 200
    header, frame = answer.first_part()
    assert f"Content-Type: application/octet-stream; transfer-syntax={EXPLICIT}" in header
    assert frame == wire.instances[0].PixelData
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"


def test_a_frame_by_query_parameter_and_byte_range(wire: Wire) -> None:
    target = f"{wire.instance}/frames/1?accept=application/octet-stream"
    answer = wire.get(target, "Range: bytes=0-63", "Accept: */*")
    assert answer.status == 206
    assert answer.headers["Content-Range"] == "bytes 0-63/128"
    assert answer.body == wire.instances[0].PixelData[:64]


@pytest.mark.parametrize("level", ["study", "series", "instance"])
@pytest.mark.parametrize("resource", ["thumbnail", "rendered"])
@pytest.mark.parametrize("accept", ["image/jpeg", BROWSER_IMAGE])
def test_ohif_shows_a_thumbnail(wire: Wire, level: str, resource: str, accept: str) -> None:
    answer = wire.get(f"{getattr(wire, level)}/{resource}", f"Accept: {accept}")
    assert answer.status == 200
    if level == "instance" or resource == "thumbnail":
        assert answer.media_type == "image/jpeg"
        assert answer.body.startswith(b"\xff\xd8")


# Weasis


def test_weasis_lists_studies_series_and_instances(wire: Wire) -> None:
    accept = "Accept: application/dicom+json"
    fields = "00080020,00080030,00080050,00080061,00081030,00081190,00100010,00100020,00200010"
    (study,) = wire.get(f"/dicomweb/studies?includefield={fields}", accept).data_sets()
    assert values(study, "00081190")
    uid = wire.instances[0].SeriesInstanceUID
    (series,) = wire.get(
        f"{wire.study}/series?0020000E={uid}&includefield=00201209", accept
    ).data_sets()
    assert values(series, "0020000E") == [uid]
    page = f"{wire.series}/instances?includefield=00080016,00080018,00200013&offset=1&limit=1"
    (instance,) = wire.get(page, accept).data_sets()
    assert values(instance, "00200013") == [2]


def test_weasis_reads_a_series_in_order(wire: Wire) -> None:
    answer = wire.get(
        wire.series, 'Accept: multipart/related;type="application/dicom";transfer-syntax=*'
    )
    assert answer.status == 200
    first, second = (answer.body.find(part10_bytes(one)[-200:]) for one in wire.instances)
    assert 0 < first <= second
    assert answer.first_part()[1] == part10_bytes(wire.instances[0])


def test_weasis_shows_thumbnails_in_its_size(wire: Wire) -> None:
    answer = wire.get(f"{wire.series}/thumbnail?viewport=96%2C96", "Accept: image/jpeg")
    assert (answer.status, answer.media_type) == (200, "image/jpeg")
    answer = wire.get(f"{wire.instance}/rendered?viewport=96%2C96", "Accept: image/jpeg")
    assert (answer.status, answer.media_type) == (200, "image/jpeg")


def test_weasis_stores_and_reads_xml(wire: Wire) -> None:
    dataset = build_ct()
    body = (
        b"\r\n--mimeTypeBoundary\r\nContent-Type: application/dicom\r\n\r\n"
        + part10_bytes(dataset)
        + b"\r\n--mimeTypeBoundary--"
    )
    answer = wire.send(
        "POST /dicomweb/studies HTTP/1.1",
        "Accept: application/dicom+xml",
        'Content-Type: multipart/related; type="application/dicom"; boundary=mimeTypeBoundary',
        f"Content-Length: {len(body)}",
        body=body,
    )
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/dicom+xml"
    assert dataset.SOPInstanceUID in answer.body.decode()
    ET.fromstring(answer.body)
