"""Names of stored objects: `<study>/<series>/<sop>.<hash>.dcm` under the space's prefix."""

import re

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")


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
