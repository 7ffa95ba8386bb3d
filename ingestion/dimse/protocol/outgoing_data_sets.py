"""Data sets on their way out: the bytes of stored objects behind their file meta information.

Source: PS3.10 7.1 (what stands before the data set stays at home), PS3.7 9.1.1 (C-STORE).
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Protocol

from ingestion.dicom.transfer_syntaxes import transfer_syntax
from ingestion.errors import MalformedDataSet, ObjectMissing
from ingestion.object_stores.os_errors import from_os_error

_PIECE_BYTES = 64 * 1024

Pieces = Iterable[bytes | memoryview]


class OutgoingInstance(Protocol):
    """A DICOM file that can be sent: what its C-STORE says, and where its bytes are."""

    @property
    def sop_class_uid(self) -> str: ...
    @property
    def sop_instance_uid(self) -> str: ...
    @property
    def transfer_syntax_uid(self) -> str: ...
    @property
    def size_bytes(self) -> int:
        """Of the whole file."""

    @property
    def data_set_offset(self) -> int:
        """Where the data set begins in the file."""

    def path(self) -> Path | None:
        """A local file with these bytes, if there is one. Raises `ObjectMissing`."""

    def read(self, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The file, or a range of it, in chunks. Raises `ObjectMissing` at once."""


class FileDataSet:
    """The data set in an open file. Whoever sends it reads it straight into its buffer."""

    def __init__(self, descriptor: int, *, offset: int, size_bytes: int) -> None:
        self._descriptor = descriptor
        self._position = offset
        self._left = size_bytes

    @property
    def left_bytes(self) -> int:
        """How much has not been read yet."""
        return self._left

    def read_into(self, views: Sequence[memoryview]) -> int:
        """Fill the views one after the other, at least one byte; tells how many.

        Raises `ObjectMissing` when the file ends too early, `ObjectStoreUnavailable`.
        """
        try:
            amount = os.preadv(self._descriptor, views, self._position)
        except OSError as error:
            raise from_os_error(error, "object") from error
        if not amount:
            raise ObjectMissing("object: shorter than it was when it was stored")
        self._position += amount
        self._left -= amount
        return amount

    def __iter__(self) -> Iterator[memoryview]:
        """The rest of it in pieces, for who has no buffer of its own."""
        while self._left:
            piece = memoryview(bytearray(min(_PIECE_BYTES, self._left)))
            yield piece[: self.read_into([piece])]


@contextmanager
def opened_data_set(instance: OutgoingInstance) -> Iterator[Pieces]:
    """The data set of an instance, to be sent once; closed afterwards.

    Messages have an even length (PS3.8 E.1): what is deflated is padded (PS3.5 A.5), any other
    data set of odd length is broken, and peers abort when they get one. Raises `MalformedDataSet`,
    `ObjectMissing` for what is not there or is too short as far as can be told before the first
    byte, and other errors of the object store; later errors come while it is read.
    """
    size_bytes = instance.size_bytes - instance.data_set_offset
    padding = _padding(instance, size_bytes)
    path = instance.path()
    if path is None or padding:
        pieces = instance.read(instance.data_set_offset, size_bytes)
        yield chain(_whole(pieces, size_bytes), padding)
        return
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise from_os_error(error, "object") from error
    try:
        if os.fstat(descriptor).st_size < instance.size_bytes:
            raise ObjectMissing("object: shorter than it was when it was stored")
        yield FileDataSet(descriptor, offset=instance.data_set_offset, size_bytes=size_bytes)
    finally:
        os.close(descriptor)


def _padding(instance: OutgoingInstance, size_bytes: int) -> tuple[bytes, ...]:
    """What must follow the data set. Raises `MalformedDataSet`."""
    if size_bytes % 2 == 0:
        return ()
    if transfer_syntax(instance.transfer_syntax_uid).is_deflated:
        return (b"\0",)
    raise MalformedDataSet("data set of odd length: no message can carry it (PS3.8 E.1)")


def _whole(pieces: Iterator[bytes], size_bytes: int) -> Iterator[bytes]:
    """The pieces, which must have so many bytes together."""
    left = size_bytes
    for piece in pieces:
        left -= len(piece)
        yield piece
    if left:
        raise ObjectMissing("object: not as long as it was when it was stored")
