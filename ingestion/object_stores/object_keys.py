"""Keys and locations: which are valid, and the variants of a key. No valid one leaves its store."""

import re
from collections.abc import Iterator

from ingestion.errors import InvalidIdentifier, Misconfigured, ObjectMissing

KEY_CHARACTERS_MAX = 1000  # S3 takes 1,024 bytes; variants need some
VARIANTS_MAX = 100
# No part begins with a dot: neither `..` nor the names of temporary files are valid.
_PART = r"[A-Za-z0-9_~=@+-][A-Za-z0-9._~=@+-]{0,199}"
_KEY = re.compile(rf"{_PART}(?:/{_PART})*")
_PREFIX = re.compile(rf"(?:{_PART}(?:/{_PART})*/?)?")


def normalised_prefix(prefix: str) -> str:
    """The store's prefix, empty or ending in a slash. Raises `Misconfigured`."""
    if len(prefix) > KEY_CHARACTERS_MAX // 2 or not _PREFIX.fullmatch(prefix):
        raise Misconfigured("prefix of the storage space: letters, digits, ._~=@+- and / only")
    return prefix if prefix.endswith("/") or not prefix else f"{prefix}/"


def checked_key(prefix: str, key: str) -> str:
    """The whole key below the store's prefix. Raises `InvalidIdentifier`."""
    whole = prefix + key
    if len(whole) > KEY_CHARACTERS_MAX or not _KEY.fullmatch(key):
        raise InvalidIdentifier("object key: parts of letters, digits and ._~=@+- with / between")
    return whole


def checked_location(location: str) -> str:
    """The location itself. Raises `ObjectMissing` for one that no object can have."""
    if not _KEY.fullmatch(location):
        raise ObjectMissing("no object can be at this location")
    return location


def variants(key: str) -> Iterator[str]:
    """The key, then `name~2.dcm`, `name~3.dcm`, … for other bytes that claim the same key."""
    yield key
    for number in range(2, VARIANTS_MAX + 1):
        yield marked(key, str(number))


def marked(key: str, mark: str) -> str:
    """The key with `~mark` before the extension of its name."""
    folder, slash, name = key.rpartition("/")
    stem, dot, extension = name.rpartition(".")
    return f"{folder}{slash}{stem}~{mark}{dot}{extension}" if stem else f"{key}~{mark}"
