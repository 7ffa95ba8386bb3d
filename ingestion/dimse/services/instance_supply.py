"""Hands out the instances of a selection to those who send them, a portion of rows at a time."""

import os
import threading
from collections import deque

import structlog

from ingestion.dimse.database_use import database_turn
from ingestion.dimse.services.retrieval_progress import Progress
from ingestion.errors import IngestionError
from ingestion.models import StorageSpace
from ingestion.use_cases.retrieve_instances import HeldInstance, held_in
from ingestion.use_cases.select_instances import Selection, batches_of

log = structlog.get_logger(__name__)


# How many instances later one is sent whose bytes are asked for now. Small ones are not worth it:
# the store leaves them in memory when it has written them, and a disk reads them in no time.
_AHEAD = 4
_READ_AHEAD_BYTES_MIN = 256 * 1024


class InstanceSupply:
    """The instances that are still to be sent, in order. Several threads may take from it."""

    def __init__(self, selection: Selection, space: StorageSpace, progress: Progress) -> None:
        self.progress = progress
        self.kinds = selection.kinds
        self._space = space
        self._batches = batches_of(selection)
        self._lock = threading.Lock()
        self._ready: deque[HeldInstance] = deque()
        self._unread = len(selection)

    def __len__(self) -> int:
        """How many are left."""
        return len(self._ready) + self._unread

    def take(self) -> HeldInstance | None:
        """The next one; None when there is none left.

        What cannot be looked up any more counts as failed, what was deleted as withdrawn.
        """
        with self._lock:
            while not self._ready and self._unread:
                self._read_portion()
            instance = self._ready.popleft() if self._ready else None
            coming = self._ready[_AHEAD - 1] if len(self._ready) >= _AHEAD else None
        if coming is not None:
            _read_ahead(coming)
        return instance

    def put_back(self, instance: HeldInstance) -> None:
        """Let somebody else send it, next."""
        with self._lock:
            self._ready.appendleft(instance)

    def fail_rest(self, reason: str) -> None:
        """Nothing can be sent any more, and nobody sends: all that is left has failed."""
        while self.progress.can_name_more and (instance := self.take()) is not None:
            self.progress.failed(instance.sop_instance_uid, reason)
        with self._lock:
            self._ready.clear()
            self._unread = 0
        self.progress.fail_remaining(reason)

    def _read_portion(self) -> None:
        instance_ids = next(self._batches)
        try:
            with database_turn():
                found = held_in(self._space, instance_ids)
        except IngestionError as error:
            log.error("instances to be sent were not found", code=error.code, reason=str(error))
            self.progress.failed_unnamed(self._unread, str(error))
            self._unread = 0
            return
        self._unread -= len(instance_ids)
        self.progress.withdrawn(len(instance_ids) - len(found))
        self._ready.extend(found)


def _read_ahead(instance: HeldInstance) -> None:
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
