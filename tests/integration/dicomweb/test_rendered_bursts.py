"""Bursts of thumbnails on the real server, some of damaged frames: each request has its answer."""

import urllib.request
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID

from ingestion.models import StorageSpace
from tests.builders import new_uid, part10_bytes
from tests.bundled_files import BUNDLED_FILES
from tests.integration.dicomweb.images import image
from tests.integration.dicomweb.paths import instance_path
from tests.integration.dicomweb.web_client import STOW_TYPE, make_token, multipart
from tests.integration.dicomweb.web_process import RunningWeb

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")

TOGETHER = 25
DECODED_APART = ("MR_small_jpeg_ls_lossless.dcm", "SC_rgb_jpeg_gdcm.dcm")


def compressed(name: str) -> Dataset:
    """A bundled file with UIDs of its own."""
    dataset = dcmread(next(path for path in BUNDLED_FILES if path.name == name))
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = new_uid(), new_uid()
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(new_uid())
    return dataset


def damaged(name: str) -> Dataset:
    dataset = compressed(name)
    half = len(dataset.PixelData) // 2
    dataset.PixelData = dataset.PixelData[:half] + bytes(len(dataset.PixelData) - half)
    return dataset


def test_a_burst_of_thumbnails_is_answered(server: RunningWeb, served_space: StorageSpace) -> None:
    token = make_token(may_store=True, all_spaces=True)
    noise = np.random.default_rng(3)
    datasets = [
        *(image(noise.integers(0, 4000, (256, 256)).astype("<u2")) for _ in range(15)),
        *(compressed(name) for name in DECODED_APART * 3),
        *(damaged(name) for name in DECODED_APART * 2),
    ]
    assert len(datasets) == TOGETHER

    def asked(path: str, body: bytes | None = None, **headers: str) -> bytes:
        headers["Authorization"] = f"Bearer {token}"
        request = urllib.request.Request(f"{server.url}{path}", body, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            found: bytes = answer.read()
            return found

    stow = multipart(*(part10_bytes(dataset) for dataset in datasets))
    asked("/dicomweb/studies", stow, **{"Content-Type": STOW_TYPE})
    paths = [f"{instance_path(dataset)}/thumbnail" for dataset in datasets]
    with ThreadPoolExecutor(max_workers=TOGETHER) as threads:
        answers = list(threads.map(asked, paths * 3))
    assert answers[:TOGETHER] == answers[TOGETHER : 2 * TOGETHER] == answers[2 * TOGETHER :]
    assert {max(Image.open(BytesIO(body)).size) for body in answers} <= {64, 100, 128}
