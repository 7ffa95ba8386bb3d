"""Open folders below one root whose names are durable: each parent was synced after it was made.

Source: fsync(2): syncing a file says nothing about the entry in its folder. An open folder, not
its path, is remembered: when somebody removes an empty one, making files in it fails with
ENOENT, even if another process made a folder of that name again.
"""

import os
from contextlib import suppress
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

    def forget(self, key: tuple[Path, str]) -> None:
        with self._lock:
            self._open.pop(key, None)


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
        folder = _remembered.get((self._root, name))
        if folder is None:
            folder = self._make(name)
            _remembered.put((self._root, name), folder)
        return folder

    def forget(self, name: str) -> None:
        """Look at the folder and its parents anew next time; one of them was removed."""
        parts = name.split("/")
        for depth in range(len(parts) + 1):
            _remembered.forget((self._root, "/".join(parts[:depth])))

    def _make(self, name: str) -> OpenFolder:
        if not name:
            make_durable_folder(self._root)
            return OpenFolder(os.open(self._root, _FLAGS))
        parent_name, _, last = name.rpartition("/")
        parent = self.opened(parent_name)
        with suppress(FileExistsError):
            os.mkdir(last, FOLDER_MODE, dir_fd=parent.fd)
        os.fsync(parent.fd)  # in any case: whoever made it may not have come that far yet
        return OpenFolder(os.open(last, _FLAGS | os.O_NOFOLLOW, dir_fd=parent.fd))


def make_durable_folder(path: Path) -> None:
    """Make the folder and its missing parents, and sync the parent of each one made."""
    if path.is_dir():
        return
    make_durable_folder(path.parent)
    path.mkdir(mode=FOLDER_MODE, exist_ok=True)
    parent = OpenFolder(os.open(path.parent, _FLAGS))
    os.fsync(parent.fd)
