"""Identifiers of receipts: made by us before the row exists, ordered by time (RFC 9562 5.7).

The maker of the id can repeat an insert whose outcome it never learned.
"""

import os
import time
import uuid


def new_receipt_id() -> uuid.UUID:
    """A UUID of version 7: 48 bits of milliseconds, then randomness."""
    milliseconds = time.time_ns() // 1_000_000
    randomness = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & (1 << 48) - 1) << 80 | randomness
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return uuid.UUID(int=value)
