"""A multi-frame image of gigabytes that nobody holds: a header, then the same block again.

Source: PS3.3 A.8.4 (Multi-frame Grayscale Word Secondary Capture Image IOD).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
)

from bench.instances import data_set_of, new_uid

SOP_CLASS_UID = MultiFrameGrayscaleWordSecondaryCaptureImageStorage
TRANSFER_SYNTAX_UID = ExplicitVRLittleEndian
SIDE = 512
FRAME_BYTES = SIDE * SIDE * 2
BLOCK = bytes(range(256)) * (1 << 12)  # 1 MiB
PIXEL_DATA_HEADER_BYTES = 12  # tag, VR, reserved, length (PS3.5 7.1.2)


@dataclass(frozen=True, slots=True)
class HugeInstance:
    """A file that is made while it is read."""

    sop_instance_uid: str
    header: bytes
    pixel_bytes: int

    @property
    def length(self) -> int:
        """Bytes of the whole file."""
        return len(self.header) + self.pixel_bytes

    def file(self) -> Iterator[bytes]:
        """The DICOM file in pieces (PS3.10)."""
        yield self.header
        yield from self._pixels()

    def data_set(self) -> Iterator[bytes]:
        """The data set in pieces, as C-STORE carries it."""
        yield data_set_of(self.header)
        yield from self._pixels()

    def _pixels(self) -> Iterator[bytes]:
        left = self.pixel_bytes
        while left:
            piece = BLOCK[: min(left, len(BLOCK))]
            left -= len(piece)
            yield piece


def new_huge_instance(pixel_bytes: int) -> HugeInstance:
    """A new image with so many bytes of native pixels, a multiple of `FRAME_BYTES`."""
    frames, rest = divmod(pixel_bytes, FRAME_BYTES)
    assert not rest, "whole frames only"
    dataset = _header(frames)
    encoded = BytesIO()
    dcmwrite(encoded, dataset, enforce_file_format=True)
    pixel_data = b"\xe0\x7f\x10\x00OW\0\0" + pixel_bytes.to_bytes(4, "little")
    assert len(pixel_data) == PIXEL_DATA_HEADER_BYTES
    return HugeInstance(dataset.SOPInstanceUID, encoded.getvalue() + pixel_data, pixel_bytes)


def _header(frames: int) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = SOP_CLASS_UID, new_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = new_uid(), new_uid()
    dataset.PatientName, dataset.PatientID = "Doe^Jane", "P-1001"
    dataset.StudyDate, dataset.Modality, dataset.ConversionType = "20260102", "OT", "SYN"
    dataset.NumberOfFrames = frames
    dataset.Rows = dataset.Columns = SIDE
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = 0
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = SOP_CLASS_UID
    dataset.file_meta.MediaStorageSOPInstanceUID = UID(dataset.SOPInstanceUID)
    dataset.file_meta.TransferSyntaxUID = TRANSFER_SYNTAX_UID
    return dataset
