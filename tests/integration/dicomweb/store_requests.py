"""Store requests of metadata and bulk data, written as clients write them."""

import json
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from PIL import Image
from pydicom.dataset import Dataset

from ingestion.dicom.xml_model import to_xml
from tests.builders import build_ct, new_uid
from tests.integration.dicomweb.web_client import BOUNDARY

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"
JSON_TYPE = f'multipart/related; type="application/dicom+json"; boundary="{BOUNDARY}"'
XML_TYPE = f'multipart/related; type="application/dicom+xml"; boundary="{BOUNDARY}"'

JsonDataSet = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RawPart:
    """A part as it is sent."""

    content: bytes
    content_type: str = "application/octet-stream"
    location: str = ""


def body(*parts: RawPart, line_end: str = "\r\n", is_closed: bool = True) -> bytes:
    written = b""
    for part in parts:
        lines = [f"--{BOUNDARY}"]
        lines += [f"Content-Type: {part.content_type}"] if part.content_type else []
        lines += [f"Content-Location: {part.location}"] if part.location else []
        written += line_end.join([*lines, "", ""]).encode() + part.content + line_end.encode()
    return written + (f"--{BOUNDARY}--{line_end}".encode() if is_closed else b"")


def json_part(*data_sets: Any) -> RawPart:
    return RawPart(json.dumps(data_sets, ensure_ascii=False).encode(), "application/dicom+json")


def xml_part(data_set: JsonDataSet) -> RawPart:
    return RawPart(to_xml(data_set), "application/dicom+xml")


def metadata(sop_class_uid: str = SECONDARY_CAPTURE, **attributes: Any) -> JsonDataSet:
    """A data set without pixels; `attributes` are `x7FE00010={…}`, None removes one."""
    found: JsonDataSet = {
        "00080016": {"vr": "UI", "Value": [sop_class_uid]},
        "00080018": {"vr": "UI", "Value": [new_uid()]},
        "00080060": {"vr": "CS", "Value": ["OT"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Döe^Jane"}]},
        "00100020": {"vr": "LO", "Value": ["P-1001"]},
        "0020000D": {"vr": "UI", "Value": [new_uid()]},
        "0020000E": {"vr": "UI", "Value": [new_uid()]},
    }
    found |= {name.removeprefix("x"): value for name, value in attributes.items()}
    return {tag: value for tag, value in found.items() if value is not None}


def bulk(uri: str, vr: str = "OB") -> JsonDataSet:
    return {"vr": vr, "BulkDataURI": uri}


def uid_of(data_set: JsonDataSet) -> str:
    return str(data_set["00080018"]["Value"][0])


def ct_metadata(uri: str, *, rows: int = 8, columns: int = 8) -> tuple[JsonDataSet, Dataset, bytes]:
    """A CT image as JSON with its pixels at `uri`, as a data set, and its pixels."""
    dataset = build_ct(rows=rows, columns=columns)
    pixels = dataset.PixelData
    del dataset.PixelData
    document = dataset.to_json_dict() | {"7FE00010": bulk(uri, "OW")}
    return document, dataset, pixels


def jpeg(mode: str = "RGB", size: tuple[int, int] = (30, 20), **options: Any) -> bytes:
    """An image of one colour."""
    buffer = BytesIO()
    Image.new(mode, size, 90).save(buffer, "JPEG", **options)
    return buffer.getvalue()
