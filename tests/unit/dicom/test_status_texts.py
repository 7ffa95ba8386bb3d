"""Statuses in words, as PS3.7 Annex C and the tables of PS3.4 have them."""

import pytest

from ingestion.dicom.status_texts import status_text


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (0x0000, "0000 success"),
        (0x0122, "0122 SOP Class not supported"),
        (0xA700, "A700 out of resources"),
        (0xA7FF, "A7FF out of resources"),
        (0xA801, "A801 move destination unknown"),
        (0xA900, "A900 data set does not match SOP Class"),
        (0xB006, "B006 elements discarded"),
        (0xC123, "C123 cannot understand, or unable to process"),
        (0xFE00, "FE00 cancelled"),
        (0x1234, "1234 of no meaning in the Standard"),
    ],
)
def test_status_is_told_in_words(status: int, text: str) -> None:
    assert status_text(status) == text
