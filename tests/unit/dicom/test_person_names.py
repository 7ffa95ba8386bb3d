"""Names are compared without case, accents and delimiters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.dicom.person_names import normalized

NAMES = {
    "Doe^Jane": "doe jane",
    "MÜLLER^Jürgen^^Dr.": "muller jurgen dr.",
    "Strauß": "strauss",
    "Yamada^Tarou=山田^太郎=やまだ^たろう": "yamada tarou = 山田 太郎 = やまた たろう",
    "=山田^太郎": "山田 太郎",
    "Hong^Gildong=洪^吉洞=": "hong gildong = 洪 吉洞",
    "  Doe  ^^ ": "doe",
    "Ångström^Éva": "angstrom eva",
    "do*^j?ne": "do* j?ne",
    "": "",
}


@pytest.mark.parametrize("name", NAMES)
def test_names_are_normalised(name: str) -> None:
    assert normalized(name) == NAMES[name]


@given(st.text())
def test_normalising_twice_changes_nothing(name: str) -> None:
    once = normalized(name)
    assert normalized(once) == once
