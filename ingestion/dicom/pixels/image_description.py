"""What a compressed image or video says of itself, in the words of the Image Pixel Description.

Source: PS3.3 C.7.6.3.1, Table C.7-11c; PS3.18 10.5.1.4 (these may be left out of metadata).
"""

from dataclasses import dataclass

from ingestion.dicom.json_model import JsonDataSet, element

# PS3.5 8.2 and A.4: what is lost cannot be told from the bytes of other syntaxes.
LOSSY_TRANSFER_SYNTAXES = frozenset(
    f"1.2.840.10008.1.2.4.{number}"
    for number in (
        *("50", "51", "53", "55", "81", "91", "93", "203", "112"),
        *("100", "100.1", "101", "101.1", "102", "102.1", "103", "103.1", "104", "104.1"),
        *("105", "105.1", "106", "106.1", "107", "108"),
    )
)


@dataclass(frozen=True, slots=True)
class ImageDescription:
    """One frame, or all of a video. `frames` is 0 where it is not told."""

    transfer_syntax_uid: str
    rows: int
    columns: int
    samples_per_pixel: int
    bits_stored: int
    photometric_interpretation: str
    pixel_representation: int = 0
    frames: int = 0

    def attributes(self) -> JsonDataSet:
        """The attributes that a data set needs to have its pixels read."""
        bits_allocated = 8 if self.bits_stored <= 8 else 16 if self.bits_stored <= 16 else 32
        found = {
            "00280002": element("US", self.samples_per_pixel),
            "00280004": element("CS", self.photometric_interpretation),
            "00280010": element("US", self.rows),
            "00280011": element("US", self.columns),
            "00280100": element("US", bits_allocated),
            "00280101": element("US", self.bits_stored),
            "00280102": element("US", self.bits_stored - 1),
            "00280103": element("US", self.pixel_representation),
        }
        if self.samples_per_pixel > 1:
            found["00280006"] = element("US", 0)
        if self.frames:
            found["00280008"] = element("IS", self.frames)
        return found
