"""DCMTK's getscu and movescu retrieve what they stored, by every model and in other syntaxes."""

import copy
import socket
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from tests.builders import build_ct, data_set_bytes, new_uid, part10_bytes
from tests.interop.conftest import Site
from tests.interop.dcmtk import PROPOSAL_OF, data_set_of, received, storescp, wait_for, write_study

INTRODUCTION = """
from ingestion.models import RemoteApplicationEntity
RemoteApplicationEntity.objects.update_or_create(
    ae_title={ae_title!r}, defaults={{"host": "127.0.0.1", "port": {port}, "may_call_all": True,
    "associations_max": {associations_max}}}
)
"""


def introduce(site: Site, ae_title: str, port: int, *, associations_max: int = 1) -> None:
    """Let the product know a destination."""
    script = INTRODUCTION.format(ae_title=ae_title, port=port, associations_max=associations_max)
    site.manage("shell", "--no-imports", "-c", script)


def stored(site: Site, folder: Path, amount: int, syntax: UID) -> list[Dataset]:
    datasets = write_study(folder, amount, transfer_syntax_uid=syntax)
    proposal = PROPOSAL_OF.get(syntax, "-xd")
    answer = site.dcmtk("storescu", proposal, *site.peer, "+sd", str(folder))
    assert answer.returncode == 0, answer.stderr
    for dataset in datasets:
        wait_for(site, dataset)
    return datasets


def keys(level: str, dataset: Dataset) -> list[str]:
    """Every unique key, for the level to choose from."""
    return [
        *("-k", f"QueryRetrieveLevel={level}", "-k", f"PatientID={dataset.PatientID}"),
        *("-k", f"StudyInstanceUID={dataset.StudyInstanceUID}"),
        *("-k", f"SeriesInstanceUID={dataset.SeriesInstanceUID}"),
        *("-k", f"SOPInstanceUID={dataset.SOPInstanceUID}"),
    ]


def came(folder: Path, datasets: list[Dataset], syntax: UID) -> None:
    """Exactly these are in the folder, their data sets as they are in this syntax."""
    files = received(folder)
    assert files.keys() == {dataset.SOPInstanceUID for dataset in datasets}
    for dataset in datasets:
        file = files[dataset.SOPInstanceUID]
        assert data_set_of(file) == data_set_bytes(dataset, syntax)
        assert dcmread(file).file_meta.TransferSyntaxUID == syntax


@pytest.mark.parametrize(
    ("model", "level", "amount"),
    [
        ("-P", "STUDY", 3),
        ("-P", "SERIES", 3),
        ("-P", "IMAGE", 1),
        ("-S", "STUDY", 3),
        ("-S", "SERIES", 3),
        ("-S", "IMAGE", 1),
        ("-O", "STUDY", 3),
    ],
)
def test_getscu_by_every_model(
    site: Site, tmp_path: Path, model: str, level: str, amount: int
) -> None:
    datasets = stored(site, tmp_path / "study", 3, ExplicitVRLittleEndian)
    (tmp_path / "got").mkdir()
    words = ["-v", "+B", "-od", str(tmp_path / "got"), model, *keys(level, datasets[0])]
    answer = site.dcmtk("getscu", *words, *site.peer)
    assert answer.returncode == 0, answer.stderr
    came(tmp_path / "got", datasets[:amount], ExplicitVRLittleEndian)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_getscu_gets_what_is_stored_otherwise_in_what_it_takes(
    site: Site, tmp_path: Path, syntax: UID
) -> None:
    datasets = stored(site, tmp_path / "study", 2, syntax)
    (tmp_path / "got").mkdir()
    words = ["+B", "-od", str(tmp_path / "got"), "-S", *keys("STUDY", datasets[0])]
    answer = site.dcmtk("getscu", *words, *site.peer)
    assert answer.returncode == 0, answer.stderr
    came(tmp_path / "got", datasets, ExplicitVRLittleEndian)


def test_getscu_gets_the_pixels_of_what_is_stored_compressed(site: Site, tmp_path: Path) -> None:
    pixels = b"".join(number.to_bytes(2, "little") for number in range(64))
    image = build_ct(extra=[(0x7FE00010, "OW", pixels)])
    compressed = copy.deepcopy(image)
    compressed.compress(RLELossless, generate_instance_uid=False)
    sent, got = tmp_path / "rle.dcm", tmp_path / "got"
    sent.write_bytes(part10_bytes(compressed))
    got.mkdir()
    assert site.dcmtk("storescu", "-xr", *site.peer, str(sent)).returncode == 0
    wait_for(site, image)
    words = ["+B", "-od", str(got), "-S", *keys("STUDY", image)]
    answer = site.dcmtk("getscu", *words, *site.peer)
    assert answer.returncode == 0, answer.stderr
    file = dcmread(received(got)[image.SOPInstanceUID])
    assert file.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert (file.pixel_array == image.pixel_array).all()


@pytest.mark.parametrize("associations_max", [1, 3])
def test_movescu_to_storescp(site: Site, tmp_path: Path, associations_max: int) -> None:
    datasets = stored(site, tmp_path / "study", 12, ExplicitVRLittleEndian)
    with storescp(tmp_path / "got", "--fork") as port:
        introduce(site, "STORESCP", port, associations_max=associations_max)
        words = ["-v", "-aem", "STORESCP", "-S", *keys("STUDY", datasets[0])]
        answer = site.dcmtk("movescu", *words, *site.peer)
    assert answer.returncode == 0, answer.stderr
    assert "Success" in answer.stderr
    came(tmp_path / "got", datasets, ExplicitVRLittleEndian)


def test_movescu_to_storescp_that_takes_implicit_vr_only(site: Site, tmp_path: Path) -> None:
    datasets = stored(site, tmp_path / "study", 2, ExplicitVRLittleEndian)
    with storescp(tmp_path / "got", "+xi") as port:
        introduce(site, "STORESCP", port)
        words = ["-aem", "STORESCP", "-S", *keys("STUDY", datasets[0])]
        answer = site.dcmtk("movescu", *words, *site.peer)
    assert answer.returncode == 0, answer.stderr
    came(tmp_path / "got", datasets, ImplicitVRLittleEndian)


def test_movescu_receives_by_itself(site: Site, tmp_path: Path) -> None:
    datasets = stored(site, tmp_path / "study", 3, ExplicitVRLittleEndian)
    (tmp_path / "got").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    introduce(site, "MOVESCU", port)
    words = ["+P", str(port), "-od", str(tmp_path / "got"), "-P"]
    answer = site.dcmtk("movescu", *words, *keys("STUDY", datasets[0]), *site.peer)
    assert answer.returncode == 0, answer.stderr
    files = received(tmp_path / "got")
    for dataset in datasets:
        assert dcmread(files[dataset.SOPInstanceUID]) == dataset


def test_movescu_is_told_of_an_unknown_destination(site: Site) -> None:
    words = ["-v", "-aem", "NOWHERE", "-S", "-k", "QueryRetrieveLevel=STUDY"]
    words += ["-k", f"StudyInstanceUID={new_uid()}"]
    answer = site.dcmtk("movescu", *words, *site.peer)
    assert answer.returncode != 0
    assert "MoveDestinationUnknown" in answer.stderr
