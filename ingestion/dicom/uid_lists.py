"""Lists of UIDs as people write them: a line each, `Name:UID` or the UID alone.

Source: the files IMAGE_CUIDS and IMAGE_TSUIDS of the original; names as in PS3.6 Annex A.
"""

from collections.abc import Iterable

from pydicom.uid import UID

from ingestion.dicom.identifiers import is_valid_uid
from ingestion.errors import InvalidDocument


def read_uid_list(text: str) -> list[str]:
    """The UIDs in their order, each once. Blank lines and what follows `#` mean nothing.

    Raises `InvalidDocument` that names every line without a valid UID.
    """
    uids: dict[str, None] = {}
    mistakes: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        content = line.partition("#")[0].strip()
        uid = content.rpartition(":")[2].strip()
        if is_valid_uid(uid):
            uids[uid] = None
        elif content:
            mistakes.append(f"line {number} has no valid UID")
    if mistakes:
        raise InvalidDocument("; ".join(mistakes))
    return list(uids)


def uid_list_text(uids: Iterable[str]) -> str:
    """A list that `read_uid_list` reads back; UIDs of the Standard come with their keywords."""
    return "\n".join(f"{keyword}:{uid}" if (keyword := UID(uid).keyword) else uid for uid in uids)


def uid_name(uid: str) -> str:
    """The Standard's name of a UID, or the UID itself."""
    return UID(uid).name
