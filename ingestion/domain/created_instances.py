"""The SOP Instance UID of what an N-CREATE makes. Source: PS3.7 10.1.5.1.4, C.5.11."""

import uuid

from ingestion.dicom.identifiers import is_valid_uid
from ingestion.dicom.statuses import Status
from ingestion.errors import OperationRefused


def created_instance_uid(asked: str) -> str:
    """The UID that was asked for, or one of ours if none was.

    Raises `OperationRefused` (0117) for what is no UID.
    """
    if asked and not is_valid_uid(asked):
        raise OperationRefused("the SOP Instance UID breaks PS3.5 9.1", Status.INVALID_SOP_INSTANCE)
    return asked or f"2.25.{uuid.uuid4().int}"
