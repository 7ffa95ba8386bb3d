"""Lists of UIDs: what the original's files say is read, and written back the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.dicom.uid_lists import UidKind, read_uid_list, uid_list_text, uid_name
from ingestion.errors import InvalidDocument

CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
EXPLICIT = "1.2.840.10008.1.2.1"


def test_file_of_the_original_is_read() -> None:
    text = f"""
    # CT and MR
    CTImageStorage:{CT}

    MRImageStorage : {MR}   # also MR
    {CT}
    1.2.3\r
    """
    assert read_uid_list(text, UidKind.SOP_CLASS) == [CT, MR, "1.2.3"]


def test_nothing_is_an_empty_list() -> None:
    assert read_uid_list(" \n# nothing\n", UidKind.SOP_CLASS) == []


def test_every_bad_line_is_named() -> None:
    with pytest.raises(InvalidDocument) as refusal:
        read_uid_list(f"CT:{CT}\nCTImageStorage\n1..3\n{EXPLICIT}", UidKind.SOP_CLASS)
    assert str(refusal.value) == (
        "line 2 has no valid UID; line 3 has no valid UID;"
        " line 4: Explicit VR Little Endian is no SOP Class"
    )


def test_transfer_syntaxes_are_told_from_sop_classes() -> None:
    assert read_uid_list(EXPLICIT, UidKind.TRANSFER_SYNTAX) == [EXPLICIT]
    with pytest.raises(InvalidDocument, match="CT Image Storage is no Transfer Syntax"):
        read_uid_list(CT, UidKind.TRANSFER_SYNTAX)


def test_uids_of_the_standard_are_written_with_names() -> None:
    assert uid_list_text([CT, "1.2.3"]) == f"CTImageStorage:{CT}\n1.2.3"
    assert uid_name(CT) == "CT Image Storage"
    assert uid_name("1.2.3") == "1.2.3"


@given(st.lists(st.from_regex(r"(0|[1-9][0-9]{0,8})(\.(0|[1-9][0-9]{0,8})){1,5}", fullmatch=True)))
def test_what_is_written_is_read_back(uids: list[str]) -> None:
    assert read_uid_list(uid_list_text(uids), UidKind.SOP_CLASS) == list(dict.fromkeys(uids))
