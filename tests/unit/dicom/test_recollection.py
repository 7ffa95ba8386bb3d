"""What is recollected of the data set before never changes what is read of the next."""

import json
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from ingestion.dicom import elements
from ingestion.dicom.character_sets import DEFAULT_ENCODINGS
from ingestion.dicom.header import Header, read_header
from ingestion.dicom.recollection import ELEMENTS_MAX, KnownElement, Recollection
from ingestion.dicom.scanning import DataSetScanner, HeaderLimits
from ingestion.dicom.transfer_syntaxes import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    transfer_syntax,
)
from ingestion.errors import IngestionError
from tests.builders import build_ct, data_set_bytes
from tests.unit.dicom.readers import FILES, BytesReader, split

EXPLICIT = elements.encoding(is_explicit=True, is_little_endian=True)
IMPLICIT = elements.encoding(is_explicit=False, is_little_endian=True)
NO_LIMITS = HeaderLimits()
KNOWN: KnownElement = (b"\x10\0\x20\0LO\2\0P ", 0x00100020, b"P ", '"00100020":{"vr":"LO"}', 1)


def read(
    content: bytes,
    syntax: str,
    recollection: Recollection | None,
    limits: HeaderLimits = NO_LIMITS,
) -> Header | str:
    """The header, or what was wrong."""
    try:
        return read_header(BytesReader(content), syntax, limits, recollection=recollection)
    except IngestionError as error:
        return f"{type(error).__name__}: {error}"


def data_sets() -> Iterator[tuple[bytes, str]]:
    """The data sets of all bundled files that are ones, with their transfer syntaxes."""
    for path in FILES:
        with suppress(IngestionError):
            reader, syntax = split(path.read_bytes())
            yield reader.content, syntax


DATA_SETS = list(data_sets())
SMALL_ONES = [(content, syntax) for content, syntax in DATA_SETS if 0 < len(content) < 16_000]


def test_files_in_a_row_are_read_as_each_alone() -> None:
    recollection = Recollection()
    for content, syntax in DATA_SETS:
        alone = read(content, syntax, None)
        assert read(content, syntax, recollection) == alone
        assert read(content, syntax, recollection) == alone


@settings(max_examples=150, deadline=None)
@given(data=st.data(), before=st.sampled_from(SMALL_ONES))
def test_a_data_set_like_the_one_before_is_read_as_alone(
    data: st.DataObject, before: tuple[bytes, str]
) -> None:
    original, syntax = before
    recollection = Recollection()
    read(original, syntax, recollection)
    for _ in range(3):
        content = bytearray(original)
        for _ in range(data.draw(st.integers(0, 3))):
            place = data.draw(st.integers(0, min(len(content) - 1, 3000)))
            content[place] = data.draw(st.integers(0, 255))
        cut = data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))
        found = read(bytes(content[:cut]), syntax, recollection)
        assert found == read(bytes(content[:cut]), syntax, None)


def test_elements_may_come_and_go_between_data_sets() -> None:
    recollection = Recollection()
    descriptions = ["CT", None, "CT", "another", "CT"]
    contents = [
        data_set_bytes(build_ct(extra=[(0x00081030, "LO", description)]))
        for description in descriptions
    ]
    for content in contents:
        found = read(content, EXPLICIT_VR_LITTLE_ENDIAN, recollection)
        assert found == read(content, EXPLICIT_VR_LITTLE_ENDIAN, None)


def test_the_same_bytes_in_another_character_set_are_another_text() -> None:
    recollection = Recollection()
    documents = set()
    for character_set in ("ISO_IR 100", "ISO_IR 101", "ISO_IR 100"):
        dataset = build_ct(character_set=character_set)
        content = data_set_bytes(dataset).replace(b"Doe^Jane", b"Doe^Jan\xb3")
        header = read(content, EXPLICIT_VR_LITTLE_ENDIAN, recollection)
        assert header == read(content, EXPLICIT_VR_LITTLE_ENDIAN, None)
        assert isinstance(header, Header)
        documents.add(header.attributes.patient_name)
    assert documents == {"Doe^Jan³", "Doe^Janł"}


@pytest.mark.parametrize(
    "syntax", [IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN]
)
def test_what_was_read_in_one_syntax_is_not_expected_in_another(syntax: str) -> None:
    recollection = Recollection()
    before = data_set_bytes(build_ct(), IMPLICIT_VR_LITTLE_ENDIAN)
    read(before, IMPLICIT_VR_LITTLE_ENDIAN, recollection)
    content = data_set_bytes(build_ct(), syntax)
    assert read(content, syntax, recollection) == read(content, syntax, None)


def test_a_run_is_expected_as_it_was_read_before() -> None:
    recollection = Recollection()
    recollection.begin(None)
    recollection.keep(EXPLICIT, DEFAULT_ENCODINGS, [KNOWN])
    recollection.begin(None)
    assert recollection.expected(EXPLICIT, DEFAULT_ENCODINGS) == [KNOWN]
    assert recollection.expected(IMPLICIT, DEFAULT_ENCODINGS) == []
    assert recollection.expected(EXPLICIT, ("latin_2",)) == []


def test_no_more_is_remembered_than_there_is_room_for() -> None:
    recollection = Recollection()
    recollection.begin(None)
    for _ in range(ELEMENTS_MAX):
        recollection.keep(EXPLICIT, DEFAULT_ENCODINGS, [KNOWN] * 3)
    recollection.begin(None)
    remembered = 0
    for _ in range(ELEMENTS_MAX):
        remembered += len(recollection.expected(EXPLICIT, DEFAULT_ENCODINGS))
        recollection.keep(EXPLICIT, DEFAULT_ENCODINGS, [])
    assert ELEMENTS_MAX // 2 < remembered <= ELEMENTS_MAX


def test_a_sequence_like_the_one_before_is_read_as_alone() -> None:
    recollection = Recollection()
    for code in ("A", "A", "B", None, "A"):
        content = data_set_bytes(build_ct(extra=[(0x00081032, "SQ", [a_code(code)])]))
        for _ in range(2):
            found = read(content, EXPLICIT_VR_LITTLE_ENDIAN, recollection)
            assert found == read(content, EXPLICIT_VR_LITTLE_ENDIAN, None)


def test_what_a_sequence_tells_beside_its_text_is_told_each_time() -> None:
    """Identifiers of the request are indexed, and so is where bulk data is found."""
    recollection = Recollection()
    request, icon = Dataset(), Dataset()
    request.RequestedProcedureID = "RP-1"
    icon.add_new(0x7FE00010, "OB", bytes(64))
    sequences = [(0x00400275, "SQ", [request]), (0x00880200, "SQ", [icon])]
    content = data_set_bytes(build_ct(extra=sequences))
    syntax = transfer_syntax(EXPLICIT_VR_LITTLE_ENDIAN)
    for _ in range(3):
        header = read(content, EXPLICIT_VR_LITTLE_ENDIAN, recollection)
        assert isinstance(header, Header)
        assert header.attributes.requested_procedure_ids == "\\RP-1\\"
        scanner = DataSetScanner(BytesReader(content), HeaderLimits(), recollection)
        scanner.scan(is_explicit=syntax.is_explicit, is_little_endian=syntax.is_little_endian)
        assert "00880200/0/7FE00010" in scanner.bulk_data


def test_a_sequence_that_other_elements_explain_is_read_anew() -> None:
    """Without VRs, Pixel Representation of the data set tells what its items hold (PS3.5 A.1)."""
    recollection = Recollection()
    found = set()
    for pixel_representation in (0, 1, 0):
        item, dataset = Dataset(), build_ct()
        item.add_new(0x00280106, "US", 0xFFFF)  # Smallest Image Pixel Value: US or SS
        dataset.add_new(0x00289145, "SQ", [item])
        dataset.PixelRepresentation = pixel_representation
        content = data_set_bytes(dataset, IMPLICIT_VR_LITTLE_ENDIAN)
        header = read(content, IMPLICIT_VR_LITTLE_ENDIAN, recollection)
        assert header == read(content, IMPLICIT_VR_LITTLE_ENDIAN, None)
        assert isinstance(header, Header)
        document = json.loads(header.document)
        found.add(document["00289145"]["Value"][0]["00280106"]["Value"][0])
    assert found == {0xFFFF, -1}


@pytest.mark.parametrize("limits", [HeaderLimits(depth_max=1), HeaderLimits(elements_max=30)])
def test_limits_hold_for_what_is_recollected(limits: HeaderLimits) -> None:
    inner = Dataset()
    inner.add_new(0x00081140, "SQ", [a_code("A")])
    content = data_set_bytes(build_ct(extra=[(0x00081032, "SQ", [inner])]))
    recollection = Recollection()
    for _ in range(2):
        assert isinstance(read(content, EXPLICIT_VR_LITTLE_ENDIAN, recollection), Header)
    for _ in range(3):
        found = read(content, EXPLICIT_VR_LITTLE_ENDIAN, recollection, limits)
        assert found == read(content, EXPLICIT_VR_LITTLE_ENDIAN, None, limits)
        assert str(found).startswith("ObjectTooComplex")


def test_as_many_elements_are_counted_as_there_are() -> None:
    content = data_set_bytes(build_ct(extra=[(0x00081032, "SQ", [a_code("A")] * 8)]))
    most = 1
    while isinstance(read(content, EXPLICIT_VR_LITTLE_ENDIAN, None, limit(most)), str):
        most += 1
    for elements_max, kind in ((most, Header), (most - 1, str)):
        recollection = Recollection()
        for _ in range(3):
            found = read(content, EXPLICIT_VR_LITTLE_ENDIAN, recollection, limit(elements_max))
            assert isinstance(found, kind)


def limit(elements_max: int) -> HeaderLimits:
    return HeaderLimits(elements_max=elements_max)


def a_code(value: str | None) -> Dataset:
    """A coded procedure, or an empty item."""
    item = Dataset()
    if value is not None:
        item.CodeValue, item.CodingSchemeDesignator = value, "99LOCAL"
    return item
