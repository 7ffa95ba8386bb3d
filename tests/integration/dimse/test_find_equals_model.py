"""C-FIND finds what a model of PS3.4 C.2.2.2 says of each data set, level by level.

The model is plain Python over what was stored: it shares nothing with the code.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.models import StorageSpace
from tests.integration.dimse.conftest import Start
from tests.integration.dimse.find_client import (
    PATIENT_ROOT,
    PENDING,
    SUCCESS,
    associate,
    find,
    keep,
    query,
)
from tests.scripted_peer import ScriptedPeer

NAMES = ("Doe^Jane", "Müller^Zoë", "doe^john", "", "Doe^Jane")
DATES = ("20260101", "20260102", "", "20260131", "20260102")
TIMES = ("101530", "10", "2359", "", "101500.5")
TEXTS = ("CT abdomen", "CT head", "", "ct%", "MR_head")
WEIGHTS = ("71.5", "72", "", "71.50", "80")
COMMENTS = ("none", "", "Some", "so_me", "none")
NUMBERS = ("1", "2", "3", "4", "")


@dataclass(frozen=True)
class Held:
    """One instance: a study and a series of its own."""

    number: int
    values: dict[str, str]

    @property
    def unique(self) -> dict[str, str]:
        study = f"1.2.3.{self.number}"
        return {
            "PATIENT": self.values["PatientID"],
            "STUDY": study,
            "SERIES": f"{study}.1",
            "IMAGE": f"{study}.1.1",
        }


HELD = [
    Held(
        number,
        {
            "PatientID": f"P{number % 3}",
            "PatientName": NAMES[number],
            "StudyDate": DATES[number],
            "StudyTime": TIMES[number],
            "StudyDescription": TEXTS[number],
            "PatientWeight": WEIGHTS[number],
            "PatientComments": COMMENTS[number],
            "SeriesNumber": NUMBERS[number],
            "InstanceNumber": NUMBERS[number],
        },
    )
    for number in range(len(NAMES))
]
UNIQUE = {
    "PATIENT": "PatientID",
    "STUDY": "StudyInstanceUID",
    "SERIES": "SeriesInstanceUID",
    "IMAGE": "SOPInstanceUID",
}


def plain(name: str) -> str:
    """Without case and accents (PS3.4 C.2.2.2.1: unspecified; ours)."""
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    kept = "".join(char for char in decomposed if not unicodedata.combining(char))
    return " ".join(kept.replace("^", " ").split())


def wild(key: str, value: str) -> bool:
    """C.2.2.2.4."""
    pattern = "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in key)
    return bool(re.fullmatch(pattern, value, re.DOTALL))


def text(key: str, value: str) -> bool:
    return any(wild(part, value) for part in key.split("\\"))


def name(key: str, value: str) -> bool:
    return wild(plain(key), plain(value))


def number(key: str, value: str) -> bool:
    return bool(value) and any(float(part) == float(value) for part in key.split("\\"))


def filled(moment: str, by: str) -> str:
    return moment + by[len(moment) :]


def span(key: str, value: str, least: str, greatest: str) -> bool:
    """C.2.2.2.5: `a-b`, `a-`, `-b`; one value is the range of all it can mean."""
    if not value:
        return False
    first, hyphen, last = key.partition("-")
    last = last if hyphen else first
    value = filled(value, least)
    return (not first or filled(first, least) <= value) and (
        not last or value <= filled(last, greatest)
    )


def date(key: str, value: str) -> bool:
    return span(key, value, "00000000", "99999999")


def time(key: str, value: str) -> bool:
    return span(key, value, "000000.000000", "235960.999999")


Rule = Callable[[str, str], bool]
RULES: dict[str, tuple[str, Rule, list[str]]] = {
    "PatientID": ("PATIENT", text, ["P1", "P?", "*2", "P0\\P2", "p1", "P*1*"]),
    "PatientName": ("PATIENT", name, ["doe*", "DOE^JANE", "muller zoe", "*j*n*", "?oe^john", "x"]),
    "PatientComments": ("PATIENT", text, ["none", "so_me", "*o*", "s?me", "N*"]),
    "StudyDate": (
        "STUDY",
        date,
        ["20260101", "20260101-20260102", "20260102-", "-20260101", "20251231"],
    ),
    "StudyTime": ("STUDY", time, ["10", "1015", "101530", "1015-2359", "-1015", "2359-"]),
    "StudyDescription": ("STUDY", text, ["CT*", "ct%", "MR_head", "?T head", "CT head\\ct%"]),
    "PatientWeight": ("STUDY", number, ["71.5", "71.50", "72\\80", "0"]),
    "SeriesNumber": ("SERIES", number, ["1", "02", "2\\3", "9"]),
    "InstanceNumber": ("IMAGE", number, ["1", "3\\4", "-1"]),
}
LEVELS = ["PATIENT", "STUDY", "SERIES", "IMAGE"]


@st.composite
def queries(draw: st.DrawFn) -> tuple[str, dict[str, str]]:
    level = draw(st.sampled_from(LEVELS))
    possible = [
        keyword
        for keyword, (of_level, _, _) in RULES.items()
        if LEVELS.index(of_level) <= LEVELS.index(level)
    ]
    chosen = draw(st.lists(st.sampled_from(possible), max_size=3, unique=True))
    return level, {
        keyword: draw(st.sampled_from([*_universal(keyword), *RULES[keyword][2]]))
        for keyword in chosen
    }


def _universal(keyword: str) -> list[str]:
    """Keys that match everything; pydicom writes no star into a number."""
    return [""] if RULES[keyword][1] is number else ["", "*"]


def is_match(held: Held, keys: dict[str, str]) -> bool:
    return all(
        key in ("", "*") or RULES[keyword][1](key, held.values[keyword])
        for keyword, key in keys.items()
    )


def expected(level: str, keys: dict[str, str]) -> list[str]:
    return sorted({held.unique[level] for held in HELD if is_match(held, keys)})


@pytest.fixture
def peer(space: StorageSpace, start_service: Start) -> Iterator[ScriptedPeer]:
    for held in HELD:
        unique = held.unique
        values: dict[str, Any] = {
            keyword: value or None if keyword.endswith("Number") else value
            for keyword, value in held.values.items()
        }
        keep(
            space,
            unique["STUDY"],
            unique["SERIES"],
            unique["IMAGE"],
            SpecificCharacterSet="ISO_IR 192",
            **values,
        )
    with start_service().connect() as peer:
        yield associate(peer, extended=bytes([1]))


@settings(max_examples=250)
@given(queries())
def test_the_service_finds_what_the_model_says(
    peer: ScriptedPeer, asked: tuple[str, dict[str, str]]
) -> None:
    level, keys = asked
    answer = find(peer, query(level, **({UNIQUE[level]: ""} | keys)), model=PATIENT_ROOT)
    assert answer.status == SUCCESS
    assert answer.pending <= {PENDING}
    found = [str(match[UNIQUE[level]].value) for match in answer.matches]
    assert sorted(found) == expected(level, keys)
    for match in answer.matches:
        one_of = [held for held in HELD if held.unique[level] == match[UNIQUE[level]].value]
        for keyword in keys:
            assert any(
                returned(match, keyword) == held.values[keyword].rstrip() for held in one_of
            ) or keyword in ("PatientWeight", "StudyTime")


def returned(match: Any, keyword: str) -> str:
    value = match[keyword].value
    return "" if value is None else str(value)
