"""Lists of UIDs as people write them: a line each, `Name:UID` or the UID alone.

Source: the files IMAGE_CUIDS and IMAGE_TSUIDS of the original; names as in PS3.6 Annex A.
"""

import enum
from collections.abc import Iterable

from pydicom.uid import UID

from ingestion.dicom.identifiers import is_valid_uid
from ingestion.errors import InvalidDocument


class UidKind(enum.StrEnum):
    """What a UID of the Standard stands for (PS3.6 Table A-1, UID Type)."""

    SOP_CLASS = "SOP Class"
    TRANSFER_SYNTAX = "Transfer Syntax"


def read_uid_list(text: str, kind: UidKind) -> list[str]:
    """The UIDs in their order, each once. Blank lines and what follows `#` mean nothing.

    Raises `InvalidDocument` that names every line without a UID, and those with one that the
    Standard has for something else. What the Standard does not know may be of any kind.
    """
    uids: dict[str, None] = {}
    mistakes: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        content = line.partition("#")[0].strip()
        uid = content.rpartition(":")[2].strip()
        if not content:
            continue
        if not is_valid_uid(uid):
            mistakes.append(f"line {number} has no valid UID")
        elif UID(uid).type not in {kind.value, ""}:
            mistakes.append(f"line {number}: {uid_name(uid)} is no {kind.value}")
        else:
            uids[uid] = None
    if mistakes:
        raise InvalidDocument("; ".join(mistakes))
    return list(uids)


def uid_list_text(uids: Iterable[str]) -> str:
    """A list that `read_uid_list` reads back; UIDs of the Standard come with their keywords."""
    return "\n".join(f"{keyword}:{uid}" if (keyword := UID(uid).keyword) else uid for uid in uids)


def uid_name(uid: str) -> str:
    """The Standard's name of a UID, or the UID itself."""
    return UID(uid).name
