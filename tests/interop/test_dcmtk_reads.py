"""DCMTK reads what we transcode and the DICOMDIR that we make; it shares no code with us."""

import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import JPEGLosslessSV1, JPEGLSLossless, RLELossless

from tests.builders import build_ct, part10_bytes
from tests.interop.conftest import Site
from tests.interop.dcmtk import wait_for

PIXELS = np.arange(64 * 48, dtype="<u2").reshape(64, 48)


@pytest.fixture(scope="module")
def path(site: Site, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where an image of 12 bits is held."""
    dataset = build_ct(rows=64, columns=48, extra=[(0x7FE00010, "OW", PIXELS.tobytes())])
    file = tmp_path_factory.mktemp("sent") / "image.dcm"
    file.write_bytes(part10_bytes(dataset))
    assert site.dcmtk("storescu", *site.peer, str(file)).returncode == 0
    return wait_for(site, dataset)


@pytest.mark.parametrize(
    ("transfer_syntax_uid", "decoder"),
    [(RLELossless, "dcmdrle"), (JPEGLosslessSV1, "dcmdjpeg"), (JPEGLSLossless, "dcmdjpls")],
)
def test_dcmtk_decodes_the_same_pixels(
    site: Site, path: str, tmp_path: Path, transfer_syntax_uid: str, decoder: str
) -> None:
    made, decoded = tmp_path / "made.dcm", tmp_path / "decoded.dcm"
    accept = f"application/dicom; transfer-syntax={transfer_syntax_uid}"
    made.write_bytes(site.get(path, accept=accept))
    answer = site.dcmtk(decoder, str(made), str(decoded))
    assert answer.returncode == 0, answer.stderr
    assert np.array_equal(dcmread(decoded).pixel_array, PIXELS)


def test_dcmtk_reads_the_dicomdir(site: Site, path: str, tmp_path: Path) -> None:
    study = path.partition("/series")[0]
    with zipfile.ZipFile(BytesIO(site.get(study, accept="application/zip"))) as archive:
        archive.extractall(tmp_path)
    answer = site.dcmtk("dcmdump", "+L", str(tmp_path / "DICOMDIR"))
    assert answer.returncode == 0, answer.stderr
    assert "E:" not in answer.stderr
    for record in ("PATIENT", "STUDY", "SERIES", "IMAGE"):
        assert f"[{record}]" in answer.stdout
    assert r"[PT000000\ST000000\SE000000\IM000000]" in answer.stdout
