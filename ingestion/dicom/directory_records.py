"""Which directory record an instance has, and which of its attributes stand in it.

Source: PS3.3 F.5 (keys of directory records), PS3.4 B.5 with PS3.3 Table F.4-1 (record types of
SOP Classes), PS3.6 A (UIDs).
"""

from dataclasses import dataclass

from pydicom.datadict import tag_for_keyword


@dataclass(frozen=True, slots=True)
class RecordType:
    """A directory record type. `prefix` begins the names of its files, two characters."""

    name: str
    prefix: str
    keys: tuple[str, ...]


def _names(keywords: str) -> tuple[str, ...]:
    """Tags as the DICOM JSON Model names them, ascending."""
    tags = [tag_for_keyword(keyword) for keyword in keywords.split()]
    assert all(tags), "the data dictionary has each of them"
    return tuple(sorted(f"{tag:08X}" for tag in tags))


_CONTENT = "InstanceNumber ContentDate ContentTime"
_IDENTIFIED_CONTENT = f"{_CONTENT} ContentLabel ContentDescription ContentCreatorName"
_DOCUMENT = f"{_CONTENT} ConceptNameCodeSequence"

PATIENT = RecordType("PATIENT", "PT", _names("PatientName PatientID"))
STUDY = RecordType(
    "STUDY",
    "ST",
    _names("StudyDate StudyTime StudyDescription StudyInstanceUID StudyID AccessionNumber"),
)
SERIES = RecordType("SERIES", "SE", _names("Modality SeriesInstanceUID SeriesNumber"))
IMAGE = RecordType("IMAGE", "IM", _names("InstanceNumber"))
PRIVATE = RecordType("PRIVATE", "PV", ())

_ASSESSMENT = RecordType(
    "ASSESSMENT", "AS", _names("InstanceNumber InstanceCreationDate InstanceCreationTime")
)
_DOSE = RecordType("RT DOSE", "RD", _names("InstanceNumber DoseSummationType"))
_ENCAPSULATED = RecordType(
    "ENCAP DOC",
    "ED",
    _names(f"{_DOCUMENT} DocumentTitle HL7InstanceIdentifier MIMETypeOfEncapsulatedDocument"),
)
_FIDUCIAL = RecordType("FIDUCIAL", "FD", _names(_IDENTIFIED_CONTENT))
_KEY_OBJECT = RecordType("KEY OBJECT DOC", "KY", _names(_DOCUMENT))
_MEASUREMENT = RecordType("MEASUREMENT", "MX", _names(_IDENTIFIED_CONTENT))
_PLAN = RecordType("RT PLAN", "RP", _names("InstanceNumber RTPlanLabel RTPlanDate RTPlanTime"))
_PRESENTATION = RecordType(
    "PRESENTATION",
    "PR",
    _names(
        "InstanceNumber PresentationCreationDate PresentationCreationTime ContentLabel"
        " ContentDescription ContentCreatorName ReferencedSeriesSequence BlendingSequence"
    ),
)
_RADIOTHERAPY = RecordType(
    "RADIOTHERAPY",
    "RT",
    _names(
        "InstanceNumber UserContentLabel UserContentLongLabel ContentDescription ContentCreatorName"
    ),
)
_RAW_DATA = RecordType("RAW DATA", "RW", _names(_CONTENT))
_REGISTRATION = RecordType("REGISTRATION", "RG", _names(_IDENTIFIED_CONTENT))
_REPORT = RecordType(
    "SR DOCUMENT",
    "SR",
    _names(f"{_DOCUMENT} CompletionFlag VerificationFlag VerificationDateTime"),
)
_SPECTROSCOPY = RecordType(
    "SPECTROSCOPY",
    "SP",
    _names(
        f"{_CONTENT} ImageType NumberOfFrames Rows Columns DataPointRows DataPointColumns"
        " ReferencedImageEvidenceSequence"
    ),
)
_STEREOMETRIC = RecordType("STEREOMETRIC", "SX", ())
_STRUCTURE_SET = RecordType(
    "RT STRUCTURE SET",
    "RS",
    _names("InstanceNumber StructureSetLabel StructureSetDate StructureSetTime"),
)
_SURFACE = RecordType("SURFACE", "SF", _names(_IDENTIFIED_CONTENT))
_SURFACE_SCAN = RecordType("SURFACE SCAN", "SS", _names("ContentDate ContentTime"))
_TRACT = RecordType("TRACT", "TR", _names(_IDENTIFIED_CONTENT))
_TREATMENT = RecordType(
    "RT TREAT RECORD", "RX", _names("InstanceNumber TreatmentDate TreatmentTime")
)
_VALUE_MAP = RecordType("VALUE MAP", "VM", _names(_IDENTIFIED_CONTENT))
_WAVEFORM = RecordType("WAVEFORM", "WV", _names(_CONTENT))

_STORAGE = "1.2.840.10008.5.1.4.1.1."
_STANDARD = "1.2.840.10008."

# SOP Classes, or families of them that end with a dot, below the root of composite storage.
_RECORD_TYPES = {
    "4.2": _SPECTROSCOPY,
    "9.": _WAVEFORM,
    "11.": _PRESENTATION,
    "66": _RAW_DATA,
    "66.1": _REGISTRATION,
    "66.2": _FIDUCIAL,
    "66.3": _REGISTRATION,
    "66.5": _SURFACE,
    "66.6": _TRACT,
    "67": _VALUE_MAP,
    "68.": _SURFACE_SCAN,
    "77.1.5.3": _STEREOMETRIC,
    "78.": _MEASUREMENT,
    "78.6": _REPORT,
    "79.1": _REPORT,
    "80.1": _MEASUREMENT,
    "88.": _REPORT,
    "88.59": _KEY_OBJECT,
    "90.1": _ASSESSMENT,
    "104.": _ENCAPSULATED,
    "131": _PRESENTATION,
    "481.": _RADIOTHERAPY,
    "481.1": IMAGE,
    "481.2": _DOSE,
    "481.3": _STRUCTURE_SET,
    "481.4": _TREATMENT,
    "481.5": _PLAN,
    "481.6": _TREATMENT,
    "481.7": _TREATMENT,
    "481.8": _PLAN,
    "481.9": _TREATMENT,
}


def record_type(sop_class_uid: str) -> RecordType:
    """The type of the record that refers to an instance; IMAGE for all that have no other."""
    if not sop_class_uid.startswith(_STANDARD):
        return PRIVATE
    number = sop_class_uid.removeprefix(_STORAGE)
    family = f"{number.partition('.')[0]}."
    return _RECORD_TYPES.get(number) or _RECORD_TYPES.get(family, IMAGE)
