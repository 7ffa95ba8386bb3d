"""Makes native Pixel Data of bulk data in consumer media types, PNG and GIF.

What the metadata says of the image and what the image is must agree: nothing of the metadata is
changed. Source: PS3.18 10.5.2, Table 10.5.2-1 ("Transform").
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from django.conf import settings

from ingestion.dicom.json_encoding import element_header
from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.pixels.consumer_images import (
    CONSUMER_MEDIA_TYPES,
    ConsumerImage,
    open_consumer_image,
)
from ingestion.dicom.pixels.image_description import ImageDescription
from ingestion.errors import LimitExceeded, MalformedDataSet
from ingestion.use_cases.receive_bulk_data import BulkPart

_PIXEL_DATA = 0x7FE00010
_PHOTOMETRIC_INTERPRETATION = "00280004"
# Files do not know whether pixels have a sign, and how many of 16 bits are in use.
_NOT_COMPARED = {8: frozenset(("00280103",)), 16: frozenset(("00280101", "00280102", "00280103"))}
_GREY = ("MONOCHROME1", "MONOCHROME2")


@dataclass(frozen=True, slots=True)
class TransformedImages:
    """The images of the parts, which are the frames in their order."""

    parts: Sequence[BulkPart]
    description: ImageDescription
    frame_bytes: int
    frames: int

    def describe(self, data_set: JsonDataSet) -> None:
        """Add what the data set leaves out. Raises MalformedDataSet where it says another thing."""
        told = replace(self.description, frames=self.frames if self.frames > 1 else 0)
        not_compared = _NOT_COMPARED[self.description.bits_stored]
        for tag, attribute in told.attributes().items():
            said = data_set.get(tag, {}).get("Value")
            if not said:
                data_set[tag] = attribute
            elif tag not in not_compared and not _agrees(tag, said, attribute["Value"]):
                raise MalformedDataSet(f"{tag} is not what the image says of itself")

    def element(self, vr: str) -> Iterator[bytes]:
        """Pixel Data, its header first. Raises MalformedDataSet for a damaged image."""
        size_bytes = self.frame_bytes * self.frames
        vr = "OW" if self.description.bits_stored > 8 else vr
        yield element_header(_PIXEL_DATA, vr, size_bytes + size_bytes % 2)
        for part in self.parts:
            yield from _opened(part).frames()
        yield b"\0" * (size_bytes % 2)


def transformed_images(parts: Sequence[BulkPart]) -> TransformedImages | None:
    """The images in parts of a consumer media type; None for parts that are stored otherwise.

    Raises MalformedDataSet, LimitExceeded, UnsupportedTransferSyntax.
    """
    if not parts or any(part.media_type not in CONSUMER_MEDIA_TYPES for part in parts):
        return None
    images = [_opened(part) for part in parts]
    frames = sum(max(image.description.frames, 1) for image in images)
    alike = {replace(image.description, frames=0) for image in images}
    if len(alike) > 1:
        raise MalformedDataSet("the frames of Pixel Data differ in size or colours")
    return TransformedImages(parts, alike.pop(), images[0].frame_bytes, frames)


def _opened(part: BulkPart) -> ConsumerImage:
    bytes_max = settings.LIMITS.decoded_frame_bytes_max
    if part.size_bytes > bytes_max:
        raise LimitExceeded(f"an image file exceeds decoded_frame_bytes_max = {bytes_max}")
    content = part.read_at(0, part.size_bytes)
    return open_consumer_image(content, media_type=part.media_type, frame_bytes_max=bytes_max)


def _agrees(tag: str, said: list[object], found: list[object]) -> bool:
    if tag == _PHOTOMETRIC_INTERPRETATION and found[0] in _GREY:
        return said[0] in _GREY
    return str(said[0]) == str(found[0])
