"""Makes several received parts durable at the same time, while the next ones arrive.

A part waits for the disk most of its time, and a disk takes several writers at once. The last
part of a request, so also an only one, is stored where it stands.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from functools import cache
from types import TracebackType
from typing import Self

from django.db import connection

from ingestion.errors import InvalidInstance, LimitExceeded
from ingestion.use_cases.store_instance import IncomingInstance, StoredInstance

PARTS_IN_FLIGHT = 4
THREADS = 8

Refusal = InvalidInstance | LimitExceeded
REFUSALS = (InvalidInstance, LimitExceeded)
Result = tuple[IncomingInstance, StoredInstance | Refusal]


@cache
def _threads() -> ThreadPoolExecutor:
    """The process's own, made at the first request: after the server forked."""
    return ThreadPoolExecutor(THREADS, thread_name_prefix="store")


class StorePipeline:
    """Parts go in by `add`, results come out in the same order. Leaving it waits for all."""

    def __init__(self, study_instance_uid: str) -> None:
        self._study_instance_uid = study_instance_uid
        self._last: IncomingInstance | None = None
        self._under_way: deque[tuple[IncomingInstance, Future[StoredInstance | Refusal]]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        wait([future for _, future in self._under_way])
        if self._last is not None:
            with self._last:
                self._last = None

    def add(self, incoming: IncomingInstance) -> Iterator[Result]:
        """Take over a received part; gives what is finished by then, at most one.

        Raises `Unavailable` of the part that is finished.
        """
        before, self._last = self._last, incoming
        if before is not None:
            future = _threads().submit(self._store_in_thread, before)
            self._under_way.append((before, future))
        if len(self._under_way) >= PARTS_IN_FLIGHT:
            yield self._oldest()

    def finish(self) -> Iterator[Result]:
        """Give everything that is left. Raises as `add`."""
        last, self._last = self._last, None
        with ExitStack() as stack:
            if last is not None:
                stack.enter_context(last)
            while self._under_way:
                yield self._oldest()
            if last is not None:
                yield last, self._store(last)

    def _oldest(self) -> Result:
        incoming, future = self._under_way.popleft()
        return incoming, future.result()

    def _store(self, incoming: IncomingInstance) -> StoredInstance | Refusal:
        with incoming:
            try:
                return incoming.store(study_instance_uid=self._study_instance_uid)
            except REFUSALS as error:
                return error

    def _store_in_thread(self, incoming: IncomingInstance) -> StoredInstance | Refusal:
        try:
            return self._store(incoming)
        finally:
            connection.close()  # opened only for an object that was there before
