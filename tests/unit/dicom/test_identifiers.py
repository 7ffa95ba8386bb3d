"""UIDs become file names: nothing passes that is not digits and dots."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.dicom.identifiers import is_valid_uid, require_uid
from ingestion.errors import InvalidIdentifier, MissingIdentifier

# PS3.5 9.1, with leading zeros allowed.
VALID = ["1", "1.2.840.10008.1.2", "2.25.0", "1.02.3", "9" * 64, "1." * 31 + "12"]
INVALID = [
    "",
    ".",
    "1.",
    ".1",
    "1..2",
    "1.2.",
    "1.a",
    "1.2/3",
    "../1",
    "9" * 65,
    "1.2\n",
    "١.٢",
    " 1",
]


@pytest.mark.parametrize("uid", VALID)
def test_valid_uids_pass(uid: str) -> None:
    assert is_valid_uid(uid)
    assert require_uid("StudyInstanceUID", uid + "\0") == uid
    assert require_uid("StudyInstanceUID", uid + " ") == uid


@pytest.mark.parametrize("uid", INVALID)
def test_invalid_uids_do_not(uid: str) -> None:
    assert not is_valid_uid(uid)
    with pytest.raises((InvalidIdentifier, MissingIdentifier), match="StudyInstanceUID"):
        require_uid("StudyInstanceUID", uid)


@pytest.mark.parametrize("value", ["", " ", "\0", "\0\0 "])
def test_nothing_is_missing_not_invalid(value: str) -> None:
    with pytest.raises(MissingIdentifier):
        require_uid("SOPInstanceUID", value)


@given(st.text(max_size=70))
def test_what_passes_is_safe_as_a_file_name(text: str) -> None:
    if is_valid_uid(text):
        assert set(text) <= set("0123456789.")
        assert ".." not in text
        assert 1 <= len(text) <= 64
