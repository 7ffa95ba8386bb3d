"""Open folders below one root whose names are durable: each parent was synced after it was made.

Source: fsync(2): syncing a file says nothing about the entry in its folder. An open folder, not
its path, is remembered: when somebody removes an empty one, making files in it fails with
ENOENT, even if another process made a folder of that name again. Who met that makes them anew
while nobody removes one: a lock on the root, which removing takes for itself alone (flock(2)).
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

from ingestion.object_stores.spool import FOLDER_MODE

OPEN_FOLDERS_MAX = 128
_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class OpenFolder:
    """An open folder; closed when nobody refers to it any more."""

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __del__(self) -> None:
        os.close(self.fd)


class _Remembered:
    """The folders that this process keeps open, of all roots together: descriptors are scarce."""

    def __init__(self) -> None:
        self._open: dict[tuple[Path, str], OpenFolder] = {}
        self._lock = Lock()

    def get(self, key: tuple[Path, str]) -> OpenFolder | None:
        with self._lock:
            folder = self._open.pop(key, None)
            if folder is not None:
                self._open[key] = folder  # the most recently used last
            return folder

    def put(self, key: tuple[Path, str], folder: OpenFolder) -> None:
        with self._lock:
            self._open[key] = folder
            while len(self._open) > OPEN_FOLDERS_MAX:
                self._open.pop(next(iter(self._open)))


_remembered = _Remembered()


def _begin_anew() -> None:
    """A forked process has no thread that could release a held lock."""
    global _remembered  # noqa: PLW0603  # the one of this process
    _remembered = _Remembered()


os.register_at_fork(after_in_child=_begin_anew)


class DurableFolders:
    """Makes and remembers folders by their path relative to the root. Safe for threads."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def opened(self, name: str) -> OpenFolder:
        """The folder, made with its parents where missing, all of it durable. Raises `OSError`."""
        return _remembered.get((self._root, name)) or self._make(name, self.opened)

    def opened_anew(self, name: str) -> OpenFolder:
        """As `opened`, and nothing remembered is believed."""
        return self._make(name, self.opened_anew)

    def _make(self, name: str, opened: Callable[[str], OpenFolder]) -> OpenFolder:
        if name:
            parent_name, _, last = name.rpartition("/")
            parent = opened(parent_name)
            with suppress(FileExistsError):
                os.mkdir(last, FOLDER_MODE, dir_fd=parent.fd)
            os.fsync(parent.fd)  # in any case: whoever made it may not have come that far yet
            folder = OpenFolder(os.open(last, _FLAGS | os.O_NOFOLLOW, dir_fd=parent.fd))
        else:
            make_durable_folder(self._root)
            folder = OpenFolder(os.open(self._root, _FLAGS))
        _remembered.put((self._root, name), folder)
        return folder


def make_durable_folder(path: Path) -> None:
    """Make the folder and its missing parents, and sync the parent of each one made."""
    if path.is_dir():
        return
    make_durable_folder(path.parent)
    path.mkdir(mode=FOLDER_MODE, exist_ok=True)
    parent = OpenFolder(os.open(path.parent, _FLAGS))
    os.fsync(parent.fd)


@contextmanager
def folders_stay(root: Path) -> Iterator[None]:
    """Keep every process from removing empty folders below the root, which is made if missing."""
    make_durable_folder(root)
    with _locked(root, fcntl.LOCK_SH):
        yield


@contextmanager
def folders_may_vanish(root: Path) -> Iterator[None]:
    """Wait until nobody needs the folders below the root to stay."""
    with _locked(root, fcntl.LOCK_EX):
        yield


@contextmanager
def _locked(root: Path, operation: int) -> Iterator[None]:
    folder = OpenFolder(os.open(root, _FLAGS))
    fcntl.flock(folder.fd, operation)
    try:
        yield
    finally:
        fcntl.flock(folder.fd, fcntl.LOCK_UN)
