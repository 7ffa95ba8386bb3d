"""Every file bundled with pydicom at every rendered resource: a picture, a page or a clear no."""

from pathlib import Path
from typing import Any

import pytest

from tests.bundled_files import BUNDLED_FILES, bundled_name
from tests.integration.dicomweb.images import picture
from tests.integration.dicomweb.web_client import WebClient, content

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:pydicom"),  # of broken files
]

ACCEPTED = ("image/jpeg", "image/png", "image/gif", 'multipart/related; type="image/png"')


@pytest.mark.parametrize("path", BUNDLED_FILES, ids=bundled_name)
def test_no_bundled_file_fails_the_server(web: WebClient, path: Path) -> None:
    kept = web.post(path.read_bytes(), content_type="application/dicom")
    found = web.json("/dicomweb/instances?limit=1") if kept.status_code == 200 else []
    for instance in found:
        study, series, sop = (
            instance[tag]["Value"][0] for tag in ("0020000D", "0020000E", "00080018")
        )
        of_study = f"/dicomweb/studies/{study}"
        of_series = f"{of_study}/series/{series}"
        of_instance = f"{of_series}/instances/{sop}"
        for address in (of_study, of_series, of_instance):
            assert max(picture(web.get(f"{address}/thumbnail")).size) <= 128
            assert_made_or(web.get(f"{address}/rendered"), {406})
        for accept in ACCEPTED:
            assert_made_or(web.get(f"{of_instance}/rendered", accept=accept), {406})
        assert_made_or(web.get(f"{of_instance}/frames/1/rendered"), {404, 406})


def assert_made_or(response: Any, statuses: set[int]) -> None:
    """Something to be seen, or a status that says why there is nothing."""
    body = content(response)
    assert response.status_code in {200} | statuses, body
    assert body
