"""Instances to be sent, and destinations to send them to."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ingestion.dimse.requestor.requesting import Destination
from ingestion.errors import ObjectMissing
from tests.scripted_peer import CT_IMAGE_STORAGE, EXPLICIT_LITTLE

META = b"M" * 300  # stands for preamble and file meta information


@dataclass
class Outgoing:
    """An instance in memory, or in a file when it has one; may be shorter than it says."""

    data_set: bytes
    sop_instance_uid: str = "1.2.3"
    sop_class_uid: str = CT_IMAGE_STORAGE
    transfer_syntax_uid: str = EXPLICIT_LITTLE
    file: Path | None = None
    missing_bytes: int = 0
    chunk_bytes: int = 100_000
    is_gone: bool = False
    reads: list[int] = field(default_factory=list)

    @property
    def size_bytes(self) -> int:
        return len(META) + len(self.data_set) + self.missing_bytes

    @property
    def data_set_offset(self) -> int:
        return len(META)

    def path(self) -> Path | None:
        return self.file

    def read(self, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        if self.is_gone:
            raise ObjectMissing("object: ENOENT")
        whole = (META + self.data_set)[offset : None if length is None else offset + length]
        return iter(
            whole[start : start + self.chunk_bytes]
            for start in range(0, len(whole), self.chunk_bytes)
        )


def in_file(folder: Path, data_set: bytes, *, missing_bytes: int = 0) -> Outgoing:
    """An instance that rests in a file of a folder."""
    file = folder / f"{len(list(folder.iterdir()))}.dcm"
    file.write_bytes(META + data_set)
    return Outgoing(data_set, file=file, missing_bytes=missing_bytes)


def destination(
    port: int, *, response_timeout_seconds: float = 60.0, associations_max: int = 4
) -> Destination:
    return Destination(
        ae_title="PEER",
        host="127.0.0.1",
        port=port,
        connect_timeout_seconds=60.0,
        response_timeout_seconds=response_timeout_seconds,
        associations_max=associations_max,
    )
