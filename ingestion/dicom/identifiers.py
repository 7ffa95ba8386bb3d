"""Checks unique identifiers. They become file names: nothing but digits and dots passes.

Source: PS3.5 9.1.
"""

import re

from ingestion.errors import InvalidIdentifier, MissingIdentifier

UID_CHARACTERS_MAX = 64

# Departs from PS3.5 9.1: a component may begin with 0, because devices in use send such UIDs.
_UID = re.compile(r"[0-9]+(?:\.[0-9]+)*", re.ASCII)


def is_valid_uid(value: str) -> bool:
    """Tell whether `value` is digits in dotted components, 1 to 64 characters in all."""
    return len(value) <= UID_CHARACTERS_MAX and _UID.fullmatch(value) is not None


def require_uid(keyword: str, value: str) -> str:
    """Return `value` without its trailing padding; it is a valid UID.

    Raises MissingIdentifier when nothing is left, InvalidIdentifier when PS3.5 9.1 is broken.
    """
    uid = value.rstrip("\0 ")
    if not uid:
        raise MissingIdentifier(f"{keyword} is absent or empty")
    if not is_valid_uid(uid):
        raise InvalidIdentifier(f"{keyword} is not a UID of PS3.5 9.1: digits and dots, at most 64")
    return uid
