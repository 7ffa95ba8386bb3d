"""Every file bundled with pydicom at every rendered resource: a picture, a page or a clear no."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.pixels.utils import pixel_array

from tests.bundled_files import BUNDLED_FILES, bundled_name
from tests.integration.dicomweb.images import picture
from tests.integration.dicomweb.web_client import WebClient, content
from tests.unit.dicom.rendering.reference_pictures import reference

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:pydicom"),  # of broken files
]

ACCEPTED = ("image/jpeg", "image/png", "image/gif", 'multipart/related; type="image/png"')

BIG_ENDIAN = (
    "ExplVR_BigEnd.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_expb.dcm",
    "SC_rgb_small_odd_big_endian.dcm",
    "liver_expb_1frame.dcm",
)


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


@pytest.mark.parametrize("name", BIG_ENDIAN)
def test_big_endian_is_shown_as_pydicom_decodes_it(web: WebClient, name: str) -> None:
    path = next(path for path in BUNDLED_FILES if path.name == name)
    kept = web.post(path.read_bytes(), content_type="application/dicom")
    assert kept.status_code == 200
    (study,) = web.json("/dicomweb/studies?limit=1")[0]["0020000D"]["Value"]
    response = web.get(f"/dicomweb/studies/{study}/rendered", accept="image/png")
    dataset = dcmread(path)
    frame = pixel_array(dataset, index=0)
    expected, tolerance = reference(dataset, frame)
    found = np.asarray(picture(response)).astype(int)
    assert np.abs(found - expected).max() <= tolerance
