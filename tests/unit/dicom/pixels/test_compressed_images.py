"""What images say of themselves, against the attributes that their files were written with."""

import struct

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import FileDataset
from pydicom.encaps import generate_frames

from ingestion.dicom.pixels.bulk_media_types import compressed_media_type
from ingestion.dicom.pixels.image_description import ImageDescription
from ingestion.dicom.pixels.jpeg_2000_images import codestream, describe_jpeg_2000
from ingestion.dicom.pixels.jpeg_images import describe_jpeg
from ingestion.dicom.pixels.videos import describe_mpeg_2, describe_mpeg_4
from ingestion.errors import MalformedDataSet, UnsupportedTransferSyntax
from tests.bundled_files import BUNDLED_FILES
from tests.unit.dicom.readers import BytesReader

# PS3.18 Table 8.7.3-4 and -5.
MEDIA_TYPES = {
    "1.2.840.10008.1.2.4.50": "image/jpeg",
    "1.2.840.10008.1.2.4.51": "image/jpeg",
    "1.2.840.10008.1.2.4.57": "image/jpeg",
    "1.2.840.10008.1.2.4.70": "image/jpeg",
    "1.2.840.10008.1.2.4.80": "image/jls",
    "1.2.840.10008.1.2.4.81": "image/jls",
    "1.2.840.10008.1.2.4.90": "image/jp2",
    "1.2.840.10008.1.2.4.91": "image/jp2",
    "1.2.840.10008.1.2.4.201": "image/jphc",
    "1.2.840.10008.1.2.4.203": "image/jphc",
}
NAMES = """
    693_J2KI.dcm GDCMJ2K_TextGBR.dcm JPEG-lossy.dcm JPEG2000.dcm JPEGLSNearLossless_08.dcm
    JPEGLSNearLossless_16.dcm JPGExtended.dcm MR_small_jp2klossless.dcm
    MR_small_jpeg_ls_lossless.dcm SC_rgb_dcmtk_+eb+cr.dcm SC_rgb_dcmtk_+eb+cy+s2.dcm
    SC_rgb_gdcm_KY.dcm SC_rgb_jls_lossy_line.dcm SC_rgb_jpeg_gdcm.dcm
    SC_rgb_small_odd_jpeg.dcm examples_jpeg2k.dcm examples_ybr_color.dcm
""".split()  # noqa: SIM905  # a word a line would be eighteen lines
# A reversible transformation under the UID that is for any.
OF_OTHER_SYNTAX = {"693_J2KI.dcm", "SC_rgb_gdcm_KY.dcm"}


def first_frame(name: str) -> tuple[FileDataset, bytes]:
    (path,) = [path for path in BUNDLED_FILES if path.name == name]
    dataset = pydicom.dcmread(path)
    frames = int(dataset.get("NumberOfFrames") or 1)
    return dataset, next(generate_frames(dataset.PixelData, number_of_frames=frames))


@pytest.mark.parametrize("name", NAMES)
def test_description_equals_the_attributes_of_the_file(name: str) -> None:
    dataset, frame = first_frame(name)
    syntax = dataset.file_meta.TransferSyntaxUID
    media_type = compressed_media_type(MEDIA_TYPES[syntax], transfer_syntax_uid="")
    assert media_type is not None
    assert media_type.describe is not None
    found = media_type.describe(BytesReader(frame))
    assert (found.rows, found.columns, found.samples_per_pixel) == (
        dataset.Rows,
        dataset.Columns,
        dataset.SamplesPerPixel,
    )
    assert found.bits_stored in (dataset.BitsStored, dataset.BitsAllocated)
    assert found.transfer_syntax_uid == syntax or name in OF_OTHER_SYNTAX
    assert syntax in media_type.transfer_syntaxes


def test_attributes_describe_a_colour_image_completely() -> None:
    attributes = ImageDescription("1.2", 2, 3, 3, 8, "RGB", frames=4).attributes()
    assert {tag: item["Value"] for tag, item in attributes.items()} == {
        "00280002": [3],
        "00280004": ["RGB"],
        "00280006": [0],
        "00280008": [4],
        "00280010": [2],
        "00280011": [3],
        "00280100": [8],
        "00280101": [8],
        "00280102": [7],
        "00280103": [0],
    }


def jpeg_2000(*, kind: int = 0, capabilities: bytes = b"", style: bytes = b"\0" * 10) -> bytes:
    size = struct.pack(">HIIIIIIIIH", kind, 70, 50, 6, 10, 70, 50, 0, 0, 3) + b"\x8b\1\1" * 3
    segments = b"\xff\x51" + struct.pack(">H", len(size) + 2) + size
    if capabilities:
        segments += b"\xff\x50" + struct.pack(">H", len(capabilities) + 2) + capabilities
    segments += b"\xff\x52" + struct.pack(">H", len(style) + 2) + style
    return b"\xff\x4f" + segments + b"\xff\x90\0\x0a"


REVERSIBLE = b"\0\0\0\1\1\5\4\4\0\1"
IRREVERSIBLE = b"\0\0\0\1\1\5\4\4\0\0"
HIGH_THROUGHPUT = struct.pack(">IH", 1 << 17, 0)


@pytest.mark.parametrize(
    ("image", "syntax", "photometric"),
    [
        (jpeg_2000(style=REVERSIBLE), "90", "YBR_RCT"),
        (jpeg_2000(style=IRREVERSIBLE), "91", "YBR_ICT"),
        (jpeg_2000(style=b"\0\0\0\1\0\5\4\4\0\1"), "90", "RGB"),
        (jpeg_2000(kind=0x8000, style=REVERSIBLE), "92", "YBR_RCT"),
        (jpeg_2000(kind=0x8000, style=IRREVERSIBLE), "93", "YBR_ICT"),
        (jpeg_2000(kind=0x4000, capabilities=HIGH_THROUGHPUT, style=REVERSIBLE), "201", "YBR_RCT"),
        (jpeg_2000(capabilities=HIGH_THROUGHPUT, style=IRREVERSIBLE), "203", "YBR_ICT"),
    ],
)
def test_jpeg_2000_tells_its_part_and_transformation(
    image: bytes, syntax: str, photometric: str
) -> None:
    found = describe_jpeg_2000(BytesReader(image))
    assert found == ImageDescription(
        f"1.2.840.10008.1.2.4.{syntax}", 40, 64, 3, 12, photometric, pixel_representation=1
    )


@pytest.mark.parametrize("length", [0, None])
def test_codestream_is_found_in_a_jp2_file(length: int | None) -> None:
    image = jpeg_2000(style=REVERSIBLE)
    box_length = len(image) + 8 if length is None else length
    behind = b"\0\0\0\x08free" if length is None else b""
    file = (
        b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 \0\0\0\0jp2 "
        + struct.pack(">I", box_length)
        + b"jp2c"
        + image
        + behind
    )
    start, size_bytes = codestream(BytesReader(file))
    assert file[start : start + size_bytes] == image
    assert describe_jpeg_2000(BytesReader(file)).rows == 40


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 8) + kind + content


def mpeg_4(entry: bytes, configuration: bytes) -> bytes:
    sample_entry = bytes(24) + struct.pack(">HH", 1280, 720) + bytes(50) + configuration
    table = box(b"stsd", bytes(8) + box(entry, sample_entry)) + box(
        b"stsz", bytes(8) + struct.pack(">I", 250)
    )
    sound = box(b"trak", box(b"stsz", bytes(8) + struct.pack(">I", 9)))
    movie = box(b"mvhd", bytes(20)) + sound + box(b"trak", table)
    return box(b"ftyp", b"isom") + box(b"mdat", b"x" * 1000) + box(b"moov", movie)


@pytest.mark.parametrize(
    ("entry", "configuration", "syntax", "bits"),
    [
        (b"avc1", box(b"avcC", b"\1\x64\0\x29"), "102", 8),
        (b"avc1", box(b"avcC", b"\1\x64\0\x2a"), "104", 8),
        (b"avc3", b"", "102", 8),
        (b"hvc1", box(b"hvcC", b"\1\1\0\0"), "107", 8),
        (b"hev1", box(b"hvcC", b"\1\2\0\0"), "108", 10),
    ],
)
def test_mpeg_4_tells_size_frames_and_profile(
    entry: bytes, configuration: bytes, syntax: str, bits: int
) -> None:
    found = describe_mpeg_4(BytesReader(mpeg_4(entry, configuration)))
    assert found == ImageDescription(
        f"1.2.840.10008.1.2.4.{syntax}", 720, 1280, 3, bits, "YBR_PARTIAL_420", frames=250
    )


@pytest.mark.parametrize(
    ("columns", "rows", "syntax"),
    [(720, 576, "1.2.840.10008.1.2.4.100"), (1920, 1080, "1.2.840.10008.1.2.4.101")],
)
def test_mpeg_2_tells_its_level_by_its_size(columns: int, rows: int, syntax: str) -> None:
    head = b"\0\0\1\xba" + bytes(20) + b"\0\0\1\xb3" + (columns << 12 | rows).to_bytes(3, "big")
    found = describe_mpeg_2(BytesReader(head + b"\x13"))
    assert (found.columns, found.rows, found.transfer_syntax_uid) == (columns, rows, syntax)


READERS = (describe_jpeg, describe_jpeg_2000, describe_mpeg_2, describe_mpeg_4)


def describe_or_refuse(content: bytes) -> None:
    for describe in READERS:
        try:
            describe(BytesReader(content))
        except MalformedDataSet:
            continue


@given(
    st.sampled_from((b"\xff\xd8", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ", b"\0\0\0\x08moov", b"")),
    st.lists(
        st.binary(max_size=9)
        | st.sampled_from((b"\xff\xc0\0\x11\x08", b"\xff\xda\0\x08\3", b"\xff", b"\0\0\0\x08"))
        | st.sampled_from((b"trak", b"avc1", b"\xff\x52\0\x0c", bytes(40), b"\0\0\1\xb3"))
    ).map(b"".join),
)
def test_any_bytes_are_described_or_refused(begin: bytes, more: bytes) -> None:
    describe_or_refuse(begin + more)


@pytest.mark.parametrize("name", ["JPEG-lossy.dcm", "MR_small_jpeg_ls_lossless.dcm",
                                  "JPEG2000.dcm"])  # fmt: skip
def test_any_cut_of_an_image_is_described_or_refused(name: str) -> None:
    _, frame = first_frame(name)
    for end in range(min(len(frame), 1000)):
        describe_or_refuse(frame[:end])


@pytest.mark.parametrize(
    ("name", "syntax", "expected"),
    [
        ("application/octet-stream", "", None),
        ("application/octet-stream", "*", None),
        ("application/octet-stream", "1.2.840.10008.1.2.1", None),
        ("application/octet-stream", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.5"),
        ("image/dicom-rle", "", "1.2.840.10008.1.2.5"),
        ("image/x-dicom-rle", "*", "1.2.840.10008.1.2.5"),
        ("video/mpeg", "", "1.2.840.10008.1.2.4.100"),
        ("video/mp4", "", "1.2.840.10008.1.2.4.102"),
    ],
)
def test_media_types_mean_transfer_syntaxes(name: str, syntax: str, expected: str | None) -> None:
    found = compressed_media_type(name, transfer_syntax_uid=syntax)
    assert (found.transfer_syntaxes[0] if found else None) == expected


@pytest.mark.parametrize(
    ("name", "syntax"),
    [
        ("image/png", ""),
        ("application/pdf", ""),
        ("image/jpeg", "1.2.840.10008.1.2.4.90"),
        ("application/octet-stream", "1.2.3"),
    ],
)
def test_what_pixels_cannot_be_is_refused(name: str, syntax: str) -> None:
    with pytest.raises(UnsupportedTransferSyntax):
        compressed_media_type(name, transfer_syntax_uid=syntax)
