"""Wake-ups: telling a worker that rows became due, best effort, never in an answer's way.

Rows decide what is due. A lost wake-up delays by at most one sweep.
"""

import enum
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import cast

import structlog
from django.conf import settings
from django.utils.module_loading import import_string

from ingestion.errors import BrokerUnavailable

log = structlog.get_logger(__name__)

DEBOUNCE_SECONDS = 0.1


class Work(enum.StrEnum):
    """Kinds of rows that become due."""

    REGISTER_RECEIPTS = "register_receipts"
    REVISE_STUDIES = "revise_studies"
    FAN_OUT = "fan_out"
    ATTEMPT_DELIVERIES = "attempt_deliveries"


WakeWorker = Callable[[Work], None]


@cache
def _wake_worker() -> WakeWorker:
    return cast(WakeWorker, import_string(settings.WAKE_UPS))


class _Debounce:
    """Sends at most one wake-up per kind and `DEBOUNCE_SECONDS`, from a thread of its own.

    The first of a burst goes at once; the rest of the burst is one more at its end.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[Work, float] = {}
        self._pending: set[Work] = set()

    def wake(self, work: Work) -> None:
        with self._lock:
            if work in self._pending:
                return
            self._pending.add(work)
            wait = self._last.get(work, 0.0) + DEBOUNCE_SECONDS - time.monotonic()
        timer = threading.Timer(max(wait, 0.0), self._send, (work,))
        timer.daemon = True
        timer.start()

    def _send(self, work: Work) -> None:
        with self._lock:
            self._pending.discard(work)
            self._last[work] = time.monotonic()
        try:
            _wake_worker()(work)
        except BrokerUnavailable:
            log.warning("wake-up lost, the sweep will find the rows", work=work.value)


_debounce = _Debounce()


def wake(work: Work) -> None:
    """Say that rows of this kind became due. Call it after the commit. Never raises."""
    _debounce.wake(work)
