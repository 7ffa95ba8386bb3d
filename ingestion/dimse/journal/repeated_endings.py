"""Peers that come again and again for nothing: few of their associations get a record each.

The others are counted, and one record tells of them when the minute is over. Ten thousand
refusals of a hostile peer are a few rows.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from ingestion.dimse.journal.association_end import AssociationEnding, Outcome

WINDOW_SECONDS = 60.0
ROWS_PER_PEER_MAX = 20  # and window
PEERS_MAX = 500  # in a window; what further ones do is counted together
FURTHER_PEERS = ""

IDLE_OPERATIONS = {"C-ECHO"}


@dataclass(frozen=True, slots=True)
class Recorded:
    """An ending, and how many more were like it."""

    ending: AssociationEnding
    repeats: int = 0


class RepeatedEndings:
    """The endings of one window of time. Not safe for threads: whoever calls it holds a lock."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends_at = 0.0
        self._rows: Counter[str] = Counter()  # by peer, in this window
        self._counted: dict[tuple[str, Outcome], Recorded] = {}

    def admits(self, ending: AssociationEnding) -> bool:
        """Whether it gets a record of its own; else it was counted."""
        if _did_something(ending):
            return True
        if self._clock() >= self._ends_at and not self._counted:
            self._begin_window()
        peer = ending.peer_address
        if peer not in self._rows and len(self._rows) >= PEERS_MAX:
            peer = FURTHER_PEERS
        elif self._rows[peer] < ROWS_PER_PEER_MAX:
            self._rows[peer] += 1
            return True
        self._count(peer, ending)
        return False

    def take_counted(self, *, even_if_early: bool = False) -> list[Recorded]:
        """What was counted, once the window is over; begins the next."""
        if not self._counted or (self._clock() < self._ends_at and not even_if_early):
            return []
        counted = list(self._counted.values())
        self._begin_window()
        return counted

    def seconds_left(self) -> float | None:
        """How long until something can be taken; None while nothing was counted."""
        return max(0.0, self._ends_at - self._clock()) if self._counted else None

    def _begin_window(self) -> None:
        self._ends_at = self._clock() + WINDOW_SECONDS
        self._rows.clear()
        self._counted.clear()

    def _count(self, peer: str, ending: AssociationEnding) -> None:
        """The latest stands for all; of several peers it says no address."""
        known = self._counted.get((peer, ending.outcome))
        self._counted[peer, ending.outcome] = Recorded(
            replace(ending, peer_address=peer), known.repeats + 1 if known else 0
        )


def _did_something(ending: AssociationEnding) -> bool:
    tally = ending.tally
    return bool(
        tally.instances_stored
        or tally.instances_refused
        or tally.instances_sent
        or tally.operations.keys() - IDLE_OPERATIONS
    )
