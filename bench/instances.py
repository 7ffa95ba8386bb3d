"""Makes sets of distinct CT images of an exact size, and writes them fast. All names are invented.

A template is encoded once; each instance differs in its UIDs and its number.
Source: PS3.3 A.3 (CT Image IOD), PS3.10 7.1 (file format).
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from io import BytesIO
from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

INSTANCES_PER_STUDY = 100
# Placeholders as long as what replaces them: 2.25 and 38 digits (PS3.5 B.2).
STUDY, SERIES, INSTANCE = (f"2.25.{digit * 38}" for digit in "123")
NUMBER = "0099"

# A header as scanners write it, beside what `_template` computes.
HEADER: dict[str, object] = {
    "SpecificCharacterSet": "ISO_IR 100",
    "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 SPI"],
    "StudyDate": "20260102",
    "SeriesDate": "20260102",
    "AcquisitionDate": "20260102",
    "ContentDate": "20260102",
    "StudyTime": "101530.250000",
    "SeriesTime": "101612.500000",
    "AcquisitionTime": "101701.125000",
    "ContentTime": "101701.125000",
    "AccessionNumber": "A-2002",
    "Modality": "CT",
    "Manufacturer": "Invented Scanners",
    "InstitutionName": "Example Hospital",
    "ReferringPhysicianName": "Roe^Richard",
    "StationName": "CT01",
    "StudyDescription": "CT Abdomen and Pelvis",
    "SeriesDescription": "Portal venous 1.5 B30f",
    "ManufacturerModelName": "Model 64",
    "PatientName": "Doe^Jane",
    "PatientID": "P-1001",
    "PatientBirthDate": "19700102",
    "PatientSex": "F",
    "PatientAge": "056Y",
    "BodyPartExamined": "ABDOMEN",
    "SliceThickness": "1.5",
    "KVP": "120",
    "DataCollectionDiameter": "500",
    "SoftwareVersions": "VA40A",
    "ProtocolName": "AbdomenPelvisRoutine",
    "ReconstructionDiameter": "380",
    "GantryDetectorTilt": "0",
    "TableHeight": "145",
    "RotationDirection": "CW",
    "ExposureTime": "500",
    "XRayTubeCurrent": "220",
    "Exposure": "110",
    "ConvolutionKernel": "B30f",
    "PatientPosition": "FFS",
    "StudyID": "S-1",
    "SeriesNumber": "3",
    "AcquisitionNumber": "2",
    "InstanceNumber": NUMBER,
    "ImagePositionPatient": ["-189.6289", "-334.6289", "42.75"],
    "ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"],
    "FrameOfReferenceUID": "2.25.44444444444444444444444444444444444444",
    "PositionReferenceIndicator": "",
    "SliceLocation": "42.75",
    "SamplesPerPixel": 1,
    "PhotometricInterpretation": "MONOCHROME2",
    "PixelSpacing": ["0.7421875", "0.7421875"],
    "BitsAllocated": 16,
    "BitsStored": 12,
    "HighBit": 11,
    "PixelRepresentation": 0,
    "WindowCenter": ["40", "400"],
    "WindowWidth": ["350", "2000"],
    "RescaleIntercept": "-1024",
    "RescaleSlope": "1",
}


REFERENCED_IMAGES = 3
PRIVATE_ELEMENTS = 16


@dataclass(frozen=True, slots=True)
class Size:
    """How large a file is, exactly, and how many pixels a side has."""

    name: str
    file_bytes: int
    side: int


BIG = Size("512 KB", 527_644, 512)
SMALL = Size("36 KB", 36_124, 128)


@dataclass(frozen=True, slots=True)
class InstanceSet:
    """Files on disk, a folder per study."""

    size: Size
    studies: tuple[Path, ...]
    instances_per_study: int = INSTANCES_PER_STUDY

    @property
    def count(self) -> int:
        """How many instances."""
        return len(self.studies) * self.instances_per_study

    def files(self) -> list[Path]:
        """Every file, study by study."""
        return [file for study in self.studies for file in sorted(study.iterdir())]

    def first(self, count: int) -> "InstanceSet":
        """The first studies, of about so many instances; at least one."""
        return InstanceSet(self.size, self.studies[: max(1, count // INSTANCES_PER_STUDY)])

    def dealt_to(self, clients: int) -> list["InstanceSet"]:
        """The studies, dealt to so many clients in turn; nobody goes empty-handed."""
        hands = (self.studies[n::clients] for n in range(clients))
        return [replace(self, studies=hand) for hand in hands if hand]


def write_instances(folder: Path, size: Size, *, count: int) -> InstanceSet:
    """Write `count` instances (rounded up to whole studies) with UIDs never seen before."""
    studies = []
    for number in range(-(-count // INSTANCES_PER_STUDY)):
        study = folder / f"study-{number:03}"
        study.mkdir(parents=True)
        for index, encoded in enumerate(one_study(size)):
            study.joinpath(f"{index:04}.dcm").write_bytes(encoded)
        studies.append(study)
    return InstanceSet(size, tuple(studies))


def one_study(
    size: Size, study: str = "", *, instances: int = INSTANCES_PER_STUDY
) -> Iterator[bytes]:
    """The files of a new study of one series."""
    study, series = study or new_uid(), new_uid()
    for number in range(1, instances + 1):
        yield instance_file(size, study=study, series=series, instance=new_uid(), number=number)


def instance_file(size: Size, *, study: str, series: str, instance: str, number: int = 1) -> bytes:
    """One file of exactly the size, from UIDs that `new_uid` made."""
    header, pixels = _template(size)
    for placeholder, actual in (
        (STUDY, study),
        (SERIES, series),
        (INSTANCE, instance),
        (f"IS\4\0{NUMBER}", f"IS\4\0{number:04}"),
    ):
        header = header.replace(placeholder.encode(), actual.encode())
    return header + pixels


def data_set_of(file: bytes) -> bytes:
    """The data set of a DICOM file, as C-STORE carries it: without what PS3.10 7.1 puts before."""
    meta_bytes = int.from_bytes(file[140:144], "little")  # File Meta Information Group Length
    return file[144 + meta_bytes :]


def new_uid() -> str:
    """A fresh UID under 2.25, always 43 characters."""
    return f"2.25.{random.randrange(10**37, 10**38)}"


@cache
def _template(size: Size) -> tuple[bytes, bytes]:
    """A file with placeholders, padded by Image Comments: up to its pixels, and the pixels."""
    plain = _encoded(size, comments="")
    padding = size.file_bytes - len(plain)
    assert padding >= 0, "the header does not fit"
    encoded = _encoded(size, comments="." * padding)
    assert len(encoded) == size.file_bytes
    pixel_bytes = size.side * size.side * 2
    return encoded[:-pixel_bytes], encoded[-pixel_bytes:]


def _encoded(size: Size, *, comments: str) -> bytes:
    dataset = Dataset()
    for keyword, value in HEADER.items():
        setattr(dataset, keyword, value)
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = STUDY, SERIES
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, INSTANCE
    dataset.Rows = dataset.Columns = size.side
    dataset.ImageComments = comments
    _add_nested_and_private(dataset)
    dataset.add_new(0x7FE00010, "OW", random.Random(0).randbytes(size.side * size.side * 2))
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = UID(CTImageStorage)
    dataset.file_meta.MediaStorageSOPInstanceUID = UID(INSTANCE)
    dataset.file_meta.TransferSyntaxUID = UID(ExplicitVRLittleEndian)
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def _add_nested_and_private(dataset: Dataset) -> None:
    """What makes real headers slow to read: sequences in sequences, private elements."""
    dataset.ReferencedImageSequence = [_reference(n) for n in range(REFERENCED_IMAGES)]
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator = "CTABDPEL", "99LOCAL"
    code.CodeMeaning = "CT abdomen and pelvis"
    request = Dataset()
    request.RequestedProcedureID, request.ScheduledProcedureStepID = "RP-1", "SPS-1"
    request.RequestedProcedureCodeSequence = [code]
    dataset.RequestAttributesSequence = [request]
    block = dataset.private_block(0x0019, "INVENTED CT ACQUISITION", create=True)
    for offset in range(PRIVATE_ELEMENTS):
        block.add_new(offset, "DS", f"{offset}.125")


def _reference(number: int) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID = CTImageStorage
    reference.ReferencedSOPInstanceUID = f"2.25.{number + 5}{'0' * 37}"
    return reference
