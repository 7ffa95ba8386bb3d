"""Paths and texts that mean something elsewhere, and names in several scripts."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.builders import build_ct
from tests.integration.dicomweb.web_client import WebClient


@pytest.mark.parametrize("path", ["/dicomweb//studies", "/dicomweb///studies/", "/wado-rs/studies"])
def test_paths_are_taken_as_clients_write_them(web: WebClient, path: str) -> None:
    assert web.get(path).status_code == 200


def test_names_with_quotes_and_percent_signs_are_only_text(web: WebClient) -> None:
    web.store(build_ct())
    for text in ("%", "_", "x\\", "'", '"; DROP TABLE x', "[a-z]*", "(*"):
        for key in ("PatientName", "StudyDescription", "ModalitiesInStudy"):
            response = web.get(f"/dicomweb/studies?{key}={quote(text)}")
            assert response.status_code in (200, 400), (key, text)
            found: list[Any] = json.loads(response.content)
            assert response.status_code == 400 or found == [], (key, text)


@pytest.mark.parametrize(
    "key", ["yamada^tarou", "山田^太郎", "=山田^太郎", "山田*", "*^tarou", "やまだ^たろう", "*田*"]
)
def test_a_name_is_found_by_any_of_its_groups(web: WebClient, key: str) -> None:
    """PS3.5 H.3.1."""
    japanese = build_ct(
        character_set=["", "ISO 2022 IR 87"], patient_name="Yamada^Tarou=山田^太郎=やまだ^たろう"
    )
    web.store(japanese, build_ct())
    for level in ("studies", "series", "instances"):
        (found,) = web.json(f"/dicomweb/{level}?PatientName={quote(key)}")
        assert found["0020000D"]["Value"] == [japanese.StudyInstanceUID]
    for other in ("yamada", "太郎*", "tarou=山田"):
        assert web.json(f"/dicomweb/studies?PatientName={quote(other)}") == []
