"""Reads objects before their turn, from stores that answer from afar.

Such a store takes tens of milliseconds for each object, and now and then minutes. The next objects
are asked for while others are sent, by threads that nobody has to wait for to the end: whoever
does looks meanwhile whether it is still worth it.
"""

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, fields
from functools import cache
from typing import TypeVar

import structlog
from django.conf import settings

from ingestion.errors import ObjectStoreUnavailable
from ingestion.models import StorageSpace
from ingestion.use_cases.retrieve_instances import HeldInstance

log = structlog.get_logger(__name__)

BEGINNING_BYTES = 1024 * 1024  # of an object that are held in memory until its turn
_LOOK_SECONDS = 0.25

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class InstanceAhead(HeldInstance):
    """An instance whose beginning is being read, or has been."""

    beginning: "Future[Beginning]"

    def read(self, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The file as stored, or a range of it, in chunks. Raises at once what the store raised."""
        if length is not None and offset + length != self.size_bytes:
            return HeldInstance.read(self, offset, length)
        return self.beginning.result().read(offset)


class Beginning:
    """The first bytes of an object, and the stream of those that follow.

    Of a small object that is everything. Of one thread at a time.
    """

    def __init__(self, instance: HeldInstance) -> None:
        """Read them. Raises `ObjectMissing` and others of the store."""
        self._instance = instance
        self._rest: Iterator[bytes] | None = instance.read(0, instance.size_bytes)
        collected = bytearray()
        for chunk in self._rest:
            collected += chunk
            if BEGINNING_BYTES <= len(collected) < instance.size_bytes:
                break
        self._bytes = bytes(collected)

    def read(self, offset: int) -> Iterator[bytes]:
        """The object from `offset` to its end; a repeat reads again what is not in memory."""
        yield self._bytes[offset:]
        position = max(offset, len(self._bytes))
        rest, self._rest = self._rest, None
        if rest is not None and offset <= len(self._bytes):
            try:
                for chunk in rest:
                    position += len(chunk)
                    yield chunk
            except ObjectStoreUnavailable as error:
                # It may have been open for long. Bytes at a location never change: go on there.
                log.info("object read on", code=error.code, reason=str(error))
        if position < self._instance.size_bytes:
            yield from self._instance.read(position, self._instance.size_bytes - position)

    def close(self) -> None:
        """Let go of the stream. A repeat is fine."""
        rest, self._rest = self._rest, None
        if isinstance(rest, Generator):
            rest.close()


def read_ahead(instance: HeldInstance, space: StorageSpace) -> InstanceAhead:
    """Begin to read an instance of this space; does not wait."""
    values = [getattr(instance, each.name) for each in fields(HeldInstance)]
    values.append(in_background(space, lambda: Beginning(instance)))
    return InstanceAhead(*values)


def forget(instance: HeldInstance) -> None:
    """Let go of what was read, or is being read, of an instance that is not sent."""
    if isinstance(instance, InstanceAhead) and not instance.beginning.cancel():
        instance.beginning.add_done_callback(_close)


def in_background(space: StorageSpace, work: Callable[[], Result]) -> "Future[Result]":
    """Have something done that waits for the store of this space.

    Each space has threads of its own, lest a store that hangs holds up others.
    """
    return _threads(space.pk, settings.LIMITS.dimse_store_readers_max).submit(work)


def result_of(future: "Future[Result]", check: Callable[[], None]) -> Result:
    """Wait for what is done in the background; returns or raises what came of it.

    `check` is called a few times a second; what it raises is passed on at once.
    """
    try:
        wait_for(future, check)
    except BaseException:
        future.cancel()
        raise
    return future.result()


def wait_for(future: "Future[Result]", check: Callable[[], None]) -> None:
    """As `result_of`, but leaves the result, or the error, where it is."""
    while not future.done():
        wait((future,), _LOOK_SECONDS)
        check()


@cache
def _threads(space_id: int, threads_max: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads_max, thread_name_prefix=f"store-reader-{space_id}")


def _close(future: "Future[Beginning]") -> None:
    if not future.cancelled() and future.exception() is None:
        future.result().close()
