"""Every bundled file comes back with identical pixels in every syntax that we make, or as 406."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from tests.bundled_files import BUNDLED_FILES, bundled_name
from tests.integration.dicomweb.web_client import STOW_TYPE, WebClient, content, multipart

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")  # of broken files

TARGETS = [
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.5",
]

# Many files of the same kind stand there; one is enough.
FILES = [path for path in BUNDLED_FILES if "dicomdirtests" not in path.parts] + [
    path for path in BUNDLED_FILES if "dicomdirtests" in path.parts
][:1]


@pytest.mark.parametrize("path", FILES, ids=bundled_name)
def test_all_that_is_kept_comes_in_all_that_can_be_made(web: WebClient, path: Path) -> None:
    response = web.post(multipart(path.read_bytes()), content_type=STOW_TYPE)
    if response.status_code != 200:
        return
    (reference,) = response.json()["00081199"]["Value"]
    url = reference["00081190"]["Value"][0].removeprefix("http://testserver")
    stored = content(web.get(url, accept="application/dicom"))
    expected = stored_pixels(stored)
    for uid in TARGETS:
        answer = web.get(url, accept=f"application/dicom; transfer-syntax={uid}")
        body = content(answer)
        assert answer.status_code in (200, 406), body
        if answer.status_code == 200:
            assert answer["Content-Type"] == f"application/dicom; transfer-syntax={uid}"
            assert dcmread(BytesIO(body)).file_meta.TransferSyntaxUID == uid
            if expected is not None:
                made = stored_pixels(body)
                assert made is not None
                assert np.array_equal(made, expected)


def stored_pixels(file: bytes) -> NDArray[Any] | None:
    """All frames as pydicom decodes them, colours as they are; None when it cannot."""
    dataset = dcmread(BytesIO(file))
    try:
        decoder = get_decoder(UID(dataset.file_meta.TransferSyntaxUID))
        return decoder.as_array(dataset, raw=True)[0]
    except (AttributeError, NotImplementedError, RuntimeError, ValueError):
        return None
