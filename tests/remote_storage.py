"""A storage class of Django as if it were on another machine: no local files, and it may hang."""

import threading
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, Storage

from ingestion.models import Backend, StorageSpace


@dataclass
class Far:
    """What a test knows of such a storage, and has in its hands."""

    answers: threading.Event = field(default_factory=threading.Event)
    opened: list[str] = field(default_factory=list)

    def hang(self) -> None:
        """From now on nothing can be opened."""
        self.answers.clear()

    def go_on(self) -> None:
        self.answers.set()


@cache
def far(location: str) -> Far:
    """The one at this folder; it answers."""
    found = Far()
    found.go_on()
    return found


class RemoteStorage(Storage):
    """Keeps objects in a folder that nobody else may look into."""

    def __init__(self, location: str) -> None:
        self._files = FileSystemStorage(location)
        self._far = far(location)

    def exists(self, name: str) -> bool:
        return self._files.exists(name)

    def size(self, name: str) -> int:
        return self._files.size(name)

    def delete(self, name: str) -> None:
        self._files.delete(name)

    def _open(self, name: str, mode: str = "rb") -> "File[Any]":
        self._far.opened.append(name)
        assert self._far.answers.wait(60)
        return self._files.open(name, mode)

    def _save(self, name: str, content: "File[Any]") -> str:
        return self._files.save(name, content)


def rest_far_away(space: StorageSpace, folder: Path) -> Far:
    """Have what the space keeps from now on rest in such a storage."""
    space.backend = Backend.DJANGO_STORAGE
    space.options = {
        "BACKEND": "tests.remote_storage.RemoteStorage",
        "OPTIONS": {"location": str(folder)},
    }
    space.save()
    return far(str(folder))
