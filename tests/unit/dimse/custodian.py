"""Custody in memory, for the protocol's tests: what was kept, what was discarded."""

import threading
from dataclasses import dataclass, field

from ingestion.dimse.services.store import Arrival
from ingestion.errors import IngestionError


@dataclass
class Custodian:
    """Keeps data sets by SOP Instance UID; fails where it is told to.

    `failures` maps a SOP Instance UID to the step (take, write, keep) and its error.
    """

    kept: dict[str, bytes] = field(default_factory=dict)
    arrivals: list[Arrival] = field(default_factory=list)
    failures: dict[str, tuple[str, IngestionError]] = field(default_factory=dict)
    open_count: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, arrival: Arrival) -> "Holding":
        self.arrivals.append(arrival)
        self.fail_at("take", arrival.sop_instance_uid)
        with self.lock:
            self.open_count += 1
        return Holding(self, arrival.sop_instance_uid)

    def fail_at(self, step: str, sop_instance_uid: str) -> None:
        wanted, error = self.failures.get(sop_instance_uid, ("", None))
        if wanted == step and error is not None:
            raise error


class Holding:
    """One object on its way in."""

    def __init__(self, custodian: Custodian, sop_instance_uid: str) -> None:
        self._custodian = custodian
        self._sop_instance_uid = sop_instance_uid
        self._bytes = bytearray()
        self._is_open = True

    def write(self, view: memoryview) -> None:
        self._custodian.fail_at("write", self._sop_instance_uid)
        self._bytes += view

    def keep(self) -> None:
        self._custodian.fail_at("keep", self._sop_instance_uid)
        self._custodian.kept[self._sop_instance_uid] = bytes(self._bytes)

    def discard(self) -> None:
        if self._is_open:
            with self._custodian.lock:
                self._custodian.open_count -= 1
        self._is_open = False
