"""Makes what reading is measured on: a large series, an instance of many frames, many studies.

Source: PS3.3 A.3 (CT Image IOD), A.8.4 (Multi-frame Grayscale Word Secondary Capture).
"""

import random
from dataclasses import dataclass
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path

from pydicom import dcmread
from pydicom.filewriter import dcmwrite
from pydicom.uid import MultiFrameGrayscaleWordSecondaryCaptureImageStorage as MultiFrame

from bench.instances import (
    INSTANCES_PER_STUDY,
    SMALL,
    InstanceSet,
    Size,
    instance_file,
    new_uid,
    one_study,
)

FRAMES = 500
FIRST_DAY = date(2020, 1, 1)
DAYS = 2000


TINY = Size("4 KB", 4_096, 16)


@dataclass(frozen=True, slots=True)
class LargeStudy:
    """A study on disk, and its UID."""

    study_instance_uid: str
    instances: InstanceSet


def write_large_study(folder: Path, size: Size, *, count: int) -> LargeStudy:
    """One study of one series of `count` instances."""
    uid = new_uid()
    folder.mkdir(parents=True)
    for number, encoded in enumerate(one_study(size, uid, instances=count)):
        folder.joinpath(f"{number:05}.dcm").write_bytes(encoded)
    return LargeStudy(uid, InstanceSet(size, (folder,), count))


def write_many_frames(folder: Path) -> tuple[str, InstanceSet]:
    """One instance of `FRAMES` frames; returns its path below a DICOMweb root too."""
    study, series, instance = new_uid(), new_uid(), new_uid()
    dataset = dcmread(BytesIO(instance_file(SMALL, study=study, series=series, instance=instance)))
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = MultiFrame
    dataset.NumberOfFrames = FRAMES
    dataset.PixelData = random.Random(0).randbytes(len(dataset.PixelData) * FRAMES)
    folder.mkdir(parents=True)
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    folder.joinpath("frames.dcm").write_bytes(buffer.getvalue())
    path = f"/studies/{study}/series/{series}/instances/{instance}"
    return path, InstanceSet(SMALL, (folder,), 1)


def write_study_list(folder: Path, *, studies: int) -> InstanceSet:
    """Studies of a single tiny instance, a hundred to a folder; a hundredth are of `FIRST_DAY`."""
    folders = [folder / f"{number:03}" for number in range(studies // INSTANCES_PER_STUDY)]
    for one in folders:
        one.mkdir(parents=True)
    for number in range(studies):
        (encoded,) = one_study(TINY, instances=1)
        day = FIRST_DAY + timedelta(number % 100)
        file = folders[number // INSTANCES_PER_STUDY] / f"{number:05}.dcm"
        file.write_bytes(_of_patient(encoded, number, day=day))
    return InstanceSet(TINY, tuple(folders))


def write_many_studies(folder: Path, *, studies: int, instances: int) -> InstanceSet:
    """Studies of one series each, of as many dates, patients and names as may be."""
    folders = []
    for number in range(studies):
        study = folder / f"study-{number:05}"
        study.mkdir(parents=True)
        day = FIRST_DAY + timedelta(number * 37 % DAYS)
        for index, encoded in enumerate(one_study(SMALL, instances=instances)):
            encoded_anew = _of_patient(encoded, number, day=day)
            study.joinpath(f"{index:04}.dcm").write_bytes(encoded_anew)
        folders.append(study)
    return InstanceSet(SMALL, tuple(folders), instances)


def _of_patient(encoded: bytes, number: int, *, day: date) -> bytes:
    """The same file for another patient and day; every value keeps its length."""
    return (
        encoded.replace(b"20260102", f"{day:%Y%m%d}".encode())
        .replace(b"P-1001", f"P{number:05}".encode())
        .replace(b"Doe^Jane", f"{chr(65 + number % 26)}oe^J{number % 1000:03}".encode())
    )
