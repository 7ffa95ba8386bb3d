"""Names of stored objects: `<study>/<series>/<sop>.<hash>.dcm` under the space's prefix."""

import re

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
# A store may put a prefix in front, and marks that begin with a tilde behind the hash.
_LOCATION = re.compile(r"(?:.+/)?[0-9.]+/[0-9.]+/([0-9.]+)\.[0-9a-f]{16}(?:~[0-9a-z~]+)?\.dcm")


def object_key(
    *,
    study_instance_uid: str,
    series_instance_uid: str,
    sop_instance_uid: str,
    data_set_sha256: bytes,
) -> str:
    """The key under which an object with these bytes rests; other bytes get another key.

    The UIDs must be valid already: they become names of files.
    """
    uids = (study_instance_uid, series_instance_uid, sop_instance_uid)
    assert all(_UID.fullmatch(uid) and len(uid) <= 64 for uid in uids)
    return "{}/{}/{}.{}.dcm".format(*uids, data_set_sha256.hex()[:16])


def sop_instance_uid_at(location: str) -> str | None:
    """Whose object would rest at this location; None: it was not us who put it there.

    For looking up who points at it. Nothing is ever read by a location that is made up.
    """
    match = _LOCATION.fullmatch(location)
    return match[1] if match else None
