"""STOW-RS of PNG and GIF, which become native pixels (PS3.18 Table 10.5.2-1, "Transform")."""

import json
from io import BytesIO
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.uid import ExplicitVRLittleEndian

from ingestion.models import Instance
from tests.integration.dicomweb.paths import instance_path
from tests.integration.dicomweb.store_requests import (
    JSON_TYPE,
    RawPart,
    body,
    bulk,
    json_part,
    metadata,
    uid_of,
)
from tests.integration.dicomweb.web_client import WebClient, content, value

RAMP = np.arange(7 * 5, dtype=np.uint8).reshape(7, 5)
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def file_of(image: Image.Image, name: str = "PNG", **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def stored(
    web: WebClient, *parts: RawPart, **attributes: Any
) -> tuple[pydicom.FileDataset, np.ndarray[Any, Any]]:
    """The instance that parts at `px` make, as a client gets it back, and its pixels."""
    document = metadata(x7FE00010=bulk("px"), **attributes)
    response = web.post(body(json_part(document), *parts), content_type=JSON_TYPE)
    assert response.status_code == 200, response.content
    dataset = pydicom.Dataset.from_json(
        {tag: document[tag] for tag in ("00080018", "0020000D", "0020000E")}
    )
    answer = web.get(instance_path(dataset), accept="application/dicom; transfer-syntax=*")
    found = pydicom.dcmread(BytesIO(content(answer)))
    assert found.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    return found, found.pixel_array


@pytest.mark.parametrize("mode", ["L", "LA", "1"])
def test_a_grey_png_is_monochrome2(web: WebClient, mode: str) -> None:
    image = Image.fromarray(RAMP * 7).convert(mode)
    found, pixels = stored(web, RawPart(file_of(image), "image/png", "px"))
    assert np.array_equal(pixels, np.asarray(image.convert("L")))
    assert (found.PhotometricInterpretation, found.SamplesPerPixel) == ("MONOCHROME2", 1)
    assert (found.BitsAllocated, found.BitsStored, found.HighBit) == (8, 8, 7)
    assert len(found.PixelData) == 36  # of 35 pixels


@pytest.mark.parametrize("bits_stored", [None, 12])
def test_sixteen_bits_of_grey_are_kept(web: WebClient, bits_stored: int | None) -> None:
    wide = RAMP.astype(np.uint16) * 100
    said = {"x00280101": {"vr": "US", "Value": [bits_stored]}} if bits_stored else {}
    found, pixels = stored(web, RawPart(file_of(Image.fromarray(wide)), "image/png", "px"), **said)
    assert np.array_equal(pixels, wide)
    assert found["PixelData"].VR == "OW"
    assert found.BitsStored == (bits_stored or 16)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
@pytest.mark.parametrize("name", ["PNG", "GIF"])
def test_colours_are_rgb_and_nothing_is_transparent(web: WebClient, mode: str, name: str) -> None:
    image = Image.new("RGB", (5, 7), RED)
    image.paste(BLUE, (2, 0, 5, 7))
    options = {"transparency": b"\0" * 3 if name == "PNG" else 0} if mode == "P" else {}
    sent = file_of(image.convert(mode), name, **options)
    found, pixels = stored(web, RawPart(sent, f"image/{name.lower()}", "px"))
    assert np.array_equal(pixels, np.asarray(image))
    assert (found.PhotometricInterpretation, found.PlanarConfiguration) == ("RGB", 0)
    assert "NumberOfFrames" not in found


def test_an_animation_has_a_frame_for_each_picture(web: WebClient) -> None:
    pictures = [Image.new("RGB", (4, 3), colour) for colour in (RED, GREEN, BLUE)]
    sent = file_of(pictures[0], "GIF", save_all=True, append_images=pictures[1:])
    found, pixels = stored(web, RawPart(sent, "image/gif", "px"))
    assert found.NumberOfFrames == 3
    assert [tuple(frame[0, 0]) for frame in pixels] == [RED, GREEN, BLUE]


def test_several_files_are_frames_in_their_order(web: WebClient) -> None:
    sent = [file_of(Image.fromarray(RAMP + number)) for number in range(3)]
    parts = [RawPart(one, "image/png", f"px/frames/{n}") for n, one in enumerate(sent, start=1)]
    found, pixels = stored(web, *parts)
    assert found.NumberOfFrames == 3
    assert np.array_equal(pixels, np.stack([RAMP, RAMP + 1, RAMP + 2]))


@pytest.mark.parametrize(
    ("images", "attributes", "reason"),
    [
        ([file_of(Image.fromarray(RAMP))[:45]], {}, 0xC000),
        ([file_of(Image.new("RGB", (300, 300), RED), "GIF")[:-300]], {}, 0xC000),
        ([b"GIF89a"], {}, 0xC000),
        ([b""], {}, 0xC000),
        ([file_of(Image.fromarray(RAMP)), file_of(Image.fromarray(RAMP.T))], {}, 0xC000),
        ([file_of(Image.fromarray(RAMP))], {"x00280010": {"vr": "US", "Value": [8]}}, 0xC000),
        ([file_of(Image.fromarray(RAMP))], {"x00280101": {"vr": "US", "Value": [7]}}, 0xC000),
        ([file_of(Image.fromarray(RAMP))], {"x00280004": {"vr": "CS", "Value": ["RGB"]}}, 0xC000),
        ([file_of(Image.fromarray(RAMP))[:24] + b"\x10\x02" + b"\0" * 99], {}, 0xC000),
        ([file_of(Image.new("L", (2000, 2000)))], {}, 0xA700),
    ],
    ids=["cut off", "cut off gif", "no image", "empty", "differ", "other rows", "other bits",
         "other colours", "wrong header", "too large"],
)  # fmt: skip
def test_what_cannot_become_pixels_is_refused(
    web: WebClient, settings: Any, images: list[bytes], attributes: dict[str, Any], reason: int
) -> None:
    limits = {"decoded_frame_bytes_max": 1_000_000}
    settings.LIMITS = settings.LIMITS.model_copy(update=limits)
    document = metadata(x7FE00010=bulk("px"), **attributes)
    media_types = ["image/gif" if image.startswith(b"GIF") else "image/png" for image in images]
    parts = [RawPart(*sent, "px") for sent in zip(images, media_types, strict=True)]
    response = web.post(body(json_part(document), *parts), content_type=JSON_TYPE)
    assert response.status_code == 409, response.content
    (failed,) = json.loads(response.content)["00081198"]["Value"]
    assert value(failed, "00081155") == uid_of(document)
    assert value(failed, "00081197") == reason
    assert not Instance.objects.exists()
