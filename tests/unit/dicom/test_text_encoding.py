"""Text in character sets: what one cannot carry is refused. Source: PS3.5 6.1.2.

How names are written is in the tests of identifiers, with the examples of PS3.5 Annexes H to K.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.charset import python_encoding

from ingestion.dicom.character_sets import decode, encodings_of
from ingestion.dicom.text_encoding import encode_text

SINGLE = sorted(term for term in python_encoding if term.startswith(("ISO_IR", "GB")))
EXTENSIONS = sorted(term for term in python_encoding if term.startswith("ISO 2022 IR"))


@pytest.mark.parametrize("terms", [(), ("",), ("ISO_IR 6",), ("", "ISO 2022 IR 6")])
def test_ascii_carries_ascii_alone(terms: tuple[str, ...]) -> None:
    assert encode_text("Doe^Jane", terms, vr="PN") == b"Doe^Jane"
    with pytest.raises(UnicodeEncodeError):
        encode_text("Jérôme", terms, vr="PN")


def test_an_unknown_character_set_is_refused() -> None:
    with pytest.raises(LookupError):
        encode_text("Jérôme", ("ISO_IR 999",), vr="PN")


def test_half_width_katakana_carry_no_kanji() -> None:
    assert encode_text("ﾔﾏﾀﾞ", ("ISO_IR 13",), vr="LO") == b"\xd4\xcf\xc0\xde"
    for terms in [("ISO_IR 13",), ("ISO 2022 IR 13", "ISO 2022 IR 144")]:
        with pytest.raises(UnicodeEncodeError):
            encode_text("山", terms, vr="LO")


def test_a_set_left_for_another_is_named_again() -> None:
    terms = ("ISO 2022 IR 100", "ISO 2022 IR 144")
    assert encode_text("éЛé", terms, vr="LO") == b"\xe9\x1b-L\xbb\x1b-A\xe9"


@pytest.mark.parametrize(("vr", "delimiter"), [("LO", "\\"), ("PN", "^"), ("LT", "\r\n")])
def test_the_first_set_is_back_behind_delimiters(vr: str, delimiter: str) -> None:
    terms = ("", "ISO 2022 IR 149")
    part = encode_text("홍", terms, vr=vr)
    assert part.startswith(b"\x1b$)C")
    assert encode_text(f"홍{delimiter}홍", terms, vr=vr) == part + delimiter.encode() + part


def test_a_set_in_place_of_ascii_is_named_though_it_is_the_first() -> None:
    terms = ("ISO 2022 IR 159", "ISO 2022 IR 100")
    assert encode_text("a©a\\©", terms, vr="LO") == (b'a\x1b$(D"m\x1b(Ba\\\x1b$(D"m\x1b(B')


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=20),
    st.one_of(
        st.sampled_from(SINGLE).map(lambda term: (term,)),
        st.lists(st.sampled_from(EXTENSIONS), min_size=1, max_size=4, unique=True).map(tuple),
    ),
)
def test_what_is_written_is_read_again(text: str, terms: tuple[str, ...]) -> None:
    try:
        encoded = encode_text(text, terms, vr="LO")
    except UnicodeEncodeError:
        return
    assert decode(encoded, encodings_of("\\".join(terms).encode())) == text
