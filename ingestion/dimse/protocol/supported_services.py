"""Which service a SOP Class belongs to, of those that we provide.

Source: PS3.4 A.4 (Verification), B.5 (Storage, as pynetdicom lists it, and what it had once), C.4
(Query/Retrieve), J.3 (Storage Commitment), F.7 and F.8 (Modality Performed Procedure Step, and its
retrieval), R.3 (Instance Availability).
"""

import enum

from pynetdicom.presentation import AllStoragePresentationContexts
from pynetdicom.service_class import ServiceClass, StorageServiceClass
from pynetdicom.sop_class import uid_to_service_class

from ingestion.dicom.identifiers import is_valid_uid

VERIFICATION_SOP_CLASS_UID = "1.2.840.10008.1.1"
STORAGE_COMMITMENT_SOP_CLASS_UID = "1.2.840.10008.1.20.1"
PROCEDURE_STEP_SOP_CLASS_UID = "1.2.840.10008.3.1.2.3.3"
PROCEDURE_STEP_RETRIEVE_SOP_CLASS_UID = "1.2.840.10008.3.1.2.3.4"
INSTANCE_AVAILABILITY_SOP_CLASS_UID = "1.2.840.10008.5.1.4.33"
# What PS3.4 B.5 had once and old archives hold, without what was for trial (PS3.6 Table A-1).
_RETIRED_STORAGE_SOP_CLASS_UIDS = {
    "1.2.840.10008.5.1.1.29",  # Hardcopy Grayscale Image
    "1.2.840.10008.5.1.1.30",  # Hardcopy Color Image
    "1.2.840.10008.5.1.4.1.1.3",  # Ultrasound Multi-frame Image
    "1.2.840.10008.5.1.4.1.1.5",  # Nuclear Medicine Image
    "1.2.840.10008.5.1.4.1.1.6",  # Ultrasound Image
    "1.2.840.10008.5.1.4.1.1.8",  # Standalone Overlay
    "1.2.840.10008.5.1.4.1.1.9",  # Standalone Curve
    "1.2.840.10008.5.1.4.1.1.10",  # Standalone Modality LUT
    "1.2.840.10008.5.1.4.1.1.11",  # Standalone VOI LUT
    "1.2.840.10008.5.1.4.1.1.12.3",  # X-Ray Angiographic Bi-Plane Image
    "1.2.840.10008.5.1.4.1.1.129",  # Standalone PET Curve
}
STORAGE_SOP_CLASS_UIDS = frozenset(
    str(context.abstract_syntax) for context in AllStoragePresentationContexts
).union(_RETIRED_STORAGE_SOP_CLASS_UIDS)

# Video Endoscopic, Microscopic and Photographic Image Storage.
VIDEO_SOP_CLASS_UIDS = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.77.1.1.1",
        "1.2.840.10008.5.1.4.1.1.77.1.2.1",
        "1.2.840.10008.5.1.4.1.1.77.1.4.1",
    }
)

_STANDARD_ROOT = "1.2.840.10008."
_STANDARD_STORAGE_ROOT = "1.2.840.10008.5.1.4.1.1."


class Service(enum.StrEnum):
    """What an association may be for; the values are those of the AE tables."""

    VERIFICATION = "verification"  # for everybody
    STORE = "store"
    FIND = "find"
    MOVE = "move"
    GET = "get"
    COMMITMENT = "commitment"
    PROCEDURE_STEP = "procedure_step"
    AVAILABILITY = "availability"


class Openness(enum.Enum):
    """Which SOP Classes and transfer syntaxes are taken for storage."""

    KNOWN = "known"
    ANY = "any"  # private and unknown ones too, never those of other services


# Patient Root, Study Root, and Patient/Study Only, which is retired and still asked for.
SERVICES_OF_QUERY_RETRIEVE = {
    "1.2.840.10008.5.1.4.1.2.1.1": Service.FIND,
    "1.2.840.10008.5.1.4.1.2.1.2": Service.MOVE,
    "1.2.840.10008.5.1.4.1.2.1.3": Service.GET,
    "1.2.840.10008.5.1.4.1.2.2.1": Service.FIND,
    "1.2.840.10008.5.1.4.1.2.2.2": Service.MOVE,
    "1.2.840.10008.5.1.4.1.2.2.3": Service.GET,
    "1.2.840.10008.5.1.4.1.2.3.1": Service.FIND,
    "1.2.840.10008.5.1.4.1.2.3.2": Service.MOVE,
    "1.2.840.10008.5.1.4.1.2.3.3": Service.GET,
}
_SERVICES = SERVICES_OF_QUERY_RETRIEVE | {
    VERIFICATION_SOP_CLASS_UID: Service.VERIFICATION,
    STORAGE_COMMITMENT_SOP_CLASS_UID: Service.COMMITMENT,
    PROCEDURE_STEP_SOP_CLASS_UID: Service.PROCEDURE_STEP,
    PROCEDURE_STEP_RETRIEVE_SOP_CLASS_UID: Service.PROCEDURE_STEP,
    INSTANCE_AVAILABILITY_SOP_CLASS_UID: Service.AVAILABILITY,
}


def service_of(sop_class_uid: str, openness: Openness) -> Service | None:
    """The service of a SOP Class; None for what we do not provide.

    With `Openness.ANY` whatever is not of another service counts as storage.
    """
    if sop_class_uid in STORAGE_SOP_CLASS_UIDS:
        return Service.STORE
    if openness is Openness.ANY and _may_be_storage(sop_class_uid):
        return Service.STORE
    return _SERVICES.get(sop_class_uid)


def _may_be_storage(uid: str) -> bool:
    """Private, or of the Standard's storage root; never what is known to be something else."""
    if not is_valid_uid(uid) or uid_to_service_class(uid) not in {
        ServiceClass,  # what pynetdicom does not know
        StorageServiceClass,
    }:
        return False
    return uid.startswith(_STANDARD_STORAGE_ROOT) or not uid.startswith(_STANDARD_ROOT)
