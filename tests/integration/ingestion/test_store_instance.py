"""The one way in: bytes kept as they came, described, and refused with a reason."""

import hashlib
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from ingestion.dicom.statuses import c_store_status
from ingestion.errors import (
    IdentifierMismatch,
    InvalidInstance,
    LimitExceeded,
    NotDicom,
    NotPermitted,
    StudyMismatch,
    TruncatedDataSet,
    UnsupportedTransferSyntax,
)
from ingestion.models import Instance, Receipt, RetiredObject, SenderKind, StorageSpace
from ingestion.use_cases.commit_receipts import commit_receipts
from ingestion.use_cases.register_receipts import register_receipts
from ingestion.use_cases.storage_spaces import open_space_store
from ingestion.use_cases.store_instance import (
    Sender,
    StoredInstance,
    receive_data_set,
    receive_file,
)
from tests.builders import build_ct, data_set_bytes, part10_bytes
from tests.bundled_files import BUNDLED_FILES, bundled_name

pytestmark = pytest.mark.django_db

SENDER = Sender(kind=SenderKind.STOW, conversation_id="r1", principal="tester")
CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"


def store_file(space: StorageSpace, content: bytes, *, step: int = 65536) -> StoredInstance:
    with receive_file(space, SENDER) as incoming:
        for start in range(0, len(content), step):
            incoming.write(content[start : start + step])
        return incoming.store()


def stored_bytes(space: StorageSpace, stored: StoredInstance) -> bytes:
    return open_space_store(space).read(stored.location, 0, 1 << 30)


def leftovers(space: StorageSpace) -> list[Path]:
    return [path for path in open_space_store(space).spool_folder().iterdir() if path.is_file()]


@pytest.mark.parametrize("step", [1, 100, 1 << 20])
def test_file_is_kept_byte_for_byte(folder_space: StorageSpace, step: int) -> None:
    content = part10_bytes(build_ct())
    stored = store_file(folder_space, content, step=step)
    assert stored_bytes(folder_space, stored) == content
    data_set = content[stored.data_set_offset :]
    assert stored.data_set_sha256 == hashlib.sha256(data_set).digest()
    assert stored.size_bytes == len(content)
    assert not leftovers(folder_space)


@pytest.mark.parametrize(
    "transfer_syntax_uid", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, RLELossless]
)
def test_data_set_of_a_c_store_becomes_a_dicom_file(
    folder_space: StorageSpace, transfer_syntax_uid: str
) -> None:
    dataset = build_ct(transfer_syntax_uid=transfer_syntax_uid)
    encoded = data_set_bytes(dataset)
    sender = Sender(kind=SenderKind.DIMSE, conversation_id="a1", calling_ae_title="CT1")
    with receive_data_set(
        folder_space,
        sender,
        sop_class_uid=CT,
        sop_instance_uid=dataset.SOPInstanceUID,
        transfer_syntax_uid=transfer_syntax_uid,
    ) as incoming:
        incoming.write(encoded)
        stored = incoming.store()
    path = open_space_store(folder_space).open_path(stored.location)
    assert path is not None
    assert path.read_bytes()[stored.data_set_offset :] == encoded
    read = dcmread(path)
    assert read.file_meta.TransferSyntaxUID == transfer_syntax_uid
    assert read.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
    assert read.file_meta.SourceApplicationEntityTitle == "CT1"
    assert read == dataset


@pytest.mark.parametrize("step", [7, 1 << 20])
def test_bare_data_set_is_given_file_meta(folder_space: StorageSpace, step: int) -> None:
    dataset = build_ct()
    encoded = data_set_bytes(dataset)
    stored = store_file(folder_space, encoded, step=step)
    content = stored_bytes(folder_space, stored)
    assert content[128:132] == b"DICM"
    assert content[stored.data_set_offset :] == encoded
    assert stored.data_set_sha256 == hashlib.sha256(encoded).digest()


def test_file_that_names_another_instance_is_given_file_meta_of_its_own(
    folder_space: StorageSpace,
) -> None:
    """Whoever anonymizes a file may forget what stands in front of the data set."""
    dataset = build_ct()
    dataset.file_meta.SourceApplicationEntityTitle = "CT1"
    uid = dataset.SOPInstanceUID.encode()
    other = uid[:-1] + (b"1" if uid[-1:] == b"2" else b"2")
    stored = store_file(folder_space, part10_bytes(dataset).replace(uid, other, 1))
    content = stored_bytes(folder_space, stored)
    assert stored.attributes.sop_instance_uid == dataset.SOPInstanceUID
    assert content[stored.data_set_offset :] == data_set_bytes(dataset)
    read = dcmread(BytesIO(content))
    assert read.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
    assert read.file_meta.SourceApplicationEntityTitle == "CT1"
    assert not leftovers(folder_space)


def test_large_object_is_spilled_and_kept(folder_space: StorageSpace) -> None:
    content = part10_bytes(build_ct(rows=1024, columns=1200))
    stored = store_file(folder_space, content)
    assert stored_bytes(folder_space, stored) == content
    assert not leftovers(folder_space)


@pytest.mark.parametrize("path", BUNDLED_FILES, ids=bundled_name)
def test_bundled_file_is_kept_or_refused_with_a_reason(
    folder_space: StorageSpace, path: Path
) -> None:
    content = path.read_bytes()
    try:
        stored = store_file(folder_space, content)
    except (InvalidInstance, LimitExceeded) as refusal:
        assert refusal.args != ("",)  # noqa: PT017  # it may also be kept
        assert not leftovers(folder_space)
    else:
        commit_receipts([stored])
        assert register_receipts([stored.receipt_id]) == {stored.receipt_id: "registered"}
        instance = Instance.objects.get()
        kept = stored_bytes(folder_space, stored)
        assert content.endswith(kept[instance.data_set_offset :])
        assert instance.transfer_syntax_uid == stored.transfer_syntax_uid


def test_same_data_set_with_other_file_meta_is_a_duplicate(folder_space: StorageSpace) -> None:
    dataset = build_ct()
    first = store_file(folder_space, part10_bytes(dataset))
    dataset.file_meta.SourceApplicationEntityTitle = "ELSEWHERE"
    second = store_file(folder_space, part10_bytes(dataset))
    assert second.location != first.location
    commit_receipts([first, second])
    outcomes = register_receipts([first.receipt_id, second.receipt_id])
    assert outcomes == {first.receipt_id: "registered", second.receipt_id: "duplicate"}
    assert Instance.objects.get().location == first.location
    assert RetiredObject.objects.get().location == second.location


@pytest.mark.parametrize(
    ("limit", "status"),
    [
        ({"header_bytes_max": 100_000}, 0xC000),  # sending it again cannot help
        ({"header_elements_max": 100}, 0xC000),
        ({"sequence_depth_max": 1}, 0xC000),
        ({"inflated_bytes_max": 1024}, 0xC000),
        ({"instance_bytes_max": 4096}, 0xA700),
    ],
    ids=str,
)
def test_each_limit_of_the_environment_is_applied(
    folder_space: StorageSpace, settings: Any, limit: dict[str, int], status: int
) -> None:
    inner = Dataset()
    inner.add_new(0x00081140, "SQ", [Dataset()])
    many = [(0x00091000 + number, "LO", "x") for number in range(100)]
    extra = [
        (0x00081140, "SQ", [inner]),
        (0x00090010, "LO", "TESTS"),
        (0x0040A160, "UT", "x" * 200_000),
        *many,
    ]
    is_deflated = "inflated_bytes_max" in limit
    syntax = DeflatedExplicitVRLittleEndian if is_deflated else ExplicitVRLittleEndian
    content = part10_bytes(build_ct(transfer_syntax_uid=syntax, extra=extra))
    store_file(folder_space, content)
    settings.LIMITS = settings.LIMITS.model_copy(update=limit)
    with pytest.raises(LimitExceeded, match=str(next(iter(limit.values())))) as refusal:
        store_file(folder_space, content)
    assert c_store_status(refusal.value) == status
    assert not leftovers(folder_space)


def test_refusals(folder_space: StorageSpace) -> None:
    dataset = build_ct()
    content = part10_bytes(dataset)
    for broken, error in (
        (b"", NotDicom),
        (b"GIF89a" * 100, InvalidInstance),
        (content[:140], TruncatedDataSet),
        (content[:-1], TruncatedDataSet),
    ):
        with pytest.raises(error):
            store_file(folder_space, broken)
    with pytest.raises(IdentifierMismatch):
        store_file(folder_space, content.replace(CT.encode(), MR.encode(), 1))  # the file meta's
    assert not leftovers(folder_space)
    assert not Receipt.objects.exists()


@pytest.mark.parametrize(
    "declared", [b"1.2\r\nX-Told: 1", b"1.2;boundary=x\0", b"9" * 66, b"../../etc\0"]
)
def test_transfer_syntax_that_is_no_uid_is_refused(
    folder_space: StorageSpace, declared: bytes
) -> None:
    """It would end up in the Content-Type of what is retrieved."""
    dataset = build_ct()
    element = b"\x02\x00\x10\x00UI" + len(declared).to_bytes(2, "little") + declared
    content = bytes(128) + b"DICM" + element + data_set_bytes(dataset)
    with pytest.raises(UnsupportedTransferSyntax):
        store_file(folder_space, content)
    assert not leftovers(folder_space)


def test_command_set_that_names_another_object_is_refused(folder_space: StorageSpace) -> None:
    dataset = build_ct()
    with receive_data_set(
        folder_space,
        SENDER,
        sop_class_uid=CT,
        sop_instance_uid="1.2.3",
        transfer_syntax_uid=ExplicitVRLittleEndian,
    ) as incoming:
        incoming.write(data_set_bytes(dataset))
        with pytest.raises(IdentifierMismatch):
            incoming.store()


@pytest.mark.parametrize("named", ["", "1.2.x"])
def test_command_set_that_names_no_object_is_refused(
    folder_space: StorageSpace, named: str
) -> None:
    """Its UID is mandatory (PS3.7 9.1.1), also in the file meta information that we write."""
    with pytest.raises(InvalidInstance):
        receive_data_set(
            folder_space,
            SENDER,
            sop_class_uid=CT,
            sop_instance_uid=named,
            transfer_syntax_uid=ExplicitVRLittleEndian,
        )
    assert not leftovers(folder_space)


def test_instance_of_another_study_is_refused(folder_space: StorageSpace) -> None:
    with receive_file(folder_space, SENDER) as incoming:
        incoming.write(part10_bytes(build_ct()))
        with pytest.raises(StudyMismatch):
            incoming.store(study_instance_uid="1.2.3")


def test_closed_space_takes_nothing(folder_space: StorageSpace) -> None:
    folder_space.accepts_new_objects = False
    with pytest.raises(NotPermitted):
        receive_file(folder_space, SENDER)


def test_uncommitted_object_is_in_no_manifest_and_commit_can_be_repeated(
    folder_space: StorageSpace,
) -> None:
    stored = store_file(folder_space, part10_bytes(build_ct()))
    assert not Receipt.objects.exists()
    commit_receipts([stored])
    commit_receipts([stored])
    receipt = Receipt.objects.get()
    assert receipt.pk == stored.receipt_id
    assert receipt.principal == "tester"
    assert receipt.document is not None
