"""Studies to look at: phantoms drawn with ellipses, of patients who never were.

Their UIDs never change, so that storing them again stores nothing.
Source: PS3.3 A.3 (CT Image IOD), A.4 (MR Image IOD); PS3.3 C.7.6.2 (Image Plane Module).
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, MRImageStorage

Volume = NDArray[np.int16]  # (slices, rows, columns)
_NAMESPACE = uuid.UUID("5f0c2f3e-6f3b-4d0c-9d57-3a5a1f7c8e21")
_NOISE_SEED = 20


@dataclass(frozen=True, slots=True)
class Ellipsoid:
    """A body of one value. Centre and half axes are parts of the volume's half width, -1 to 1.

    The order is x, y, z: to the patient's left, back, head (PS3.3 C.7.6.2.1.1).
    """

    value: int
    centre: tuple[float, float, float]
    half_axes: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class PhantomSeries:
    """A series of parallel slices. Later bodies cover earlier ones."""

    sop_class_uid: UID
    modality: str
    description: str
    bodies: tuple[Ellipsoid, ...]
    slices: int
    size: int
    background: int
    noise: int
    pixel_spacing_mm: float
    slice_spacing_mm: float
    window: tuple[int, int]


@dataclass(frozen=True, slots=True)
class PhantomStudy:
    """A study of a patient who never was."""

    patient_name: str
    patient_id: str
    patient_birth_date: str
    patient_sex: str
    study_date: str
    study_time: str
    accession_number: str
    description: str
    series: tuple[PhantomSeries, ...]


_RIBS = tuple(
    Ellipsoid(700, (side * 0.66, 0.0, height / 10), (0.05, 0.3, 0.04))
    for height in range(-9, 10, 3)
    for side in (-1, 1)
)
_SPINE = tuple(
    Ellipsoid(500, (0.0, 0.42, height / 10), (0.11, 0.1, 0.08)) for height in range(-9, 10, 2)
)
# Values are Hounsfield units.
_CHEST = (
    Ellipsoid(-90, (0.0, 0.0, 0.0), (0.8, 0.6, 2.0)),
    Ellipsoid(45, (0.0, 0.0, 0.0), (0.74, 0.54, 2.0)),
    Ellipsoid(-820, (-0.36, -0.02, 0.05), (0.3, 0.4, 0.95)),
    Ellipsoid(-820, (0.36, -0.02, 0.05), (0.28, 0.38, 0.95)),
    Ellipsoid(60, (0.1, -0.12, -0.2), (0.27, 0.25, 0.45)),
    Ellipsoid(180, (0.14, -0.1, -0.2), (0.12, 0.13, 0.25)),
    Ellipsoid(190, (0.08, 0.24, 0.0), (0.07, 0.07, 2.0)),
    Ellipsoid(-950, (0.0, 0.1, 0.7), (0.05, 0.05, 0.6)),
    Ellipsoid(55, (-0.42, 0.02, -1.0), (0.4, 0.42, 0.4)),
    Ellipsoid(30, (-0.45, -0.12, 0.35), (0.05, 0.05, 0.07)),
    *_RIBS,
    *_SPINE,
)


def _head(scalp: int, brain: int, white: int, *, fluid: int, lesion: int) -> tuple[Ellipsoid, ...]:
    return (
        Ellipsoid(scalp, (0.0, 0.0, -0.1), (0.72, 0.88, 1.5)),
        Ellipsoid(30, (0.0, 0.0, -0.1), (0.68, 0.84, 1.42)),
        Ellipsoid(brain, (0.0, 0.0, -0.1), (0.62, 0.78, 1.34)),
        Ellipsoid(white, (-0.27, 0.0, -0.05), (0.24, 0.58, 0.95)),
        Ellipsoid(white, (0.27, 0.0, -0.05), (0.24, 0.58, 0.95)),
        Ellipsoid(fluid, (-0.11, -0.05, 0.05), (0.08, 0.3, 0.3)),
        Ellipsoid(fluid, (0.11, -0.05, 0.05), (0.08, 0.3, 0.3)),
        Ellipsoid(brain, (-0.2, 0.12, -0.1), (0.09, 0.14, 0.2)),
        Ellipsoid(brain, (0.2, 0.12, -0.1), (0.09, 0.14, 0.2)),
        Ellipsoid(lesion, (0.34, -0.34, 0.2), (0.09, 0.1, 0.14)),
    )


_CT = PhantomSeries(
    CTImageStorage,
    "CT",
    "Phantom thorax 5 mm",
    bodies=_CHEST,
    slices=40,
    size=320,
    background=-1000,
    noise=14,
    pixel_spacing_mm=1.2,
    slice_spacing_mm=5.0,
    window=(40, 400),
)


def _mr(description: str, bodies: tuple[Ellipsoid, ...]) -> PhantomSeries:
    return PhantomSeries(
        MRImageStorage,
        "MR",
        description,
        bodies=bodies,
        slices=24,
        size=256,
        background=0,
        noise=12,
        pixel_spacing_mm=0.9,
        slice_spacing_mm=6.0,
        window=(450, 900),
    )


STUDIES = (
    PhantomStudy(
        patient_name="Phantom^Theodora",
        patient_id="DEMO-1",
        patient_birth_date="19610412",
        patient_sex="F",
        study_date="20250310",
        study_time="091500",
        accession_number="DEMO-CT-1",
        description="CT phantom, thorax",
        series=(_CT,),
    ),
    PhantomStudy(
        patient_name="Ellipse^Leonard",
        patient_id="DEMO-2",
        patient_birth_date="19740923",
        patient_sex="M",
        study_date="20250311",
        study_time="143000",
        accession_number="DEMO-MR-1",
        description="MR phantom, head",
        series=(
            _mr("Phantom T1", _head(850, 420, 620, fluid=120, lesion=300)),
            _mr("Phantom T2", _head(600, 520, 380, fluid=900, lesion=820)),
        ),
    ),
)


def demonstration_instances() -> Iterator[Dataset]:
    """Every instance of the demonstration, with its file meta information."""
    for study in STUDIES:
        for number, series in enumerate(study.series, start=1):
            volume = drawn(series)
            for index in range(series.slices):
                yield _instance(study, series, volume[index], number=number, index=index)


def drawn(series: PhantomSeries) -> Volume:
    """The phantom as pixel values `(slices, rows, columns)` int16, lowest slice first."""
    across = np.linspace(-1, 1, series.size)
    z, y, x = np.meshgrid(np.linspace(-1, 1, series.slices), across, across, indexing="ij")
    values = np.full(x.shape, series.background, dtype=np.float64)
    for body in series.bodies:
        offsets = zip((x, y, z), body.centre, body.half_axes, strict=True)
        distance = sum(((axis - middle) / half) ** 2 for axis, middle, half in offsets)
        values[distance <= 1] = body.value
    noise = np.random.default_rng(_NOISE_SEED).normal(0, series.noise, values.shape)
    return np.clip(values + noise, series.background, 3000).astype(np.int16)


def _instance(
    study: PhantomStudy,
    series: PhantomSeries,
    pixels: NDArray[np.int16],
    *,
    number: int,
    index: int,
) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = series.sop_class_uid
    dataset.SOPInstanceUID = _uid(study.accession_number, number, index)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.StudyInstanceUID = _uid(study.accession_number)
    dataset.SeriesInstanceUID = _uid(study.accession_number, number)
    dataset.FrameOfReferenceUID = _uid(study.accession_number, "frame of reference")
    _add_study(dataset, study)
    _add_series(dataset, series, number=number, index=index)
    _add_pixels(dataset, series, pixels, index=index)
    return dataset


def _add_study(dataset: Dataset, study: PhantomStudy) -> None:
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = study.patient_name
    dataset.PatientID = study.patient_id
    dataset.PatientBirthDate = study.patient_birth_date
    dataset.PatientSex = study.patient_sex
    dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = study.study_date
    dataset.StudyTime = dataset.SeriesTime = dataset.ContentTime = study.study_time
    dataset.AccessionNumber = dataset.StudyID = study.accession_number
    dataset.StudyDescription = study.description
    dataset.ReferringPhysicianName = "Nobody^Norma"


def _add_series(dataset: Dataset, series: PhantomSeries, *, number: int, index: int) -> None:
    dataset.Modality = series.modality
    dataset.SeriesNumber = number
    dataset.SeriesDescription = series.description
    dataset.InstanceNumber = index + 1
    dataset.Manufacturer = "Imaging Ingestion"
    dataset.PatientPosition = "HFS"
    dataset.PositionReferenceIndicator = ""
    dataset.ImageType = ["DERIVED", "PRIMARY", "AXIAL" if series.modality == "CT" else "OTHER"]
    half = series.size * series.pixel_spacing_mm / 2
    dataset.ImagePositionPatient = [-half, -half, index * series.slice_spacing_mm]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing = [series.pixel_spacing_mm] * 2
    dataset.SliceThickness = series.slice_spacing_mm
    dataset.SpacingBetweenSlices = series.slice_spacing_mm


def _add_pixels(
    dataset: Dataset, series: PhantomSeries, pixels: NDArray[np.int16], *, index: int
) -> None:
    dataset.SliceLocation = index * series.slice_spacing_mm
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = 1
    dataset.WindowCenter, dataset.WindowWidth = series.window
    dataset.RescaleIntercept, dataset.RescaleSlope = 0, 1
    if series.modality == "CT":
        dataset.RescaleType = "HU"
    dataset.PixelData = pixels.astype("<i2").tobytes()


def _uid(*names: object) -> str:
    """Always the same for the same names, under the 2.25 root (PS3.5 B.2)."""
    return f"2.25.{uuid.uuid5(_NAMESPACE, '/'.join(str(name) for name in names)).int}"
