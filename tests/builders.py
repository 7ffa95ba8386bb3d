"""Builds small, valid DICOM objects for every test. All names and numbers in them are invented.

Source: PS3.3 A.3 (CT Image IOD), PS3.10 7.1 (file format).
"""

import uuid
import zlib
from collections.abc import Iterable
from io import BytesIO

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import dcmwrite, write_dataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
)

Element = tuple[int, str, object]


def new_uid() -> str:
    """Return a fresh UID under the 2.25 root (PS3.5 B.2)."""
    return f"2.25.{uuid.uuid4().int}"


def build_ct(
    *,
    study_instance_uid: str = "",
    series_instance_uid: str = "",
    sop_instance_uid: str = "",
    transfer_syntax_uid: str = ExplicitVRLittleEndian,
    rows: int = 8,
    columns: int = 8,
    character_set: str | list[str] | None = None,
    patient_name: str = "Doe^Jane",
    extra: Iterable[Element] = (),
) -> Dataset:
    """Return a CT image with file meta; UIDs not given are fresh.

    `extra` is `(tag, vr, value)`: it replaces what is there, and the value None removes it.
    Pixels are `rows * columns` 16-bit values, in one fragment when the syntax is encapsulated.
    """
    dataset = Dataset()
    if character_set is not None:
        dataset.SpecificCharacterSet = character_set
    _add_patient_and_study(dataset, patient_name, study_instance_uid or new_uid())
    _add_series_and_image(
        dataset,
        series_instance_uid or new_uid(),
        sop_instance_uid=sop_instance_uid or new_uid(),
    )
    _add_pixels(dataset, rows, columns=columns, transfer_syntax_uid=UID(transfer_syntax_uid))
    for tag, vr, value in extra:
        if value is not None:
            dataset.add_new(tag, vr, value)
        elif tag in dataset:
            del dataset[tag]
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = UID(dataset.get("SOPClassUID", CTImageStorage))
    dataset.file_meta.MediaStorageSOPInstanceUID = UID(dataset.get("SOPInstanceUID", new_uid()))
    dataset.file_meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    return dataset


def part10_bytes(dataset: Dataset) -> bytes:
    """Return the object as a DICOM file: preamble, file meta information, data set."""
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def data_set_bytes(dataset: Dataset, transfer_syntax_uid: str = "") -> bytes:
    """Return the data set alone, as C-STORE carries it, in its own or the given transfer syntax."""
    syntax = UID(transfer_syntax_uid or dataset.file_meta.TransferSyntaxUID)
    buffer = DicomBytesIO()
    buffer.is_little_endian = syntax.is_little_endian
    buffer.is_implicit_VR = syntax.is_implicit_VR
    write_dataset(buffer, dataset)
    encoded = buffer.getvalue()
    if syntax != DeflatedExplicitVRLittleEndian:
        return encoded
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(encoded) + compressor.flush()


def _add_patient_and_study(dataset: Dataset, patient_name: str, study_instance_uid: str) -> None:
    dataset.PatientName = patient_name
    dataset.PatientID = "P-1001"
    dataset.PatientBirthDate = "19700102"
    dataset.PatientSex = "F"
    dataset.StudyInstanceUID = study_instance_uid
    dataset.StudyDate = "20260102"
    dataset.StudyTime = "101530.25"
    dataset.StudyID = "S-1"
    dataset.StudyDescription = "CT abdomen"
    dataset.AccessionNumber = "A-2002"
    dataset.ReferringPhysicianName = "Roe^Richard"


def _add_series_and_image(
    dataset: Dataset, series_instance_uid: str, *, sop_instance_uid: str
) -> None:
    dataset.SeriesInstanceUID = series_instance_uid
    dataset.SeriesNumber = 3
    dataset.SeriesDescription = "Portal venous"
    dataset.Modality = "CT"
    dataset.BodyPartExamined = "ABDOMEN"
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = sop_instance_uid
    dataset.InstanceNumber = 7
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.ImagePositionPatient = ["-120.5", "-118", "42.75"]
    dataset.RescaleIntercept = "-1024"
    dataset.RescaleSlope = "1"


def _add_pixels(dataset: Dataset, rows: int, *, columns: int, transfer_syntax_uid: UID) -> None:
    dataset.Rows = rows
    dataset.Columns = columns
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = 16
    dataset.BitsStored = 12
    dataset.HighBit = 11
    dataset.PixelRepresentation = 0
    pixels = bytes(index & 0xFF for index in range(256)) * (rows * columns * 2 // 256 + 1)
    pixels = pixels[: rows * columns * 2]
    if transfer_syntax_uid.is_compressed and not transfer_syntax_uid.is_deflated:
        dataset.add_new(0x7FE00010, "OB", encapsulate([pixels]))
        dataset["PixelData"].is_undefined_length = True
    else:
        dataset.add_new(0x7FE00010, "OW", pixels)
