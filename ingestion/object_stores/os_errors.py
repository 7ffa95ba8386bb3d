"""Errors of the operating system as errors of ours. Source: errno(3)."""

import errno

from ingestion.errors import (
    IngestionError,
    Misconfigured,
    ObjectMissing,
    ObjectStoreUnavailable,
    OutOfSpace,
)

_KINDS: dict[int | None, type[IngestionError]] = {
    errno.ENOSPC: OutOfSpace,
    errno.EDQUOT: OutOfSpace,
    errno.EFBIG: OutOfSpace,
    errno.ENOENT: ObjectMissing,
    errno.ENOTDIR: ObjectMissing,
    errno.EISDIR: ObjectMissing,
    errno.EACCES: Misconfigured,
    errno.EPERM: Misconfigured,
    errno.EROFS: Misconfigured,
}
# Something else is where a folder should be.
_WRONG_NAMES = {errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EEXIST}


def from_os_error(error: OSError, subject: str) -> IngestionError:
    """What this failure means to us; the message names the subject and the errno."""
    kind = _KINDS.get(error.errno, ObjectStoreUnavailable)
    return kind(f"{subject}: {errno.errorcode.get(error.errno or 0, 'unknown error')}")


def from_os_error_in_writing(error: OSError, subject: str) -> IngestionError:
    """The same for writes, where a missing name is worth a repeat and a wrong one is not."""
    mapped = from_os_error(error, subject)
    if error.errno in _WRONG_NAMES:
        return Misconfigured(str(mapped))
    return ObjectStoreUnavailable(str(mapped)) if isinstance(mapped, ObjectMissing) else mapped
