"""Identifiers of receipts: made by us before the row exists, ordered by time (RFC 9562 5.7).

The maker of the id can repeat an insert whose outcome it never learned.
"""

import os
import threading
import time
import uuid

_lock = threading.Lock()
_last = 0


def new_receipt_id() -> uuid.UUID:
    """A UUID of version 7 that is greater than every one this process made before.

    48 bits of milliseconds and 12 bits of their fraction (RFC 9562 6.2, method 3), then
    randomness.
    """
    ticks = _next_ticks()
    randomness = int.from_bytes(os.urandom(8), "big") & (1 << 62) - 1
    value = (ticks >> 12) << 80 | 0x7 << 76 | (ticks & 0xFFF) << 64 | 0x2 << 62 | randomness
    return uuid.UUID(int=value)


def _next_ticks() -> int:
    """1/4096 milliseconds since the epoch, never the same twice."""
    global _last  # noqa: PLW0603  # the clock of this process
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    now = milliseconds << 12 | (rest << 12) // 1_000_000
    with _lock:
        _last = max(now, _last + 1)
        return _last
