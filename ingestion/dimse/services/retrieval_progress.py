"""Keeps the counts of a retrieval's C-STORE sub-operations, and says what they add up to.

Source: PS3.4 C.4.2.1.4 to C.4.2.1.9, C.4.2.3.1 (C-MOVE), C.4.3.1.3, C.4.3.3.1 (C-GET).
"""

import enum
import threading
import time
from collections.abc import Callable

from ingestion.dimse.protocol.commands import SubOperations

PENDING_SECONDS_MIN = 0.1  # between two Pending responses: people look at them, not machines
# What Failed SOP Instance UID List holds in Explicit VR (PS3.5 7.1.2); it does not name more.
_FAILED_LIST_BYTES_MAX = 0xFFFE
_WARNINGS = range(0xB000, 0xC000)  # PS3.7 Annex C: the class of Warning statuses


class RetrieveStatus(enum.IntEnum):
    """PS3.4 Tables C.4-2 (C-MOVE) and C.4-3 (C-GET), which has no A801."""

    SUCCESS = 0x0000
    CANNOT_CALCULATE_MATCHES = 0xA701
    CANNOT_PERFORM_SUB_OPERATIONS = 0xA702
    MOVE_DESTINATION_UNKNOWN = 0xA801
    IDENTIFIER_DOES_NOT_MATCH = 0xA900
    SOME_FAILED = 0xB000
    UNABLE_TO_PROCESS = 0xC000
    CANCELLED = 0xFE00
    PENDING = 0xFF00


class Progress:
    """How far a retrieval has come. Several threads may tell what they sent."""

    def __init__(self, total: int) -> None:
        self._lock = threading.Lock()
        self._remaining = total
        self._completed = self._failed = self._warning = 0
        self._failed_uids: list[str] = []
        self._failed_list_bytes = 0
        self.last_failure = ""  # in words, for the Error Comment when nothing was sent at all

    def sent(self, status: int, sop_instance_uid: str) -> None:
        """The peer answered a C-STORE-RQ with this status (PS3.4 Table B.2-1)."""
        if status == RetrieveStatus.SUCCESS:
            with self._lock:
                self._remaining -= 1
                self._completed += 1
        elif status in _WARNINGS:
            with self._lock:
                self._remaining -= 1
                self._warning += 1
        else:
            self.failed(sop_instance_uid, f"the peer answered C-STORE with {status:04X}")

    def failed(self, sop_instance_uid: str, reason: str) -> None:
        """An instance could not be sent, or was refused."""
        with self._lock:
            self._remaining -= 1
            self._failed += 1
            self._failed_list_bytes += len(sop_instance_uid) + 1
            if self._failed_list_bytes <= _FAILED_LIST_BYTES_MAX:
                self._failed_uids.append(sop_instance_uid)
            self.last_failure = reason

    def failed_unnamed(self, amount: int, reason: str) -> None:
        """So many instances could not even be looked up."""
        with self._lock:
            self._remaining -= amount
            self._failed += amount
            self.last_failure = reason

    def fail_remaining(self, reason: str) -> None:
        """Nothing more will be sent: what remains has failed, and stays unnamed."""
        with self._lock:
            if self._remaining:
                self.last_failure = reason
            self._failed += self._remaining
            self._remaining = 0

    def withdrawn(self, amount: int) -> None:
        """So many instances were deleted since they were selected: they match no longer."""
        with self._lock:
            self._remaining -= amount

    @property
    def can_name_more(self) -> bool:
        """Whether the list of what failed has room."""
        return self._failed_list_bytes < _FAILED_LIST_BYTES_MAX

    @property
    def failed_uids(self) -> tuple[str, ...]:
        """The SOP Instance UIDs of what failed, as many as a response holds."""
        return tuple(self._failed_uids)

    def pending(self) -> SubOperations:
        """The counts for a Pending or a Cancel response: with what remains (C.4.2.1.6)."""
        with self._lock:
            return SubOperations(self._remaining, self._completed, self._failed, self._warning)

    def final(self) -> SubOperations:
        """The counts for all other responses, which have no Remaining Sub-operations."""
        with self._lock:
            return SubOperations(None, self._completed, self._failed, self._warning)

    def final_status(self) -> RetrieveStatus:
        """What the sub-operations amount to when none remains (PS3.4 C.4.2.3.1)."""
        with self._lock:
            if self._failed and not self._completed and not self._warning:
                return RetrieveStatus.CANNOT_PERFORM_SUB_OPERATIONS
            if self._failed or self._warning:
                return RetrieveStatus.SOME_FAILED
            return RetrieveStatus.SUCCESS


class Pace:
    """Says when a Pending response is due: at first, and then not too often."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._due_at = now()

    def is_due(self) -> bool:
        """Whether to send one now; if so, the next is not due at once."""
        now = self._now()
        if now < self._due_at:
            return False
        self._due_at = now + PENDING_SECONDS_MIN
        return True
