"""Every file bundled with pydicom, by STOW-RS and by C-STORE: kept and found, or refused why."""

import json
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import ImplicitVRLittleEndian

from tests.bundled_files import BUNDLED_FILES, bundled_name
from tests.end_to_end.conftest import Run
from tests.end_to_end.killing import Victim
from tests.eventually import eventually
from tests.scripted_peer import ASSOCIATE_AC, CT_IMAGE_STORAGE, ScriptedPeer, store_command

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("bundled files"),
    pytest.mark.filterwarnings("ignore::UserWarning:pydicom"),  # of broken files
]

REASONS = {0x0110, 0x0122, 0x0124, 0xA700, 0xA900, 0xC000, 0xC122}


@dataclass(frozen=True, slots=True)
class Client:
    """A DICOMweb client with the token of the run, and a look at its receipts."""

    endpoints: dict[str, Any]
    run: Run

    def outcome(self, sop: str) -> str | None:
        """What became of the latest object with this SOP Instance UID; none while pending."""
        rows = Victim(self.run).rows(
            "SELECT outcome FROM ingestion_receipt WHERE sop_instance_uid = %s"
            " ORDER BY id DESC LIMIT 1",
            sop,
        )
        return None if rows[0][0] == "pending" else str(rows[0][0])

    def request(self, path: str, **headers: str) -> tuple[int, bytes]:
        """GET, or POST when there is a body in `headers`."""
        body = headers.pop("body", None)
        request = urllib.request.Request(
            self.endpoints["dicomweb"] + path,
            data=body,  # type: ignore[arg-type]
            headers={"Authorization": f"Bearer {self.endpoints['token']}", **headers},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def store(self, content: bytes) -> tuple[int, dict[str, Any]]:
        """STOW-RS of one object."""
        status, body = self.request(
            "/studies",
            body=content,  # type: ignore[arg-type]
            **{"Content-Type": "application/dicom", "Accept": "application/dicom+json"},
        )
        return status, json.loads(body)

    def instance(self, study: str, series: str, sop: str) -> bytes:
        """WADO-RS of one instance as it rests."""
        status, body = self.request(
            f"/studies/{study}/series/{series}/instances/{sop}",
            # Any, and the one that web services never had.
            Accept="application/dicom; transfer-syntax=*,"
            " application/dicom; transfer-syntax=1.2.840.10008.1.2.2",
        )
        assert status == 200
        return body

    def find(self, sop: str) -> dict[str, Any] | None:
        """QIDO-RS of one instance."""
        status, body = self.request(f"/instances?SOPInstanceUID={sop}")
        assert status == 200
        found = json.loads(body)
        return found[0] if found else None


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """One product for all files; at the end its log shows no traceback and no status 500."""
    folder = tmp_path_factory.mktemp("bundled")
    run = Run(state=folder / "state", log=folder / "log")
    run.start()
    yield Client(run.endpoints(), run)
    run.send(signal.SIGINT)
    log = run.log.read_text()
    assert "Traceback" not in log
    assert "status=500" not in log


def value(found: dict[str, Any], tag: str) -> str:
    return str(found[tag]["Value"][0])


def assert_comes_back(client: Client, sop: str, data_set: bytes) -> None:
    """The instance is found, and its data set is what was sent."""
    found = client.find(sop)
    assert found is not None
    study, series = value(found, "0020000D"), value(found, "0020000E")
    kept = client.instance(study, series, sop)
    assert kept[128:132] == b"DICM"
    assert kept.endswith(data_set)
    meta_length = len(kept) - len(data_set)
    assert dcmread(BytesIO(kept[:meta_length]), force=True).file_meta.TransferSyntaxUID


@pytest.mark.parametrize("path", BUNDLED_FILES, ids=bundled_name)
def test_by_stow_rs(client: Client, path: Path) -> None:
    content = path.read_bytes()
    status, answer = client.store(content)
    assert status in {200, 202, 400, 409}
    if status == 200:
        (stored,) = answer["00081199"]["Value"]
        assert_comes_back(client, value(stored, "00081155"), data_set_of(content))
    elif status == 409:
        (failed,) = answer.get("00081198", answer.get("0008119A"))["Value"]  # type: ignore[index]
        assert int(value(failed, "00081197")) in REASONS


@pytest.mark.parametrize("path", BUNDLED_FILES, ids=bundled_name)
def test_by_c_store(client: Client, path: Path) -> None:
    content = path.read_bytes()
    sop_class, sop_instance, syntax = names_of(path)
    dimse = client.endpoints["dimse"]
    data_set = data_set_of(content)
    with ScriptedPeer.connect(dimse["host"], dimse["port"]) as peer:
        answer = peer.associate([(1, sop_class, [syntax])], called=dimse["ae_title"])
        assert answer.kind == ASSOCIATE_AC
        if is_refused(answer.body):
            return
        command = store_command(sop_instance_uid=sop_instance, sop_class_uid=sop_class)
        status = peer.request(1, command, data_set).status
        peer.release()
    if status != 0x0000:
        assert status in REASONS
    elif eventually(lambda: client.outcome(sop_instance)) != "quarantined":
        assert_comes_back(client, sop_instance, data_set)


def names_of(path: Path) -> tuple[str, str, str]:
    """SOP Class, SOP Instance and transfer syntax; invented where a file names none."""
    try:
        dataset = dcmread(path, force=True, stop_before_pixels=True)
        syntax = dataset.file_meta.get("TransferSyntaxUID", ImplicitVRLittleEndian)
        return (
            str(dataset.get("SOPClassUID") or CT_IMAGE_STORAGE),
            str(dataset.get("SOPInstanceUID") or "1.2.3"),
            str(syntax),
        )
    except (InvalidDicomError, ValueError, AttributeError, KeyError, EOFError, NotImplementedError):
        return CT_IMAGE_STORAGE, "1.2.3", str(ImplicitVRLittleEndian)


def data_set_of(content: bytes) -> bytes:
    """What follows the file meta information, by its group length (PS3.10 7.1)."""
    if content[128:132] != b"DICM" or content[132:140] != b"\x02\x00\x00\x00UL\x04\x00":
        return content
    return content[144 + int.from_bytes(content[140:144], "little") :]


def is_refused(accept: bytes) -> bool:
    """Whether the only proposed context was refused (PS3.8 9.3.3.2)."""
    at = accept.index(b"\x21\x00", 68)
    return accept[at + 6] != 0
