"""Text is decoded as PS3.3 C.12.1.1.2 says and never refuses an object."""

import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.charset import convert_encodings, decode_bytes, python_encoding
from pydicom.valuerep import TEXT_VR_DELIMS

from ingestion.dicom.character_sets import DEFAULT_ENCODINGS, decode, encodings_of

# PS3.5 Annexes H, I, J and K: Specific Character Set, bytes, text.
EXAMPLES = {
    "H.3.1": (
        b"\\ISO 2022 IR 87",
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B",
        "Yamada^Tarou=山田^太郎",
    ),
    "H.3.2": (
        b"ISO 2022 IR 13\\ISO 2022 IR 87",
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J",
        "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎",
    ),
    "I.2": (
        b"\\ISO 2022 IR 149",
        b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7",
        "Hong^Gildong=洪^吉洞",
    ),
    "J.1": (b"ISO_IR 192", "Wang^XiaoDong=王^小東".encode(), "Wang^XiaoDong=王^小東"),
    "J.3": (b"GB18030", "Wang^XiaoDong=王^小东".encode("gb18030"), "Wang^XiaoDong=王^小东"),
    "K.2": (
        b"\\ISO 2022 IR 58",
        b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab",
        "Zhang^XiaoDong=张^小东",
    ),
    "C.12 Greek": (b"ISO_IR 126", b"\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2", "Διονυσιος"),
}


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_of_the_standard(example: str) -> None:
    character_set, value, text = EXAMPLES[example]
    assert decode(value, encodings_of(character_set)) == text


NAMES = {
    b"": DEFAULT_ENCODINGS,
    b"ISO_IR 100 ": DEFAULT_ENCODINGS,
    b"ISO IR 192": ("utf-8",),
    b"ISO-IR 192": ("utf-8",),
    b"utf8": ("utf-8",),
    b"ISO_IR 192\\ISO 2022 IR 87": ("utf-8",),
    b"hex": DEFAULT_ENCODINGS,
    b"idna": DEFAULT_ENCODINGS,
    b"\xff\xfe": DEFAULT_ENCODINGS,
    b"no such\0thing": DEFAULT_ENCODINGS,
}


@pytest.mark.parametrize("name", NAMES)
def test_names_of_character_sets(name: bytes) -> None:
    assert encodings_of(name) == NAMES[name]


@given(
    value=st.binary(max_size=40) | st.text(max_size=10).map(str.encode),
    terms=st.lists(st.sampled_from(sorted(python_encoding)), min_size=1, max_size=3),
)
def test_decoding_equals_pydicom_and_never_fails(value: bytes, terms: list[str]) -> None:
    ours = decode(value, encodings_of("\\".join(terms).encode()))
    if b"\x1b$)A" in value:  # pydicom leaves the escape sequence of ISO IR 58 in the text
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = decode_bytes(value, convert_encodings(terms), TEXT_VR_DELIMS)
    assert ours == theirs


@given(st.binary(max_size=40), st.binary(max_size=20))
def test_nothing_refuses_to_be_decoded(value: bytes, character_set: bytes) -> None:
    decode(value, encodings_of(character_set)).encode("utf-8", "replace")
