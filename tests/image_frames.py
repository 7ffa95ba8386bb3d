"""Takes images apart for tests of codecs and of rendering, by pydicom alone."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.errors import InvalidDicomError

from ingestion.dicom.json_model import JsonDataSet
from ingestion.errors import IngestionError
from tests.unit.dicom.readers import scanned_json, split

PIXEL_KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
BIG_ENDIAN = "1.2.840.10008.1.2.2"

# What pydicom itself cannot decode, or only with codecs that are not free to use.
UNREADABLE = {
    "JPEG2000-embedded-sequence-delimiter.dcm": "its code stream is broken on purpose",
    "MR_truncated.dcm": "pixels are missing",
    "nested_priv_SQ.dcm": "no attributes of pixels",
    "badVR.dcm": "Number of Frames is 1A",
}


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image of a file: its header as the product keeps it, and its frames as bytes."""

    dataset: Dataset
    header: JsonDataSet
    frames: tuple[bytes, ...]
    transfer_syntax_uid: str

    def bulk_data(self, path: str) -> bytes:
        """The value of an element by its path, in little endian."""
        found = self.dataset
        *sequences, last = path.split("/")
        for tag, place in zip(sequences[::2], sequences[1::2], strict=True):
            found = found[int(tag, 16)].value[int(place)]
        value = found[int(last, 16)].value
        return value if isinstance(value, bytes) else struct.pack(f"<{len(value)}H", *value)


def stored_image(path: Path) -> StoredImage | None:
    """The image in a file, None when there is none whose frames pydicom finds."""
    try:
        dataset = dcmread(path)
        reader, syntax = split(path.read_bytes())
    except (InvalidDicomError, IngestionError, AssertionError):
        return None
    keyword = next((word for word in PIXEL_KEYWORDS if word in dataset), None)
    if keyword is None or path.name in UNREADABLE:
        return None
    count = int(dataset.get("NumberOfFrames") or 1)
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        frames = tuple(generate_frames(dataset.PixelData, number_of_frames=count))
    else:
        value = dataset[keyword].value
        frames = tuple(_native(value, count, length=len(value) // count))
    header = scanned_json(reader.content, syntax)
    return StoredImage(dataset, header, frames, syntax)


def _native(value: bytes, count: int, *, length: int) -> Iterator[bytes]:
    """Frames that begin at a byte; a single one may be padded."""
    for index in range(count):
        yield value[index * length : (index + 1) * length]
