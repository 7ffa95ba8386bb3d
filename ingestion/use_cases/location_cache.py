"""Remembers, per process, where things are in data sets that never change."""

from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

from cachetools import LRUCache

from ingestion.use_cases.retrieve_instances import HeldInstance

_Value = TypeVar("_Value")
_Key = tuple[bytes, str]


class LocationCache(Generic[_Value]):
    """What was worked out of a data set, by its bytes' hash and transfer syntax.

    Safe for several threads. The least recently used go when `bytes_max` are full.
    """

    def __init__(self, bytes_max: int, size_bytes: Callable[[_Value], int]) -> None:
        self._size_bytes = size_bytes
        self._values: LRUCache[_Key, _Value] = LRUCache(bytes_max, size_bytes)
        self._lock = Lock()

    def get(self, instance: HeldInstance) -> _Value | None:
        """What is known of the instance's bytes."""
        with self._lock:
            return self._values.get(_key(instance))

    def put(self, instance: HeldInstance, value: _Value) -> None:
        """Remember it, unless it is larger than all that may be remembered."""
        with self._lock:
            if self._size_bytes(value) <= self._values.maxsize:
                self._values[_key(instance)] = value


def _key(instance: HeldInstance) -> _Key:
    return bytes(instance.data_set_sha256), instance.transfer_syntax_uid
