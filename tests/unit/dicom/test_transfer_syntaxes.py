"""The table of transfer syntaxes against pydicom's dictionary and PS3.5 Annex A."""

import pytest
from pydicom._uid_dict import UID_dictionary
from pydicom.uid import UID

from ingestion.dicom.transfer_syntaxes import (
    KNOWN_TRANSFER_SYNTAXES,
    TransferSyntax,
    transfer_syntax,
)

# PS3.6 Table A-1: encodings of messages and not of data sets.
NOT_FOR_DATA_SETS = {"1.2.840.10008.1.2.6.1", "1.2.840.10008.1.2.6.2"}
REGISTERED = {
    uid for uid, entry in UID_dictionary.items() if entry[1] == "Transfer Syntax"
} - NOT_FOR_DATA_SETS

# uid: little endian, explicit, encapsulated, deflated (PS3.5 A.1 to A.7).
PROPERTIES = {
    "1.2.840.10008.1.2": (True, False, False, False),
    "1.2.840.10008.1.2.1": (True, True, False, False),
    "1.2.840.10008.1.2.1.98": (True, True, True, False),
    "1.2.840.10008.1.2.1.99": (True, True, False, True),
    "1.2.840.10008.1.2.2": (False, True, False, False),
    "1.2.840.10008.1.2.4.50": (True, True, True, False),
    "1.2.840.10008.1.2.4.70": (True, True, True, False),
    "1.2.840.10008.1.2.4.91": (True, True, True, False),
    "1.2.840.10008.1.2.4.94": (True, True, False, False),
    "1.2.840.10008.1.2.4.95": (True, True, False, True),
    "1.2.840.10008.1.2.4.102": (True, True, True, False),
    "1.2.840.10008.1.2.4.108": (True, True, True, False),
    "1.2.840.10008.1.2.4.110": (True, True, True, False),
    "1.2.840.10008.1.2.4.202": (True, True, True, False),
    "1.2.840.10008.1.2.4.205": (True, True, False, True),
    "1.2.840.10008.1.2.5": (True, True, True, False),
    "1.2.3.4.5": (True, True, True, False),  # unknown, so as in PS3.5 A.4
}


def test_every_registered_transfer_syntax_is_known() -> None:
    assert set(KNOWN_TRANSFER_SYNTAXES) >= REGISTERED


@pytest.mark.parametrize("uid", sorted(REGISTERED))
def test_the_encoding_is_that_of_pydicom(uid: str) -> None:
    syntax = transfer_syntax(uid)
    assert syntax.is_little_endian == UID(uid).is_little_endian
    if "Papyrus" not in syntax.name:  # pydicom takes it for explicit, its name says otherwise
        assert syntax.is_explicit != UID(uid).is_implicit_VR
    assert syntax.name


@pytest.mark.parametrize("uid", PROPERTIES)
def test_properties_are_those_of_the_standard(uid: str) -> None:
    syntax = transfer_syntax(uid)
    assert isinstance(syntax, TransferSyntax)
    assert syntax.uid == uid
    assert PROPERTIES[uid] == (
        syntax.is_little_endian,
        syntax.is_explicit,
        syntax.is_encapsulated,
        syntax.is_deflated,
    )
