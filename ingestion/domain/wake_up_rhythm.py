"""How often wake-ups of one kind may follow each other, as pure arithmetic of times."""

import math
from dataclasses import dataclass

GROWTH = 1.5


@dataclass(slots=True)
class WakeUpRhythm:
    """The first of a burst may go at once; the pause before each next one grows, up to a limit.

    Times and pauses are seconds of any one clock.
    """

    shortest_seconds: float
    longest_seconds: float
    _sent_at: float = -math.inf
    _pause_seconds: float = 0.0

    def due_at(self, now: float) -> float:
        """When a wake-up that is asked for now may be sent: now or later. Asked once for each."""
        due = self._sent_at + self._pause_seconds
        if due <= now:
            self._pause_seconds = self.shortest_seconds
            return now
        self._pause_seconds = min(GROWTH * self._pause_seconds, self.longest_seconds)
        return due

    def note_sent(self, now: float) -> None:
        """The pause begins."""
        self._sent_at = now
