"""Frames become arrays whatever their encoding (PS3.3 C.7.6.3, PS3.5 8), or one error."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.pixels.utils import pixel_array

from ingestion.dicom.pixels.decoding import ImagePixel, decode_frame, image_pixel
from ingestion.errors import UnreadablePixelData
from tests.bundled_files import BUNDLED_FILES, TWELVE_BITS, bundled_name
from tests.image_frames import BIG_ENDIAN, EXPLICIT_LITTLE, stored_image

JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
ENCAPSULATED_UNCOMPRESSED = "1.2.840.10008.1.2.1.98"


def image(**changes: Any) -> ImagePixel:
    """Two rows of three pixels of 8 bits, or what is said."""
    return ImagePixel(
        **{
            "rows": 2,
            "columns": 3,
            "samples_per_pixel": 1,
            "photometric_interpretation": "MONOCHROME2",
            "bits_allocated": 8,
            "bits_stored": 8,
            "pixel_representation": 0,
            "planar_configuration": 0,
            "number_of_frames": 1,
            "pixel_keyword": "PixelData",
            **changes,
        }
    )


def header(**changes: Any) -> dict[str, Any]:
    """The same in DICOM JSON; None takes an element away."""
    values = {
        "00280002": 1,
        "00280004": "MONOCHROME2",
        "00280010": 2,
        "00280011": 3,
        "00280100": 8,
        "00280101": 8,
        "00280103": 0,
        "7FE00010": "",
    } | changes
    return {tag: {"Value": [value]} for tag, value in values.items() if value is not None}


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@pytest.mark.parametrize("path", BUNDLED_FILES, ids=bundled_name)
def test_frames_of_bundled_files_are_as_pydicom_decodes_them(path: Path) -> None:
    stored = stored_image(path)
    if stored is None or stored.transfer_syntax_uid == BIG_ENDIAN:
        return  # no image; frames of big endian are turned before they are decoded
    told = image_pixel(stored.header)
    decoded = [
        decode_frame(frame, told, transfer_syntax_uid=stored.transfer_syntax_uid)
        for frame in stored.frames[:3]
    ]
    if path.name in TWELVE_BITS:
        pixels = decoded[0].pixels
        assert (pixels.min(), pixels.max(), pixels.mean()) == TWELVE_BITS[path.name]
        return
    expected = pixel_array(stored.dataset, raw=True)
    for index, found in enumerate(decoded):
        frame = expected[index] if told.number_of_frames > 1 else expected
        assert found.pixels.dtype == frame.dtype
        np.testing.assert_array_equal(found.pixels, frame)


def test_bits_are_unpacked_from_the_lowest() -> None:
    found = decode_frame(
        b"\x2a", image(bits_allocated=1, bits_stored=1), transfer_syntax_uid=EXPLICIT_LITTLE
    )
    np.testing.assert_array_equal(found.pixels, [[0, 1, 0], [1, 0, 1]])


@pytest.mark.parametrize(
    ("bits", "sign", "dtype"),
    [(8, 1, "i1"), (16, 0, "<u2"), (16, 1, "<i2"), (32, 0, "<u4"), (32, 1, "<i4"), (64, 0, "<u8")],
)
def test_integers_of_every_size(bits: int, sign: int, dtype: str) -> None:
    expected = np.array([[0, 1, 2], [3, 100, 127]], dtype=dtype) * (-1 if sign else 1)
    found = decode_frame(
        expected.astype(dtype).tobytes(),
        image(bits_allocated=bits, bits_stored=bits, pixel_representation=sign),
        transfer_syntax_uid=EXPLICIT_LITTLE,
    )
    np.testing.assert_array_equal(found.pixels, expected)


@pytest.mark.parametrize(
    ("keyword", "dtype"), [("FloatPixelData", "<f4"), ("DoubleFloatPixelData", "<f8")]
)
def test_floats(keyword: str, dtype: str) -> None:
    expected = np.array([[0.5, -1, 1e9], [2, 3, 4]], dtype=dtype)
    bits = expected.dtype.itemsize * 8
    found = decode_frame(
        expected.tobytes(),
        image(pixel_keyword=keyword, bits_allocated=bits, bits_stored=bits),
        transfer_syntax_uid=EXPLICIT_LITTLE,
    )
    np.testing.assert_array_equal(found.pixels, expected)


def test_unused_bits_say_nothing() -> None:
    found = decode_frame(
        np.array([0xF001, 0x0FFF, 0, 0, 0, 0], dtype="<u2").tobytes(),
        image(bits_allocated=16, bits_stored=12),
        transfer_syntax_uid=EXPLICIT_LITTLE,
    )
    np.testing.assert_array_equal(found.pixels[0], [1, 0xFFF, 0])


@pytest.mark.parametrize("planar", [0, 1])
def test_planes_become_samples(planar: int) -> None:
    expected = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    stored = expected.transpose(2, 0, 1) if planar else expected
    found = decode_frame(
        stored.tobytes(),
        image(samples_per_pixel=3, photometric_interpretation="RGB", planar_configuration=planar),
        transfer_syntax_uid=EXPLICIT_LITTLE,
    )
    np.testing.assert_array_equal(found.pixels, expected)


def test_halved_chrominance_is_of_both_pixels() -> None:
    """PS3.3 C.7.6.3.1.2: Y1 Y2 CB CR."""
    found = decode_frame(
        bytes([10, 20, 1, 2, 30, 40, 3, 4]),
        image(rows=1, columns=4, samples_per_pixel=3, photometric_interpretation="YBR_FULL_422"),
        transfer_syntax_uid=EXPLICIT_LITTLE,
    )
    expected = [[[10, 1, 2], [20, 1, 2], [30, 3, 4], [40, 3, 4]]]
    np.testing.assert_array_equal(found.pixels, expected)
    assert found.photometric_interpretation == "YBR_FULL"


def test_uncompressed_frames_in_fragments_are_frames() -> None:
    found = decode_frame(bytes(range(6)), image(), transfer_syntax_uid=ENCAPSULATED_UNCOMPRESSED)
    np.testing.assert_array_equal(found.pixels.ravel(), range(6))


def jpeg(markers: bytes, mode: str) -> bytes:
    """A JPEG of (200, 50, 20) whose first segment is replaced by other markers."""
    pixels = np.full((16, 16, 3), (200, 50, 20), dtype=np.uint8)
    buffer = BytesIO()
    Image.frombytes("RGB", (16, 16), pixels.tobytes()).save(
        buffer, "JPEG", quality=95, subsampling=0, keep_rgb=mode == "rgb"
    )
    encoded = buffer.getvalue()
    length = int.from_bytes(encoded[4:6], "big")
    is_jfif = encoded[6:10] == b"JFIF"
    return encoded[:2] + markers + encoded[4 + length if is_jfif else 2 :]


JFIF = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
ADOBE_YCC = b"\xff\xee\x00\x0eAdobe\x00d\x00\x00\x00\x00\x01"


@pytest.mark.parametrize(
    ("markers", "mode", "said", "expected"),
    [
        (JFIF, "ycc", "RGB", "YBR_FULL"),
        (JFIF, "ycc", "YBR_FULL_422", "YBR_FULL_422"),
        (ADOBE_YCC, "ycc", "RGB", "RGB"),
        (ADOBE_YCC, "ycc", "YBR_FULL_422", "RGB"),
        (b"", "ycc", "YBR_FULL_422", "YBR_FULL_422"),
        (b"", "rgb", "YBR_FULL_422", "RGB"),
        (b"", "rgb", "RGB", "RGB"),
    ],
)
def test_a_code_stream_knows_its_colours_better(
    markers: bytes, mode: str, said: str, expected: str
) -> None:
    told = image(rows=16, columns=16, samples_per_pixel=3, photometric_interpretation=said)
    found = decode_frame(jpeg(markers, mode), told, transfer_syntax_uid=JPEG_BASELINE)
    assert found.photometric_interpretation == expected
    colour = (200, 50, 20) if expected == "RGB" else (91, 88, 205)
    np.testing.assert_allclose(found.pixels[8, 8], colour, atol=3)


@pytest.mark.parametrize(
    "changes",
    [
        {"00280010": None},
        {"00280010": 0},
        {"00280011": -1},
        {"00280011": 65536},
        {"00280010": "many"},
        {"00280010": {"Alphabetic": "x"}},
        {"00280002": 2},
        {"00280002": 3},
        {"00280004": None},
        {"00280004": "SEPIA"},
        {"00280100": 12},
        {"00280100": None},
        {"00280101": 9},
        {"00280101": 0},
        {"00280103": 2},
        {"00280006": 7},
        {"00280008": -3},
        {"00280008": "1A"},
        {"7FE00010": None},
    ],
)
def test_absurd_attributes_are_unreadable(changes: dict[str, Any]) -> None:
    with pytest.raises(UnreadablePixelData):
        image_pixel(header(**changes))


def test_what_may_be_absent_has_its_usual_value() -> None:
    found = image_pixel(header(**{"00280002": None, "00280101": None, "00280103": None}))
    assert found == image()


@pytest.mark.parametrize(
    ("frame", "changes", "syntax"),
    [
        (b"\0" * 5, {}, EXPLICIT_LITTLE),
        (b"", {"rows": 65535, "columns": 65535}, EXPLICIT_LITTLE),
        (b"\0" * 6, {"rows": 65535, "columns": 65535, "bits_allocated": 64}, EXPLICIT_LITTLE),
        (b"", {}, JPEG_BASELINE),
        (b"\xff\xd8\xff", {}, JPEG_BASELINE),
        (jpeg(JFIF, "ycc"), {}, JPEG_BASELINE),
        (b"\xff\x4f\xff\x51" + b"\xff" * 60, {}, "1.2.840.10008.1.2.4.90"),
        (b"\0" * 70, {}, "1.2.840.10008.1.2.5"),
        (b"\0" * 6, {}, "1.2.840.10008.1.2.4.102"),
        (b"\0" * 6, {}, "1.2.3.4"),
        (b"\0" * 6, {}, "nonsense"),
    ],
)
def test_what_cannot_be_decoded_is_unreadable(
    frame: bytes, changes: dict[str, Any], syntax: str
) -> None:
    with pytest.raises(UnreadablePixelData):
        decode_frame(frame, image(**changes), transfer_syntax_uid=syntax)


def test_a_code_stream_larger_than_its_image_is_not_decoded() -> None:
    """40 bytes that ask for 60,000 times 60,000 pixels."""
    huge = bytearray(jpeg(b"", "ycc"))
    start = huge.index(b"\xff\xc0")
    huge[start + 5 : start + 9] = (60000).to_bytes(2, "big") * 2
    told = image(rows=16, columns=16, samples_per_pixel=3, photometric_interpretation="RGB")
    with pytest.raises(UnreadablePixelData, match="dimensions"):
        decode_frame(bytes(huge), told, transfer_syntax_uid=JPEG_BASELINE)


def test_a_damaged_frame_ends_no_process_but_that_of_the_codec() -> None:
    """Bytes that were found to kill GDCM: the next frame is decoded all the same."""
    path = next(path for path in BUNDLED_FILES if path.name == "SC_rgb_jpeg_gdcm.dcm")
    stored = stored_image(path)
    assert stored is not None
    told, syntax = image_pixel(stored.header), stored.transfer_syntax_uid
    whole = stored.frames[0]
    damaged = (whole[:600] + bytes([byte]) * 900 + whole[1500:] for byte in range(0, 256, 15))
    for frame in damaged:
        try:
            decode_frame(frame, told, transfer_syntax_uid=syntax)
        except UnreadablePixelData:
            continue
    found = decode_frame(whole, told, transfer_syntax_uid=syntax)
    np.testing.assert_array_equal(found.pixels, pixel_array(stored.dataset, raw=True))


@settings(max_examples=60)
@given(noise=st.binary(max_size=80), place=st.integers(0, 400), cut=st.integers(0, 700))
def test_damaged_code_streams_give_pixels_or_one_error(noise: bytes, place: int, cut: int) -> None:
    stream = bytearray(jpeg(JFIF, "ycc"))
    stream[place : place + len(noise)] = noise
    told = image(rows=16, columns=16, samples_per_pixel=3, photometric_interpretation="RGB")
    try:
        found = decode_frame(bytes(stream[:cut]), told, transfer_syntax_uid=JPEG_BASELINE)
    except UnreadablePixelData:
        return
    assert found.pixels.shape == (16, 16, 3)
