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


class DurableFolders:
    """Makes and remembers folders by their path relative to the root. Safe for threads."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._open: dict[str, OpenFolder] = {}
        self._lock = Lock()

    def opened(self, name: str) -> OpenFolder:
        """The folder, made with its parents where missing, all of it durable. Raises `OSError`."""
        with self._lock:
            folder = self._open.pop(name, None)
            if folder is not None:
                self._open[name] = folder  # the most recently used last
                return folder
        folder = self._make(name)
        with self._lock:
            self._open[name] = folder
            while len(self._open) > OPEN_FOLDERS_MAX:
                self._open.pop(next(iter(self._open)))
        return folder

    def forget(self, name: str) -> None:
        """Look at the folder and its parents anew next time; one of them was removed."""
        with self._lock:
            parts = name.split("/")
            for depth in range(len(parts) + 1):
                self._open.pop("/".join(parts[:depth]), None)

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
