"""C-FIND asks and answers in the character set of the query. Source: PS3.4 C.2.2.2, C.4.1.1.3.2."""

from collections.abc import Iterator

import pytest
from pydicom.dataset import Dataset

from ingestion.models import StorageSpace
from tests.integration.dimse.conftest import Start
from tests.integration.dimse.find_client import SUCCESS, associate, find, keep, query
from tests.scripted_peer import ScriptedPeer

LATIN, JAPANESE = "Buc^Jérôme", "Yamada^Tarou=山田^太郎=やまだ^たろう"
HELD = [
    ("1.2.1", "ISO_IR 100", LATIN),
    ("1.2.2", ["", "ISO 2022 IR 87"], JAPANESE),
    ("1.2.3", "ISO_IR 192", "Wang^XiaoDong=王^小东"),
    ("1.2.4", None, "Doe^Jane"),
]


@pytest.fixture
def peer(space: StorageSpace, start_service: Start) -> Iterator[ScriptedPeer]:
    for study, character_set, name in HELD:
        values = {} if character_set is None else {"SpecificCharacterSet": character_set}
        keep(space, study, f"{study}.1", f"{study}.1.1", **values, PatientName=name)
    with start_service().connect() as peer:
        yield associate(peer)


def ask(peer: ScriptedPeer, character_set: object, name: str, **keys: str) -> list[Dataset]:
    identifier = query("STUDY", StudyInstanceUID="", **keys)
    if character_set is not None:
        identifier.SpecificCharacterSet = character_set
    identifier.PatientName = name
    answer = find(peer, identifier)
    assert answer.status == SUCCESS
    return answer.matches


@pytest.mark.parametrize("further", [{}, {"PatientComments": ""}], ids=["columns", "headers"])
@pytest.mark.parametrize(
    ("asked", "key", "study", "answered"),
    [
        ("ISO_IR 100", "BUC^jérôme", "1.2.1", "ISO_IR 100"),
        ("ISO_IR 192", "*Jérôme", "1.2.1", "ISO_IR 192"),
        (None, "Buc*", "1.2.1", "ISO_IR 192"),
        (["", "ISO 2022 IR 87"], "山田^太郎", "1.2.2", ["", "ISO 2022 IR 87"]),
        (["ISO 2022 IR 13", "ISO 2022 IR 87"], "*やまだ*", "1.2.2", None),
        ("ISO_IR 100", "Yamada*", "1.2.2", "ISO_IR 192"),
        ("GB18030", "*小东", "1.2.3", "GB18030"),
        ("ISO_IR 100", "doe*", "1.2.4", "nothing"),
    ],
)
def test_names_are_asked_and_answered_in_a_character_set(
    peer: ScriptedPeer,
    asked: object,
    key: str,
    study: str,
    answered: object,
    further: dict[str, str],
) -> None:
    (found,) = ask(peer, asked, key, **further)
    name = next(name for uid, _, name in HELD if uid == study)
    assert (found.StudyInstanceUID, str(found.PatientName)) == (study, name)
    assert found.get("SpecificCharacterSet", "nothing") == (answered or asked)


def test_each_match_says_its_own_character_set(peer: ScriptedPeer) -> None:
    found = {match.StudyInstanceUID: match for match in ask(peer, "ISO_IR 100", "")}
    assert {uid: str(match.PatientName) for uid, match in found.items()} == {
        uid: name for uid, _, name in HELD
    }
    assert {uid: match.get("SpecificCharacterSet") for uid, match in found.items()} == {
        "1.2.1": "ISO_IR 100",
        "1.2.2": "ISO_IR 192",
        "1.2.3": "ISO_IR 192",
        "1.2.4": None,
    }
