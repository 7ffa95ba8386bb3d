"""File meta information is written whole and read in every state it arrives in."""

from io import BytesIO

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info

from ingestion.dicom.part10 import (
    FILE_META_BYTES_MAX,
    IMPLEMENTATION_CLASS_UID,
    FileMeta,
    encode_file_meta,
    read_file_meta,
)
from ingestion.errors import LimitExceeded, MalformedDataSet, NotDicom
from tests.builders import build_ct, data_set_bytes, part10_bytes

IMPLICIT, EXPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
CT = "1.2.840.10008.5.1.4.1.1.2"

uids = st.lists(st.integers(0, 10**9), min_size=1, max_size=6).map(
    lambda ns: ".".join(map(str, ns))
)


def encoded(**values: str) -> bytes:
    named = {"sop_class_uid": CT, "sop_instance_uid": "1.2.3", "transfer_syntax_uid": EXPLICIT}
    return encode_file_meta(**(named | values))


@given(
    sop_instance_uid=uids,
    transfer_syntax_uid=uids,
    title=st.text("ABC 1", max_size=16).map(str.strip),
)
@settings(max_examples=50)
def test_what_is_encoded_is_read_again(
    sop_instance_uid: str, transfer_syntax_uid: str, title: str
) -> None:
    content = encode_file_meta(
        sop_class_uid=CT,
        sop_instance_uid=sop_instance_uid,
        transfer_syntax_uid=transfer_syntax_uid,
        source_ae_title=title,
    )
    expected = FileMeta(len(content), transfer_syntax_uid, CT, sop_instance_uid, title)
    assert read_file_meta(content + bytes(16)) == expected
    assert read_file_meta(content) == expected


def test_the_encoded_file_meta_is_read_by_pydicom_without_complaint() -> None:
    content = encoded(source_ae_title="MODALITY1") + data_set_bytes(build_ct())
    dataset = pydicom.dcmread(BytesIO(content))
    meta = dataset.file_meta
    assert meta.FileMetaInformationVersion == b"\x00\x01"
    assert meta.MediaStorageSOPInstanceUID == "1.2.3"
    assert meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
    assert len(IMPLEMENTATION_CLASS_UID) <= 64
    assert len(str(meta.ImplementationVersionName)) <= 16
    assert meta.SourceApplicationEntityTitle == "MODALITY1"
    assert dataset.Rows == 8
    again = DicomBytesIO()
    write_file_meta_info(again, meta)
    assert content[132:].startswith(again.getvalue())


@given(cut=st.integers(0, 400))
@settings(max_examples=80)
def test_a_shorter_prefix_asks_for_more_or_says_the_same(cut: int) -> None:
    content = part10_bytes(build_ct(sop_instance_uid="1.2.3"))
    whole = read_file_meta(content)
    assert whole is not None
    told = read_file_meta(content[:cut])
    assert told == (whole if cut >= whole.data_set_offset else None)
    assert read_file_meta(memoryview(content)) == whole


def test_a_missing_preamble_is_missed_by_nobody() -> None:
    content = encoded()[132:] + data_set_bytes(build_ct())
    meta = read_file_meta(content)
    assert meta == FileMeta(len(encoded()) - 132, EXPLICIT, CT, "1.2.3", "")


@pytest.mark.parametrize("length", [0, 2, 200, 0xFFFF])
def test_a_wrong_group_length_is_ignored(length: int) -> None:
    content = encoded()
    wrong = content[:140] + length.to_bytes(4, "little") + content[144:]
    assert read_file_meta(wrong + data_set_bytes(build_ct())) == read_file_meta(content)


def test_a_missing_group_length_is_ignored() -> None:
    content = encoded()
    meta = read_file_meta(content[:132] + content[144:] + data_set_bytes(build_ct()))
    assert meta == FileMeta(len(content) - 12, EXPLICIT, CT, "1.2.3", "")


def test_deflated_bytes_that_look_like_group_2_are_not_read_as_file_meta() -> None:
    content = encoded(transfer_syntax_uid=DEFLATED)
    meta = read_file_meta(content + b"\x02\x00\x00\x01" + bytes(100))
    assert meta is not None
    assert meta.data_set_offset == len(content)


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG_ENDIAN])
def test_the_encoding_of_a_bare_data_set_is_guessed(syntax: str) -> None:
    content = data_set_bytes(build_ct(character_set="ISO_IR 100"), syntax)
    assert read_file_meta(content) == FileMeta(0, syntax, "", "", "")


def test_a_transfer_syntax_left_out_is_guessed() -> None:
    content = encoded(transfer_syntax_uid="")
    meta = read_file_meta(content + data_set_bytes(build_ct(), IMPLICIT))
    assert meta is not None
    assert meta.transfer_syntax_uid == IMPLICIT


@pytest.mark.parametrize(
    "content",
    [b"<html>" * 40, b"\xff\xd8\xff\xe0" * 40, b"%PDF-1.7 " * 40, bytes(200), b"\x89PNG" * 50],
    ids=["html", "jpeg", "pdf", "zeros", "png"],
)
def test_what_is_not_dicom_is_called_so(content: bytes) -> None:
    with pytest.raises(NotDicom):
        read_file_meta(content)


def test_an_element_without_end_is_malformed() -> None:
    with pytest.raises(MalformedDataSet):
        read_file_meta(bytes(128) + b"DICM\x02\x00\x01\x00OB\0\0\xff\xff\xff\xff")


def test_file_meta_is_limited() -> None:
    private = b"\x02\x00\x02\x01OB\0\0" + (FILE_META_BYTES_MAX + 1).to_bytes(4, "little")
    with pytest.raises(LimitExceeded):
        read_file_meta(bytes(128) + b"DICM" + private)
    many = (b"\x02\x00\x02\x01OB\0\0" + (1000).to_bytes(4, "little") + bytes(1000)) * 1100
    with pytest.raises(LimitExceeded):
        read_file_meta(bytes(128) + b"DICM" + many)
