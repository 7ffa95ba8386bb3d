"""The form of Pixel Data for each Accept header (PS3.18 8.7.3.3, Table 8.7.3-5)."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.media_types import parse_accept
from dicomweb.pixel_negotiation import choose_pixel_form
from ingestion.dicom.pixels.transcoding import can_transcode
from ingestion.errors import NotAcceptable

EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
JPEG, JPEG_LOSSLESS = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.70"
JPEG_XL, MPEG_4, MPEG_2 = (f"1.2.840.10008.1.2.4.{number}" for number in ("110", "102", "100"))
OCTETS = "application/octet-stream"

# PS3.18 Table 8.7.3-5.
DEFAULTS = {
    "image/jpeg": "1.2.840.10008.1.2.4.70",
    "image/dicom-rle": "1.2.840.10008.1.2.5",
    "image/jls": "1.2.840.10008.1.2.4.80",
    "image/jp2": "1.2.840.10008.1.2.4.90",
}


def form(accept: str, stored: str, *, is_alone: bool = True) -> tuple[str, str, bool]:
    found = choose_pixel_form(
        parse_accept(accept),
        stored,
        is_single=lambda _: is_alone,
        can_make=partial(can_transcode, stored),
    )
    return found.media_type, found.transfer_syntax_uid, found.is_multipart


@pytest.mark.parametrize(("media_type", "syntax"), DEFAULTS.items())
def test_a_type_without_a_syntax_means_its_default(media_type: str, syntax: str) -> None:
    assert form(media_type, EXPLICIT) == (media_type, syntax, False)
    assert form(f"multipart/related; type={media_type}", EXPLICIT) == (media_type, syntax, True)


@pytest.mark.parametrize(
    ("accept", "stored", "expected"),
    [
        ("image/jpeg", JPEG, ("image/jpeg", JPEG, False)),
        (
            f"image/jpeg; transfer-syntax={JPEG_LOSSLESS}",
            JPEG,
            ("image/jpeg", JPEG_LOSSLESS, False),
        ),
        ("image/*", JPEG, ("image/jpeg", JPEG, False)),
        (OCTETS, JPEG, (OCTETS, EXPLICIT, False)),
        (f"{OCTETS}; transfer-syntax={IMPLICIT}", EXPLICIT, (OCTETS, EXPLICIT, False)),
        ("*/*", JPEG, ("image/jpeg", JPEG, True)),
        ("*/*", EXPLICIT, (OCTETS, EXPLICIT, True)),
        ("*/*", JPEG_LOSSLESS, (OCTETS, EXPLICIT, True)),
        ("", JPEG_LOSSLESS, (OCTETS, EXPLICIT, True)),
        ("multipart/related", JPEG_LOSSLESS, (OCTETS, EXPLICIT, True)),
        ("*/*; transfer-syntax=*", JPEG_LOSSLESS, ("image/jpeg", JPEG_LOSSLESS, True)),
        ("*/*, image/jpeg", JPEG_LOSSLESS, ("image/jpeg", JPEG_LOSSLESS, False)),
        ("image/*", JPEG_LOSSLESS, ("image/jpeg", JPEG_LOSSLESS, False)),
        ("image/jpeg;q=0.5, */*;q=0.1", MPEG_4, ("video/mp4", MPEG_4, True)),
        (OCTETS, MPEG_4, (OCTETS, MPEG_4, False)),
        ("video/*", MPEG_4, ("video/mp4", MPEG_4, False)),
        ("video/mpeg", MPEG_2, ("video/mpeg", MPEG_2, False)),
        ("*/*", JPEG_XL, ("image/jxl", JPEG_XL, True)),
        ("*/*", "1.2.3.4", (OCTETS, "1.2.3.4", True)),
        ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", JPEG, ("image/jpeg", JPEG, False)),
        ("image/jls;q=0.9, image/jp2", EXPLICIT, ("image/jp2", DEFAULTS["image/jp2"], False)),
        (f"image/jpeg, {OCTETS}", EXPLICIT, (OCTETS, EXPLICIT, False)),
    ],
)
def test_what_is_stored_comes_first(
    accept: str, stored: str, expected: tuple[str, str, bool]
) -> None:
    assert form(accept, stored) == expected


@pytest.mark.parametrize(
    ("accept", "stored"),
    [
        (OCTETS, JPEG_XL),
        (f"{OCTETS}; transfer-syntax={EXPLICIT}", MPEG_4),
        ("image/*", EXPLICIT),
        ("image/jpeg", MPEG_4),
        ("video/mp4", EXPLICIT),
        ("application/dicom", EXPLICIT),
        ("multipart/related; type=application/dicom", EXPLICIT),
        ("*/*; q=0", EXPLICIT),
        (f"{OCTETS}; transfer-syntax=1.2.840.10008.1.2.2", EXPLICIT),
    ],
)
def test_what_cannot_be_made_is_not_acceptable(accept: str, stored: str) -> None:
    with pytest.raises(NotAcceptable):
        form(accept, stored)


def test_what_this_image_cannot_be_decoded_to_comes_as_stored_where_all_is_open() -> None:
    for accept in ("", "*/*", 'multipart/related; type="*/*"'):
        found = choose_pixel_form(
            parse_accept(accept), JPEG_LOSSLESS, is_single=lambda _: True, can_make=lambda _: False
        )
        assert (found.media_type, found.transfer_syntax_uid) == ("image/jpeg", JPEG_LOSSLESS)


def test_several_parts_never_go_out_as_one() -> None:
    assert form("*/*", JPEG, is_alone=False) == ("image/jpeg", JPEG, True)
    with pytest.raises(NotAcceptable):
        form("image/jpeg", JPEG, is_alone=False)


WORDS = st.sampled_from(
    (
        *("multipart/related", "image/*", "*/*", "*", OCTETS, "image/jpeg", EXPLICIT, JPEG),
        *("type=", "transfer-syntax=", "q=0.5", ";", ",", '"', "\\", " "),
    )
)


@given(
    st.lists(WORDS | st.text(max_size=3), max_size=12).map("".join),
    st.sampled_from([EXPLICIT, JPEG, JPEG_XL, MPEG_4, "1.2.3"]),
    st.booleans(),
)
def test_any_header_gives_a_form_or_none(accept: str, stored: str, is_alone: bool) -> None:
    try:
        media_type, syntax, is_multipart = form(accept, stored, is_alone=is_alone)
    except NotAcceptable:
        return
    assert is_multipart or is_alone
    assert "/" in media_type
    assert syntax
    assert not set(media_type + syntax) & set('\r\n";, ')
