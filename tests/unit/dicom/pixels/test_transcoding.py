"""Transcoding loses nothing: bundled files to every target, read again by pydicom.

Source: PS3.5 Annex A; the comparison is pydicom's own decoding of both files.
"""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from ingestion.dicom.part10 import read_file_meta
from ingestion.dicom.pixels.decoding import Decoded, ImagePixel, decode_frame, image_pixel
from ingestion.dicom.pixels.file_transcoding import transcode_file
from ingestion.dicom.pixels.frame_encoding import can_encode, encode_frame
from ingestion.dicom.pixels.transcoding import (
    TARGETS,
    can_transcode,
    can_transcode_instance,
    transcode_frame,
)
from ingestion.errors import InvalidInstance, UnreadablePixelData
from tests.builders import build_ct, part10_bytes
from tests.unit.dicom.readers import scanned_json

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
DEFLATED, BIG_ENDIAN = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"
RLE, JPEG_LOSSLESS = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.70"
JPEG_LS, JPEG_2000 = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"
NATIVE = (IMPLICIT, EXPLICIT, DEFLATED, BIG_ENDIAN)
ENCAPSULATED = (RLE, JPEG_LOSSLESS, JPEG_LS, JPEG_2000)

# What says how pixels are encoded, and may change with the encoding.
OF_THE_ENCODING = {"00280004", "00280006", "00282110", "7FE00001", "7FE00002", "7FE00010"}

FOLDER = Path(pydicom.__file__).parent / "data" / "test_files"

# Every kind of pixel that the codecs take: these must become each of the targets.
IMAGES = """
    CT_small.dcm MR_small.dcm MR_small_implicit.dcm MR_small_expb.dcm MR_small_RLE.dcm
    MR_small_jp2klossless.dcm MR_small_jpeg_ls_lossless.dcm JPEG2000.dcm 693_J2KI.dcm
    SC_rgb_jpeg_gdcm.dcm SC_rgb_rle_2frame.dcm SC_rgb_rle_16bit_2frame.dcm
    SC_rgb_dcmtk_+eb+cy+np.dcm SC_rgb_dcmtk_+eb+cy+s4.dcm SC_rgb_jls_lossy_line.dcm
    SC_rgb_jpeg_dcmtk.dcm SC_ybr_full_422_uncompressed.dcm ExplVR_BigEnd.dcm image_dfl.dcm
    examples_palette.dcm
""".split()  # noqa: SIM905  # a table

# Pixels that some codec does not take, and instances without any.
OTHERS = """
    liver_1frame.dcm liver_expb_1frame.dcm rtdose_1frame.dcm rtdose_expb_1frame.dcm test-SR.dcm
    SC_rgb_rle_32bit.dcm SC_rgb_small_odd.dcm SC_rgb_small_odd_big_endian.dcm rtplan.dcm
    waveform_ecg.dcm nested_priv_SQ.dcm priv_SQ.dcm UN_sequence.dcm no_meta_group_length.dcm
    JPEG2000-embedded-sequence-delimiter.dcm reportsi.dcm
""".split()  # noqa: SIM905  # a table


def transcoded(content: bytes, transfer_syntax_uid: str) -> bytes:
    target = BytesIO()
    transcode_file(BytesIO(content), transfer_syntax_uid, target)
    return target.getvalue()


def stored_pixels(content: bytes) -> NDArray[Any]:
    """All frames as pydicom decodes them, without any change of colours."""
    dataset = dcmread(BytesIO(content))
    decoder = get_decoder(UID(dataset.file_meta.TransferSyntaxUID))
    return decoder.as_array(dataset, raw=True)[0]


def header(content: bytes, *, is_comparable_with_implicit: bool) -> dict[str, Any]:
    """What the data set holds besides pixels; private VRs are lost in implicit VR (PS3.5 6.2.2)."""
    meta = read_file_meta(content)
    assert meta is not None
    document = scanned_json(content[meta.data_set_offset :], meta.transfer_syntax_uid)
    return {
        name: value
        for name, value in document.items()
        if name not in OF_THE_ENCODING
        and not (is_comparable_with_implicit and int(name[:4], 16) % 2)
    }


def assert_same_instance(content: bytes, transfer_syntax_uid: str) -> None:
    """Transcode, and compare all that pydicom and our own reader see."""
    made = transcoded(content, transfer_syntax_uid)
    before, after = dcmread(BytesIO(content)), dcmread(BytesIO(made))
    assert after.file_meta.TransferSyntaxUID == transfer_syntax_uid
    if before.file_meta.TransferSyntaxUID != transfer_syntax_uid and "SOPInstanceUID" in before:
        assert after.file_meta.MediaStorageSOPInstanceUID == before.SOPInstanceUID
    is_implicit = transfer_syntax_uid == IMPLICIT
    assert header(made, is_comparable_with_implicit=is_implicit) == header(
        content, is_comparable_with_implicit=is_implicit
    )
    if "PixelData" in before and "BitsAllocated" in before:
        assert np.array_equal(stored_pixels(content), stored_pixels(made))


@pytest.mark.parametrize("transfer_syntax_uid", TARGETS)
@pytest.mark.parametrize("name", IMAGES)
def test_every_kind_of_image_becomes_every_target(name: str, transfer_syntax_uid: str) -> None:
    assert_same_instance((FOLDER / name).read_bytes(), transfer_syntax_uid)


@pytest.mark.parametrize("transfer_syntax_uid", TARGETS)
@pytest.mark.parametrize("name", OTHERS)
def test_other_instances_are_the_same_or_refused(name: str, transfer_syntax_uid: str) -> None:
    content = (FOLDER / name).read_bytes()
    try:
        assert_same_instance(content, transfer_syntax_uid)
    except UnreadablePixelData:
        is_native = not dcmread(BytesIO(content)).file_meta.TransferSyntaxUID.is_compressed
        assert transfer_syntax_uid in ENCAPSULATED or not is_native, "no pixel had to be read"


@pytest.mark.parametrize("name", OTHERS + IMAGES)
def test_the_header_tells_what_can_be_made(name: str) -> None:
    """What it calls possible may fail on broken frames only."""
    content = (FOLDER / name).read_bytes()
    meta = read_file_meta(content)
    assert meta is not None
    document = scanned_json(content[meta.data_set_offset :], meta.transfer_syntax_uid)
    for target in TARGETS:
        if not can_transcode_instance(document, meta.transfer_syntax_uid, target):
            with pytest.raises(UnreadablePixelData):
                transcoded(content, target)
        elif name in IMAGES:
            transcoded(content, target)


def test_targets_are_lossless_and_said() -> None:
    assert set(TARGETS) == {*NATIVE, *ENCAPSULATED}
    assert can_transcode("1.2.840.10008.1.2.4.50", EXPLICIT)
    assert can_transcode("1.2.3", "1.2.3")
    assert not can_transcode(EXPLICIT, "1.2.840.10008.1.2.4.50")
    assert not can_transcode("1.2.840.10008.1.2.4.102", EXPLICIT), "video"


def test_the_same_syntax_is_the_same_bytes() -> None:
    content = (FOLDER / "JPEG2000.dcm").read_bytes()
    assert transcoded(content, "1.2.840.10008.1.2.4.91") == content


@pytest.mark.parametrize(
    ("name", "target", "photometric", "is_lossy"),
    [
        ("SC_rgb_jpeg_dcmtk.dcm", EXPLICIT, "YBR_FULL", True),
        ("SC_rgb_dcmtk_+eb+cr.dcm", EXPLICIT, "RGB", True),
        ("SC_rgb_rle.dcm", JPEG_2000, "YBR_RCT", False),
        ("examples_jpeg2k.dcm", EXPLICIT, "RGB", False),
        ("SC_ybr_full_422_uncompressed.dcm", RLE, "YBR_FULL", True),
        ("examples_palette.dcm", JPEG_LS, "PALETTE COLOR", False),
    ],
)
def test_the_header_says_how_pixels_are_now(
    name: str, target: str, photometric: str, is_lossy: bool
) -> None:
    """PS3.3 C.7.6.3.1.2 and C.7.6.1.1.5: colours as encoded; what was lossy stays so."""
    made = dcmread(BytesIO(transcoded((FOLDER / name).read_bytes(), target)))
    assert made.PhotometricInterpretation == photometric
    assert made.get("PlanarConfiguration", 0) == 0
    assert (made.get("LossyImageCompression") == "01") == is_lossy


def test_planes_become_pixels() -> None:
    pixels = np.arange(48, dtype="uint8").reshape(3, 4, 4)
    dataset = build_colour(4, 4, pixels.tobytes(), planar_configuration=1)
    made = dcmread(BytesIO(transcoded(part10_bytes(dataset), RLE)))
    assert np.array_equal(made.pixel_array, pixels.transpose(1, 2, 0))


def build_colour(rows: int, columns: int, pixels: bytes, *, planar_configuration: int) -> Dataset:
    return build_ct(
        rows=rows,
        columns=columns,
        extra=[
            (0x00280002, "US", 3),
            (0x00280004, "CS", "RGB"),
            (0x00280006, "US", planar_configuration),
            (0x00280100, "US", 8),
            (0x00280101, "US", 8),
            (0x00280102, "US", 7),
            (0x7FE00010, "OB", pixels),
        ],
    )


def test_overlays_in_unused_bits_are_not_lost() -> None:
    """PS3.5 8.1.2, retired: no code stream has room for them."""
    overlaid = np.full((8, 8), 0x8123, dtype="<u2").tobytes()
    content = part10_bytes(build_ct(extra=[(0x7FE00010, "OW", overlaid)]))
    with pytest.raises(UnreadablePixelData):
        transcoded(content, JPEG_LS)
    assert dcmread(BytesIO(transcoded(content, IMPLICIT))).PixelData == overlaid


def test_signs_without_extension_are_signs() -> None:
    """PS3.5 8.1.1: the bits above Bits Stored need not repeat the sign."""
    stored = np.array([[0x0FFF, 0x0800], [0x07FF, 0x0000]], dtype="<u2").repeat(8, 0).repeat(8, 1)
    content = part10_bytes(
        build_ct(
            rows=16,
            columns=16,
            extra=[(0x00280103, "US", 1), (0x7FE00010, "OW", stored.tobytes())],
        )
    )
    values = {int(value) for value in np.unique(stored_pixels(transcoded(content, JPEG_LOSSLESS)))}
    assert values == {-1, -2048, 2047, 0}


def test_a_frame_alone_is_as_in_its_file() -> None:
    dataset = dcmread(FOLDER / "CT_small.dcm")
    image = image_pixel(dataset.to_json_dict())
    frame = transcode_frame(dataset.PixelData, image=image, from_uid=EXPLICIT, to_uid=JPEG_2000)
    assert transcode_frame(frame, image=image, from_uid=JPEG_2000, to_uid=EXPLICIT) == (
        dataset.PixelData
    )
    with pytest.raises(UnreadablePixelData):
        transcode_frame(b"", image=image, from_uid=EXPLICIT, to_uid=JPEG_2000)


@pytest.mark.parametrize("transfer_syntax_uid", TARGETS)
def test_threads_do_not_disturb_each_other(transfer_syntax_uid: str) -> None:
    """Some codecs are not made for threads, and would end the process."""
    contents = [(FOLDER / name).read_bytes() for name in ("CT_small.dcm", "JPEG2000.dcm")] * 20
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda content: transcoded(content, transfer_syntax_uid), contents))
    assert made == made[:2] * 20


@pytest.mark.parametrize("transfer_syntax_uid", TARGETS)
def test_memory_holds_a_few_frames_and_never_all(transfer_syntax_uid: str) -> None:
    pixels = np.arange(64 * 256 * 256, dtype="<u2").tobytes()
    content = part10_bytes(
        build_ct(
            rows=256,
            columns=256,
            extra=[
                (0x00280008, "IS", "64"),
                (0x00280101, "US", 16),
                (0x00280102, "US", 15),
                (0x7FE00010, "OW", pixels),
            ],
        )
    )
    tracemalloc.start()
    try:
        transcode_file(BytesIO(content), transfer_syntax_uid, Discarding())
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 5 << 20, f"the file has {len(content)} bytes"


class Discarding:
    """Takes bytes and keeps none."""

    def write(self, _: bytes, /) -> None:
        pass


@st.composite
def frames(draw: st.DrawFn) -> tuple[NDArray[Any], ImagePixel]:
    """Any pixels of any image that some codec takes."""
    allocated = draw(st.sampled_from((8, 16)))
    stored = draw(st.integers(1, allocated))
    photometric = draw(st.sampled_from(("MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_FULL")))
    samples = 3 if photometric in ("RGB", "YBR_FULL") else 1
    is_signed = draw(st.booleans())
    rows, columns = draw(st.integers(1, 70)), draw(st.integers(1, 70))
    low, high = (-(1 << stored - 1), 1 << stored - 1) if is_signed else (0, 1 << stored)
    shape = (rows, columns) if samples == 1 else (rows, columns, samples)
    random = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    pixels = random.integers(low, high, size=shape, dtype=f"{'ui'[is_signed]}{allocated // 8}")
    image = ImagePixel(
        rows=rows,
        columns=columns,
        samples_per_pixel=samples,
        photometric_interpretation=photometric,
        bits_allocated=allocated,
        bits_stored=stored,
        pixel_representation=int(is_signed),
        planar_configuration=0,
        number_of_frames=1,
        pixel_keyword="PixelData",
    )
    return pixels, image


@given(frames(), st.sampled_from(ENCAPSULATED))
def test_what_a_codec_takes_it_gives_back(
    frame: tuple[NDArray[Any], ImagePixel], transfer_syntax_uid: str
) -> None:
    pixels, image = frame
    if not can_encode(image, image.photometric_interpretation, transfer_syntax_uid):
        return
    try:
        encoded = encode_frame(
            Decoded(pixels, image.photometric_interpretation), image, transfer_syntax_uid
        )
    except UnreadablePixelData:
        # CharLS gives noise in a tiny frame too little room.
        assert transfer_syntax_uid == JPEG_LS
        assert pixels.nbytes < 1000
        return
    decoded = decode_frame(encoded, image, transfer_syntax_uid=transfer_syntax_uid)
    assert np.array_equal(decoded.pixels, pixels)


@given(st.integers(0, 4000), st.binary(min_size=1, max_size=8), st.sampled_from(TARGETS))
def test_broken_pixel_data_is_refused_and_nothing_else(
    offset: int, noise: bytes, transfer_syntax_uid: str
) -> None:
    dataset = dcmread(FOLDER / "MR_small_RLE.dcm")
    content = bytearray((FOLDER / "MR_small_RLE.dcm").read_bytes())
    start = len(content) - len(dataset.PixelData) + 20 + offset
    content[start : start + len(noise)] = noise
    try:
        transcoded(bytes(content), transfer_syntax_uid)
    except (UnreadablePixelData, InvalidInstance):
        return
