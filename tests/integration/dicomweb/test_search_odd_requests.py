"""Search requests written as nobody should: paths and texts that mean something elsewhere."""

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
