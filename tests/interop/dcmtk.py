"""What tests with DCMTK share: studies in folders, transfer syntaxes by option, a storescp."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from ingestion.dimse.requestor.files_on_disk import file_on_disk
from tests.builders import build_ct, new_uid, part10_bytes
from tests.eventually import eventually
from tests.free_ports import free_port
from tests.interop.conftest import Site

PROPOSAL_OF = {
    ImplicitVRLittleEndian: "-xi",
    ExplicitVRLittleEndian: "-xe",
    ExplicitVRBigEndian: "-xb",
    RLELossless: "-xr",
    JPEGLosslessSV1: "-xs",
    JPEGLSLossless: "-xt",
    JPEG2000Lossless: "-xv",
}


def write_study(folder: Path, amount: int, **options: object) -> list[Dataset]:
    study, series = new_uid(), new_uid()
    datasets = [
        build_ct(study_instance_uid=study, series_instance_uid=series, **options)  # type: ignore[arg-type]
        for _ in range(amount)
    ]
    folder.mkdir(exist_ok=True)
    for number, dataset in enumerate(datasets):
        (folder / f"{number}.dcm").write_bytes(part10_bytes(dataset))
    return datasets


def wait_for(site: Site, dataset: Dataset) -> str:
    """The path of the instance, once it can be searched."""
    study, series, sop = (
        dataset.StudyInstanceUID,
        dataset.SeriesInstanceUID,
        dataset.SOPInstanceUID,
    )
    eventually(lambda: site.search(f"/studies/{study}/instances?SOPInstanceUID={sop}"))
    return f"/studies/{study}/series/{series}/instances/{sop}"


@contextmanager
def storescp(folder: Path, *options: str) -> Iterator[int]:
    """A storescp that writes what it receives, bit by bit, to the folder; gives its port."""
    port = free_port()
    folder.mkdir(exist_ok=True)
    words = ["/usr/bin/storescp", "-od", str(folder), "+B", *options, str(port)]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as process:
        try:
            eventually(lambda: listens(port))
            yield port
        finally:
            process.terminate()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def received(folder: Path) -> dict[str, Path]:
    return {file_on_disk(path).sop_instance_uid: path for path in folder.iterdir()}


def data_set_of(path: Path) -> bytes:
    return path.read_bytes()[file_on_disk(path).data_set_offset :]
