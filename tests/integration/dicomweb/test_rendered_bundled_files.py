"""Every file bundled with pydicom at every rendered resource: a picture, a page or a clear no."""

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from tests.bundled_files import BUNDLED_FILES, bundled_name
from tests.integration.dicomweb.web_client import WebClient, content

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:pydicom"),  # of broken files
]

SEARCH_FIELDS = "/dicomweb/instances?limit=1"


@pytest.mark.parametrize("path", BUNDLED_FILES, ids=bundled_name)
def test_no_bundled_file_fails_the_server(web: WebClient, path: Path) -> None:
    stored = web.post(path.read_bytes(), content_type="application/dicom")
    assert stored.status_code in (200, 202, 409, 400), "kept or refused"
    found = web.json(SEARCH_FIELDS)
    if not found:
        return
    study, series, instance = (
        found[0][tag]["Value"][0] for tag in ("0020000D", "0020000E", "00080018")
    )
    addresses = [f"/dicomweb/studies/{study}"]
    addresses.append(f"{addresses[0]}/series/{series}")
    addresses.append(f"{addresses[1]}/instances/{instance}")
    for address in addresses:
        thumbnail = web.get(f"{address}/thumbnail")
        assert thumbnail.status_code == 200, content(thumbnail)
        picture = Image.open(BytesIO(content(thumbnail)))
        assert max(picture.size) <= 128
        rendered = web.get(f"{address}/rendered")
        assert rendered.status_code in (200, 406), content(rendered)
    for accept in ("image/jpeg", "image/png", "image/gif", 'multipart/related; type="image/png"'):
        rendered = web.get(f"{addresses[-1]}/rendered", accept=accept)
        assert rendered.status_code in (200, 406), content(rendered)
        print(bundled_name(path), accept, rendered.status_code)
    frame = web.get(f"{addresses[-1]}/frames/1/rendered")
    assert frame.status_code in (200, 404, 406), content(frame)
