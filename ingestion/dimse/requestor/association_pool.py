"""The associations that a process has with others: bounded, and kept for a moment to be used again.

A retrieval rarely comes alone: the next one finds the association of the last and saves a
negotiation. Nobody else's use of an association is visible to whoever borrows it.
"""

import threading
import time
from collections import Counter
from dataclasses import dataclass
from functools import cache

from django.conf import settings

from ingestion.dimse.journal.association_end import RecordEnding, keep_no_record
from ingestion.dimse.journal.association_log import record_in_turn
from ingestion.dimse.protocol.association_proposal import Proposal
from ingestion.dimse.protocol.upper_layer import NotAssociated
from ingestion.dimse.requestor.requested_association import RequestedAssociation
from ingestion.dimse.requestor.requesting import Destination, associate

IDLE_SECONDS = 1.0  # a peer with a single process serves nobody else meanwhile
WAIT_SECONDS_MAX = 30.0


class NoAssociationFree(NotAssociated):
    """All associations that we may have are in use, and none came free in time."""

    code = "no-association-free"


@dataclass(frozen=True, slots=True)
class Call:
    """Whom to call, as whom, and for what. Associations of equal calls are interchangeable."""

    destination: Destination
    calling_ae_title: str
    proposals: tuple[Proposal, ...]

    @property
    def peer(self) -> tuple[str, int]:
        """What the limit per destination counts."""
        return self.destination.host, self.destination.port


@dataclass(frozen=True, slots=True)
class Borrowed:
    """An association that is the borrower's until it is given back.

    `is_used` tells that it stood idle before: the peer may have left without a word.
    """

    call: Call
    association: RequestedAssociation
    is_used: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Idle:
    call: Call
    association: RequestedAssociation
    until: float  # of time.monotonic()


class AssociationPool:
    """Lends associations. Safe for use by several threads."""

    def __init__(
        self,
        *,
        associations_max: int,
        per_destination_max: int,
        idle_seconds: float = IDLE_SECONDS,
        wait_seconds_max: float = WAIT_SECONDS_MAX,
        record: RecordEnding = keep_no_record,
    ) -> None:
        """Nothing is open yet."""
        self.record = record  # of every association, whoever borrows it
        self._associations_max = associations_max
        self._per_destination_max = per_destination_max
        self._idle_seconds = idle_seconds
        self._wait_seconds_max = wait_seconds_max
        self._changed = threading.Condition()
        self._counts: Counter[tuple[str, int]] = Counter()  # open or about to be, idle ones too
        self._idle: list[_Idle] = []  # the one used last is last
        self._caretaker: threading.Thread | None = None

    def borrow(self, call: Call) -> Borrowed:
        """An idle association of this call, else a new one; give it back in any case.

        Raises `NoAssociationFree` after waiting for one, and what `associate` raises.
        """
        kept = self._take(call)
        if kept is not None:
            return Borrowed(call, kept, is_used=True)
        try:
            association = associate(
                call.destination,
                calling_ae_title=call.calling_ae_title,
                proposals=call.proposals,
                record=self.record,
            )
        except BaseException:
            self._forget(call)
            raise
        return Borrowed(call, association, is_used=False)

    def give_back(self, borrowed: Borrowed) -> None:
        """Keep the association for a moment if it is good; what broke is forgotten."""
        call, association = borrowed.call, borrowed.association
        if not association.is_idle():
            association.abort()
            self._forget(call)
            return
        with self._changed:
            self._idle.append(_Idle(call, association, time.monotonic() + self._idle_seconds))
            self._changed.notify_all()
            if self._caretaker is None:
                self._caretaker = threading.Thread(
                    target=self._release_idle, name="association-pool", daemon=True
                )
                self._caretaker.start()

    def close(self) -> None:
        """Release what is idle. What is lent goes on; a later borrower finds the pool open."""
        with self._changed:
            idle, self._idle = self._idle, []
            self._changed.notify_all()
        for each in idle:
            self._release(each)

    def count(self) -> int:
        """How many associations are open, or about to be."""
        with self._changed:
            return self._counts.total()

    def _take(self, call: Call) -> RequestedAssociation | None:
        """An idle one, or None when a new one may be opened, which is counted already."""
        deadline = time.monotonic() + self._wait_seconds_max
        while True:
            with self._changed:
                found = next((each for each in reversed(self._idle) if each.call == call), None)
                in_the_way = found or self._hindrance(call)
                if in_the_way is None and self._has_room(call):
                    self._counts[call.peer] += 1
                    return None
                if in_the_way is not None:
                    self._idle.remove(in_the_way)
                elif not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    raise NoAssociationFree(
                        f"{call.destination.ae_title}: all are in use; "
                        f"sub_associations_max = {self._associations_max}, "
                        f"sub_associations_per_destination_max = {self._per_destination_max}"
                    )
            if found is not None and found.association.is_idle():
                return found.association
            if in_the_way is not None:
                self._release(in_the_way)

    def _hindrance(self, call: Call) -> _Idle | None:
        """The idle association that must go to make room for another call, if one must.

        A peer that takes few associations would not answer a new one while an old one is idle.
        """
        peer_max = min(self._per_destination_max, call.destination.associations_max)
        if self._counts[call.peer] >= peer_max:
            return next((each for each in self._idle if each.call.peer == call.peer), None)
        if self._counts.total() >= self._associations_max:
            return next(iter(self._idle), None)
        return None

    def _has_room(self, call: Call) -> bool:
        return (
            self._counts.total() < self._associations_max
            and self._counts[call.peer] < self._per_destination_max
        )

    def _release_idle(self) -> None:
        """Release what nobody came for; ends when nothing is idle any more."""
        while True:
            with self._changed:
                if not self._idle:
                    self._caretaker = None
                    return
                first = min(self._idle, key=lambda each: each.until)
                if first.until > time.monotonic():
                    self._changed.wait(first.until - time.monotonic())
                    continue
                self._idle.remove(first)
            self._release(first)

    def _release(self, idle: _Idle) -> None:
        """Outside the lock: the peer may take its time to answer."""
        try:
            if idle.association.is_idle():
                idle.association.release()
            else:
                idle.association.abort()
        finally:
            self._forget(idle.call)

    def _forget(self, call: Call) -> None:
        with self._changed:
            self._counts[call.peer] -= 1
            if not self._counts[call.peer]:
                del self._counts[call.peer]
            self._changed.notify_all()


@cache
def process_pool() -> AssociationPool:
    """The pool of this process, with the limits of the settings; the log is told of each."""
    limits = settings.LIMITS
    return AssociationPool(
        associations_max=limits.sub_associations_max,
        per_destination_max=limits.sub_associations_per_destination_max,
        record=record_in_turn,
    )
