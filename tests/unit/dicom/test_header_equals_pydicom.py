"""Our JSON equals pydicom's on every file it carries and on generated data sets."""

import io
import warnings
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from ingestion.errors import IngestionError, NotDicom, TruncatedDataSet
from tests.builders import data_set_bytes
from tests.unit.dicom.readers import FILES, scanned_json, split
from tests.unit.dicom.reference_json import PYDICOM_FAILS, reference_json

# Files that are broken on purpose; pydicom reads what is left of them.
REFUSED: dict[str, type[IngestionError]] = {
    "DICOMDIR-nooffset": TruncatedDataSet,  # an item declares more than the file has
    "MR_truncated.dcm": TruncatedDataSet,  # Pixel Data is cut off
    "meta_missing_tsyntax.dcm": NotDicom,  # no transfer syntax, and begins with group 0001
    "no_meta.dcm": NotDicom,  # the first byte of the data set is missing
    "rtplan_truncated.dcm": TruncatedDataSet,  # a sequence is cut off
}

# Where pydicom raises, this is what we say.
ONLY_OURS: dict[tuple[str, str], dict[str, Any]] = {
    ("badVR.dcm", "00280008"): {"vr": "IS", "Value": ["1A"]},
}


@pytest.mark.parametrize("path", [f for f in FILES if f.name not in REFUSED], ids=lambda f: f.name)
def test_json_equals_pydicom_on_its_own_files(path: Path) -> None:
    ours = _scan_file(path.read_bytes())
    expected = reference_json(_read(path.read_bytes()))
    for tag, attribute in expected.items():
        if attribute == PYDICOM_FAILS:
            expected[tag] = ONLY_OURS[path.name, tag]
    assert ours == expected
    assert list(ours) == sorted(ours)


@pytest.mark.parametrize("path", [f for f in FILES if f.name in REFUSED], ids=lambda f: f.name)
def test_broken_files_are_refused_with_the_right_class(path: Path) -> None:
    with pytest.raises(REFUSED[path.name]):
        _scan_file(path.read_bytes())


def _scan_file(content: bytes) -> dict[str, Any]:
    reader, transfer_syntax_uid = split(content)
    return scanned_json(reader.content, transfer_syntax_uid)


def _read(content: bytes) -> Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(io.BytesIO(content), force=True)


_words = st.text("ABCxyz 019._-äé", max_size=8).map(str.strip)
_several = st.lists(_words, min_size=1, max_size=3)
_numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)
# One element for each VR of PS3.5 6.2, with a generator of its values.
ELEMENTS: dict[tuple[int, str], st.SearchStrategy[Any]] = {
    (0x00080008, "CS"): st.lists(st.text("ABC_ 1", max_size=6).map(str.strip), max_size=3),
    (0x00080020, "DA"): st.dates().map(lambda day: day.strftime("%Y%m%d").rjust(8, "0")),
    (0x00080030, "TM"): st.sampled_from(["10", "1015", "101530", "101530.25"]),
    (0x0008002A, "DT"): st.sampled_from(["2026", "20260102101530.5+0100"]),
    (0x00080050, "SH"): _words,
    (0x00080054, "AE"): st.lists(st.text("AB1", max_size=6), max_size=2),
    (0x00080119, "UC"): _several,
    (0x00080120, "UR"): st.sampled_from(["http://example.test/a", "urn:x"]),
    (0x00081030, "LO"): _several,
    (0x00100010, "PN"): st.sampled_from(["Doe^Jane", "Dö^J=山田=やま", "A\\B^C", "=山"]),
    (0x00101010, "AS"): st.sampled_from(["018M", "045Y"]),
    (0x00104000, "LT"): st.text("a\\b\n\tö", max_size=20),
    (0x00180050, "DS"): st.lists(st.integers(-(10**6), 10**6).map(lambda n: n / 8), max_size=4),
    (0x00189810, "SS"): st.integers(-32768, 32767),
    (0x00200013, "IS"): st.lists(st.integers(-(2**31), 2**31 - 1), max_size=3),
    (0x00280009, "AT"): st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=3),
    (0x00280010, "US"): st.lists(st.integers(0, 65535), max_size=3),
    (0x00400440, "SQ"): st.just([]),
    (0x00189219, "SS"): st.lists(st.integers(-32768, 32767), max_size=3),
    (0x0040A30A, "DS"): st.sampled_from(["1.5e-3", "+7", "0", "-0.0"]),
    (0x00701001, "UL"): st.lists(st.integers(0, 2**32 - 1), max_size=3),
    (0x00186020, "SL"): st.lists(st.integers(-(2**31), 2**31 - 1), max_size=3),
    (0x00081161, "UL"): st.integers(0, 2**32 - 1),
    (0x00720082, "SV"): st.lists(st.integers(-(2**63), 2**63 - 1), max_size=2),
    (0x00720083, "UV"): st.lists(st.integers(0, 2**64 - 1), max_size=2),
    (0x00720076, "FL"): st.lists(_numbers, max_size=3),
    (0x00720074, "FD"): st.lists(st.floats(), max_size=3),
    (0x00720065, "OB"): st.binary(max_size=4000).map(lambda b: b[: len(b) & ~1]),
    (0x00720069, "OW"): st.binary(max_size=40).map(lambda b: b[: len(b) & ~1]),
    (0x00720067, "OF"): st.binary(max_size=40).map(lambda b: b[: len(b) & ~3]),
    (0x00720073, "OD"): st.binary(max_size=40).map(lambda b: b[: len(b) & ~7]),
    (0x00720075, "OL"): st.binary(max_size=40).map(lambda b: b[: len(b) & ~3]),
    (0x00720081, "OV"): st.binary(max_size=40).map(lambda b: b[: len(b) & ~7]),
    (0x0072006E, "UT"): st.text("ab\\ö ", max_size=20),
    (0x0072006C, "ST"): st.text("ab\\ö ", max_size=20),
    (0x00090010, "LO"): st.just("SIEMENS CT VA0  COAD"),
    (0x00091010, "UN"): st.binary(max_size=12).map(lambda b: b[: len(b) & ~1]),
    (0x00091012, "DS"): st.just("1.25"),
    (0x7FE10010, "LO"): st.just("NOBODY KNOWS"),
    (0x7FE11010, "OB"): st.just(b"\x00\x01"),
}


@st.composite
def data_sets(draw: st.DrawFn, depth: int = 2) -> Dataset:
    """A data set of any elements, with items nested up to `depth`, of either kind of length."""
    dataset = Dataset()
    if depth == 2 or draw(st.booleans()):
        dataset.SpecificCharacterSet = "ISO_IR 192"
    for tag, vr in draw(st.lists(st.sampled_from(sorted(ELEMENTS)), max_size=12, unique=True)):
        dataset.add_new(tag, vr, draw(ELEMENTS[tag, vr]))
    if depth and draw(st.booleans()):
        items = draw(st.lists(data_sets(depth - 1), max_size=2))
        dataset.add_new(0x00081140, "SQ", items)
        dataset[0x00081140].is_undefined_length = draw(st.booleans())
        for item in items:
            item.is_undefined_length_sequence_item = draw(st.booleans())
    return dataset


@pytest.mark.parametrize(
    "transfer_syntax_uid", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian]
)
@settings(max_examples=60)
@given(data=st.data())
def test_json_equals_pydicom_on_generated_data_sets(
    transfer_syntax_uid: str, data: st.DataObject
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        encoded = data_set_bytes(data.draw(data_sets()), transfer_syntax_uid)
        read = pydicom.filereader.read_dataset(
            io.BytesIO(encoded),
            transfer_syntax_uid == ImplicitVRLittleEndian,
            transfer_syntax_uid != ExplicitVRBigEndian,
        )
        expected = reference_json(read)
    assert PYDICOM_FAILS not in expected.values()
    assert scanned_json(encoded, transfer_syntax_uid) == expected
