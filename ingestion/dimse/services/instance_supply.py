"""Hands out the instances of a selection to those who send them, a portion of rows at a time."""

import os
import threading
from collections import deque
from collections.abc import Callable

import structlog
from django.conf import settings

from ingestion.database import watched_waits
from ingestion.dimse.database_use import database_turn
from ingestion.dimse.protocol.upper_layer import AssociationEnded
from ingestion.dimse.services.operations import Cancelled
from ingestion.dimse.services.read_ahead import InstanceAhead, forget, read_ahead, wait_for
from ingestion.dimse.services.retrieval_progress import Progress
from ingestion.errors import IngestionError
from ingestion.models import StorageSpace
from ingestion.use_cases.retrieve_instances import HeldInstance, held_in
from ingestion.use_cases.select_instances import BATCH, Selection

log = structlog.get_logger(__name__)


# How many instances later one is sent whose bytes are asked for now. Small ones are not worth it:
# the store leaves them in memory when it has written them, and a disk reads them in no time.
_AHEAD = 4
_READ_AHEAD_BYTES_MIN = 256 * 1024

Check = Callable[[], None]


def _go_on() -> None:
    """For who waits whatever happens."""


class InstanceSupply:
    """The instances that are still to be sent, in order. Several threads may take from it.

    To be closed when no more are taken.
    """

    def __init__(self, selection: Selection, space: StorageSpace, progress: Progress) -> None:
        self.progress = progress
        self.kinds = selection.kinds
        self._space = space
        self._instance_ids = selection.instance_ids
        self._lock = threading.Lock()
        self._ready: deque[HeldInstance] = deque()
        self._unread = len(selection)
        self._is_local = True  # whether the store has files that can be opened

    def __len__(self) -> int:
        """How many are left."""
        return len(self._ready) + self._unread

    def take(self, check: Check = _go_on) -> HeldInstance | None:
        """The next one, to be had from the store without a wait; None when there is none left.

        What cannot be looked up any more counts as failed, what was deleted as withdrawn. While
        the database or the store is waited for, `check` is called a few times a second; what it
        raises is passed on, and nothing is taken.
        """
        with self._lock:
            self._look_up_next(check)
            if not self._is_local:
                self._begin_to_read()
            instance = self._ready.popleft() if self._ready else None
            coming = self._ready[_AHEAD - 1] if len(self._ready) >= _AHEAD else None
        if isinstance(instance, InstanceAhead):
            try:
                wait_for(instance.beginning, check)
            except BaseException:
                self.put_back(instance)
                raise
        elif coming is not None:
            _advise(coming)
        return instance

    def put_back(self, instance: HeldInstance) -> None:
        """Let somebody else send it, next."""
        with self._lock:
            self._ready.appendleft(instance)

    def fail_rest(self, reason: str) -> None:
        """Nothing can be sent any more, and nobody sends: all that is left has failed."""
        with self._lock:
            while self.progress.can_name_more and len(self):
                self._look_up_next(_go_on)
                while self._ready:
                    instance = self._ready.popleft()
                    forget(instance)
                    self.progress.failed(instance.sop_instance_uid, reason)
            self._unread = 0
        self.progress.fail_remaining(reason)

    def close(self) -> None:
        """Let go of what was read ahead and not taken. A repeat is fine."""
        with self._lock:
            for instance in self._ready:
                forget(instance)

    def _look_up_next(self, check: Check) -> None:
        """Have an instance ready, if there is one left."""
        while not self._ready and self._unread:
            check()
            self._look_up_portion(check)

    def _look_up_portion(self, check: Check) -> None:
        begin = len(self._instance_ids) - self._unread
        instance_ids = self._instance_ids[begin : begin + BATCH]
        try:
            with database_turn(check), watched_waits(check):
                found = held_in(self._space, instance_ids)
        except (Cancelled, AssociationEnded):
            raise
        except IngestionError as error:
            log.error("instances to be sent were not found", code=error.code, reason=str(error))
            self.progress.failed_unnamed(self._unread, str(error))
            self._unread = 0
            return
        self._unread -= len(instance_ids)
        self.progress.withdrawn(len(instance_ids) - len(found))
        self._ready.extend(found)
        self._is_local = not found or _is_local(found[0])

    def _begin_to_read(self) -> None:
        """The next one, and some that follow it."""
        ahead = 1 + settings.LIMITS.dimse_reads_ahead_max
        for index in range(min(ahead, len(self._ready))):
            instance = self._ready[index]
            if not isinstance(instance, InstanceAhead):
                self._ready[index] = read_ahead(instance, self._space)


def _is_local(instance: HeldInstance) -> bool:
    """Whether its store has local files; what fails is told when it is sent."""
    try:
        return instance.path() is not None
    except IngestionError:
        return True


def _advise(instance: HeldInstance) -> None:
    """Have the system read the file while others are sent; what fails is told in its turn."""
    if instance.size_bytes < _READ_AHEAD_BYTES_MIN:
        return
    try:
        path = instance.path()
        if path is None:
            return
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (IngestionError, OSError):
        return
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_WILLNEED)
    finally:
        os.close(descriptor)
