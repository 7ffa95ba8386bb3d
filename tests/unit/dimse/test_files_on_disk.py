"""Files that nobody stored here: what they hold, and the forms that are made of them."""

from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import FileDataset
from pydicom.filebase import DicomBytesIO
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    MediaStorageDirectoryStorage,
)

from ingestion.dimse.protocol.outgoing_data_sets import OutgoingInstance
from ingestion.dimse.requestor.files_on_disk import FileOnDisk, file_in, file_on_disk
from ingestion.errors import NotAcceptable, NotDicom, ObjectMissing, UnsupportedSOPClass
from tests.builders import build_ct, data_set_bytes, part10_bytes


def written(folder: Path, content: bytes) -> FileOnDisk:
    path = folder / "file"
    path.write_bytes(content)
    return file_on_disk(path)


def read_back(instance: OutgoingInstance) -> FileDataset:
    whole = b"".join(instance.read())
    assert len(whole) == instance.size_bytes
    assert b"".join(instance.read(10, 20)) == whole[10:30]
    rest = b"".join(instance.read(instance.data_set_offset))
    assert rest == whole[instance.data_set_offset :]
    return dcmread(DicomBytesIO(whole))


def test_file_is_what_its_meta_information_says(tmp_path: Path) -> None:
    dataset = build_ct(transfer_syntax_uid=ImplicitVRLittleEndian)
    file = written(tmp_path, part10_bytes(dataset))
    assert file.sop_class_uid == CTImageStorage
    assert file.sop_instance_uid == dataset.SOPInstanceUID
    assert file.transfer_syntax_uid == ImplicitVRLittleEndian
    assert file.path() == tmp_path / "file"
    assert b"".join(file.read(file.data_set_offset)) == data_set_bytes(dataset)


def test_file_without_meta_information_is_what_its_data_set_says(tmp_path: Path) -> None:
    dataset = build_ct()
    file = written(tmp_path, data_set_bytes(dataset))
    assert (file.sop_class_uid, file.sop_instance_uid) == (
        CTImageStorage,
        dataset.SOPInstanceUID,
    )
    assert (file.transfer_syntax_uid, file.data_set_offset) == (ExplicitVRLittleEndian, 0)


def test_what_is_no_instance_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotDicom):
        written(tmp_path, b"%PDF-1.7 " * 100)
    with pytest.raises(NotDicom):
        written(tmp_path, b"")
    with pytest.raises(ObjectMissing):
        file_on_disk(tmp_path / "nothing")
    directory = build_ct()
    directory.SOPClassUID = MediaStorageDirectoryStorage
    directory.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    with pytest.raises(UnsupportedSOPClass, match="DICOMDIR"):
        written(tmp_path, part10_bytes(directory))


def test_file_goes_as_it_is_where_that_is_accepted(tmp_path: Path) -> None:
    file = written(tmp_path, part10_bytes(build_ct(transfer_syntax_uid=JPEG2000Lossless)))
    assert file_in(file, [ImplicitVRLittleEndian, JPEG2000Lossless]) is file


@pytest.mark.parametrize(
    "stored",
    [ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian],
    ids=lambda uid: uid.name,
)
def test_file_is_made_in_what_is_accepted(tmp_path: Path, stored: str) -> None:
    dataset = build_ct(transfer_syntax_uid=stored)
    file = written(tmp_path, part10_bytes(dataset))
    made = file_in(file, [ImplicitVRLittleEndian])
    assert made.transfer_syntax_uid == ImplicitVRLittleEndian
    assert made.path() is None
    assert (made.sop_class_uid, made.sop_instance_uid) == (
        file.sop_class_uid,
        file.sop_instance_uid,
    )
    read = read_back(made)
    assert read.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
    assert read.PatientID == dataset.PatientID


def test_file_of_which_nothing_accepted_can_be_made(tmp_path: Path) -> None:
    file = written(tmp_path, part10_bytes(build_ct()))
    with pytest.raises(NotAcceptable):
        file_in(file, ["1.2.840.10008.1.2.4.100"])


def test_file_that_was_removed_meanwhile(tmp_path: Path) -> None:
    file = written(tmp_path, part10_bytes(build_ct()))
    file.file.unlink()
    with pytest.raises(ObjectMissing):
        list(file.read())
    with pytest.raises(ObjectMissing):
        file_in(file, [ImplicitVRLittleEndian])
