"""DCMTK's programs as modalities: they echo, store in every way they know, and are refused."""

from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import (
    HEVCM10P51,
    HEVCMP51,
    JPEG2000,
    MPEG2MPHL,
    MPEG2MPML,
    MPEG4HP41,
    MPEG4HP41BD,
    MPEG4HP42STEREO,
    MPEG4HP422D,
    MPEG4HP423D,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from tests.builders import build_ct, data_set_bytes, part10_bytes
from tests.eventually import eventually
from tests.interop.conftest import Site
from tests.interop.dcmtk import PROPOSAL_OF, wait_for, write_study

# In any transfer syntax, and in the one that web services give only to who names it.
AS_STORED = (
    "application/dicom; transfer-syntax=*, "
    f"application/dicom; transfer-syntax={ExplicitVRBigEndian}"
)
# Every proposal of storescu, with what it is for; the first four offer all that is uncompressed.
PROPOSALS = {
    "-x=": ExplicitVRLittleEndian,
    "-xe": ExplicitVRLittleEndian,
    "-xb": ExplicitVRBigEndian,
    "-xi": ImplicitVRLittleEndian,
    "-xs": JPEGLosslessSV1,
    "-xy": JPEGBaseline8Bit,
    "-xx": JPEGExtended12Bit,
    "-xv": JPEG2000Lossless,
    "-xw": JPEG2000,
    "-xt": JPEGLSLossless,
    "-xu": JPEGLSNearLossless,
    "-xm": MPEG2MPML,
    "-xh": MPEG2MPHL,
    "-xn": MPEG4HP41,
    "-xl": MPEG4HP41BD,
    "-x2": MPEG4HP422D,
    "-x3": MPEG4HP423D,
    "-xo": MPEG4HP42STEREO,
    "-x4": HEVCMP51,
    "-x5": HEVCM10P51,
    "-xr": RLELossless,
    "-xd": DeflatedExplicitVRLittleEndian,
}


def test_echoscu(site: Site) -> None:
    answer = site.dcmtk("echoscu", "-v", "--repeat", "3", *site.peer)
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr.count("Received Echo Response (Success)") == 3


def test_storescu_sends_a_folder(site: Site, tmp_path: Path) -> None:
    datasets = write_study(tmp_path / "study", 20)
    answer = site.dcmtk("storescu", "-v", *site.peer, "+sd", "+r", str(tmp_path / "study"))
    assert answer.returncode == 0, answer.stderr
    study = datasets[0].StudyInstanceUID
    eventually(lambda: len(site.search(f"/studies/{study}/instances")) == 20)
    (found,) = site.search(f"/studies?StudyInstanceUID={study}")
    assert found["00201208"]["Value"] == [20]


@pytest.mark.parametrize("syntax", PROPOSAL_OF, ids=lambda uid: uid.name)
def test_stored_data_set_comes_back_unchanged(site: Site, tmp_path: Path, syntax: UID) -> None:
    (dataset,) = write_study(tmp_path / "study", 1, transfer_syntax_uid=syntax)
    sent = tmp_path / "study" / "0.dcm"
    proposal = PROPOSAL_OF[syntax]
    answer = site.dcmtk("storescu", proposal, *site.peer, str(sent))
    assert answer.returncode == 0, answer.stderr
    path = wait_for(site, dataset)
    kept = tmp_path / "kept.dcm"
    kept.write_bytes(site.get(path, accept=AS_STORED))
    assert site.dcmtk("dcmftest", str(kept)).stdout.startswith("yes")
    read = dcmread(kept)
    assert read == dataset
    assert read.file_meta.TransferSyntaxUID == syntax
    assert kept.read_bytes().endswith(data_set_bytes(dataset))


@pytest.mark.parametrize("proposal", PROPOSALS)
def test_storescu_with_every_proposal(site: Site, tmp_path: Path, proposal: str) -> None:
    (dataset,) = write_study(tmp_path / "study", 1, transfer_syntax_uid=PROPOSALS[proposal])
    answer = site.dcmtk("storescu", proposal, *site.peer, str(tmp_path / "study" / "0.dcm"))
    assert answer.returncode == 0, answer.stderr
    wait_for(site, dataset)


def test_echoscu_proposes_as_much_as_it_can(site: Site) -> None:
    answer = site.dcmtk("echoscu", "-v", "-ppc", "128", "-pts", "38", *site.peer)
    assert answer.returncode == 0, answer.stderr
    assert "Received Echo Response (Success)" in answer.stderr


def test_termscu_terminates_nothing(site: Site) -> None:
    """Its private SOP Class asks a server to shut down; nobody who may associate can do that."""
    answer = site.dcmtk("termscu", "-v", *site.peer)
    assert answer.returncode != 0
    assert "No Acceptable Presentation Contexts" in answer.stdout + answer.stderr
    assert site.dcmtk("echoscu", *site.peer).returncode == 0


def test_dcmsend(site: Site, tmp_path: Path) -> None:
    (dataset,) = write_study(tmp_path / "study", 1)
    answer = site.dcmtk("dcmsend", "-v", *site.peer, str(tmp_path / "study" / "0.dcm"))
    assert answer.returncode == 0, answer.stderr
    wait_for(site, dataset)


def test_unknown_called_ae_title_is_refused_by_name(site: Site) -> None:
    dimse = site.endpoints["dimse"]
    answer = site.dcmtk("echoscu", "-aec", "NOBODY", dimse["host"], str(dimse["port"]))
    assert answer.returncode != 0
    assert "Called AE Title Not Recognized" in answer.stderr


def test_invalid_object_is_refused_and_its_neighbours_are_stored(
    site: Site, tmp_path: Path
) -> None:
    good = write_study(tmp_path / "study", 2)
    bad = build_ct(extra=[(0x0020000D, "UI", "")])
    (tmp_path / "study" / "0a.dcm").write_bytes(part10_bytes(bad))
    answer = site.dcmtk("storescu", "-v", "-nh", *site.peer, "+sd", str(tmp_path / "study"))
    assert "Refused" in answer.stderr or "Error" in answer.stderr
    for dataset in good:
        wait_for(site, dataset)
