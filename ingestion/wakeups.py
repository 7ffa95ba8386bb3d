"""Wake-ups: telling a worker that rows became due, best effort, never in an answer's way.

Rows decide what is due. A lost wake-up delays by at most one sweep.
"""

import enum
import os
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import cast

import structlog
from django.conf import settings
from django.utils.module_loading import import_string

from ingestion.domain.wake_up_rhythm import WakeUpRhythm
from ingestion.errors import BrokerUnavailable

log = structlog.get_logger(__name__)

# Pauses between wake-ups of one kind, as they begin and as they become while a burst lasts.
SHORTEST_SECONDS = 0.05
LONGEST_SECONDS = 0.2


class Work(enum.StrEnum):
    """Kinds of rows that become due."""

    REGISTER_RECEIPTS = "register_receipts"
    REVISE_STUDIES = "revise_studies"
    FAN_OUT = "fan_out"
    ATTEMPT_DELIVERIES = "attempt_deliveries"
    REPORT_COMMITMENTS = "report_commitments"


# While instances pour in, they are registered and their events are told in few, large batches: each
# wake-up is a task, whoever subscribes. Registration must stay below half a second.
_LONGER_SECONDS = {Work.REGISTER_RECEIPTS: 0.3, Work.FAN_OUT: 1.0}

WakeWorker = Callable[[Work], None]


@cache
def _wake_worker() -> WakeWorker:
    return cast(WakeWorker, import_string(settings.WAKE_UPS))


def _rhythm(work: Work) -> WakeUpRhythm:
    return WakeUpRhythm(SHORTEST_SECONDS, _LONGER_SECONDS.get(work, LONGEST_SECONDS))


class _WakeUps:
    """Sends wake-ups of each kind in a rhythm, from a thread of its own.

    The first of a burst goes at once; the rest of the burst is one more at its end.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: dict[Work, float] = {}  # kind → when it may be sent
        self._rhythms = {work: _rhythm(work) for work in Work}
        self._thread: threading.Thread | None = None

    def wake(self, work: Work) -> None:
        with self._changed:
            if work in self._due:
                return
            self._due[work] = self._rhythms[work].due_at(time.monotonic())
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="wake-ups", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _run(self) -> None:
        while True:
            work = self._next()
            try:
                _wake_worker()(work)
            except BrokerUnavailable:
                log.warning("wake-up lost, the sweep will find the rows", work=work.value)

    def _next(self) -> Work:
        """Wait for a wake-up that may be sent, and take it."""
        with self._changed:
            while True:
                work = min(self._due, key=self._due.__getitem__, default=None)
                now = time.monotonic()
                if work is not None and self._due[work] <= now:
                    del self._due[work]
                    self._rhythms[work].note_sent(now)
                    return work
                self._changed.wait(None if work is None else self._due[work] - now)


_wake_ups = _WakeUps()


def _begin_anew() -> None:
    """A forked process has no thread of its parent's."""
    global _wake_ups  # noqa: PLW0603  # the one of this process
    _wake_ups = _WakeUps()


os.register_at_fork(after_in_child=_begin_anew)


def wake(work: Work) -> None:
    """Say that rows of this kind became due. Call it after the commit. Never raises."""
    _wake_ups.wake(work)
