"""DICOM files that nobody stored here, as they are sent to others.

Source: PS3.10 7.1 (file meta information), 8.6 (DICOMDIR).
"""

import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from ingestion.dicom.header import read_header
from ingestion.dicom.part10 import FILE_META_BYTES_MAX, FileMeta, read_file_meta
from ingestion.dicom.pixels.file_transcoding import transcode_file
from ingestion.dicom.pixels.transcoding import TARGETS, can_transcode
from ingestion.dicom.scanning import HeaderLimits
from ingestion.dimse.protocol.outgoing_data_sets import OutgoingInstance
from ingestion.errors import NotAcceptable, NotDicom, ObjectMissing, UnsupportedSOPClass
from ingestion.object_stores.os_errors import from_os_error
from ingestion.object_stores.protocol import CHUNK_BYTES
from ingestion.object_stores.spool import Spool
from ingestion.use_cases.describe_data_set import within_limits

MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"

_HEAD_BYTES = 4096  # nearly all file meta information is shorter


@dataclass(frozen=True, slots=True)
class FileOnDisk:
    """A DICOM file and what it holds."""

    file: Path
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    size_bytes: int
    data_set_offset: int

    def path(self) -> Path:
        """The file."""
        return self.file

    def read(self, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The file, or a range of it, in chunks. Raises `ObjectMissing`."""
        try:
            with self.file.open("rb") as stream:
                stream.seek(offset)
                left = self.size_bytes if length is None else length
                while left and (chunk := stream.read(min(left, CHUNK_BYTES))):
                    left -= len(chunk)
                    yield chunk
        except OSError as error:
            raise from_os_error(error, "file") from error


@dataclass(frozen=True, slots=True)
class SpooledFile:
    """A file on disk made in another transfer syntax; gone with its last reader."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    data_set_offset: int
    spool: Spool

    @property
    def size_bytes(self) -> int:
        """The size of the file."""
        return self.spool.size_bytes

    def path(self) -> None:
        """None: a temporary file is no one else's."""

    def read(self, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The file, or a range of it, in chunks."""
        end = self.size_bytes if length is None else offset + length
        for start in range(offset, end, CHUNK_BYTES):
            yield self.spool.read_at(start, min(CHUNK_BYTES, end - start))


def file_on_disk(path: Path) -> FileOnDisk:
    """Read what a DICOM file holds; of one without file meta information its data set is asked.

    Raises `NotDicom` and other `InvalidInstance`, `UnsupportedSOPClass` for a DICOMDIR,
    `ObjectMissing` and what else keeps a file from being read.
    """
    try:
        meta = _read_meta(path)
        size_bytes = path.stat().st_size
    except OSError as error:
        raise from_os_error(error, "file") from error
    sop_class_uid, sop_instance_uid = meta.sop_class_uid, meta.sop_instance_uid
    if not (sop_class_uid and sop_instance_uid):
        sop_class_uid, sop_instance_uid = _read_uids(path, meta, size_bytes)
    if sop_class_uid == MEDIA_STORAGE_DIRECTORY:
        raise UnsupportedSOPClass("a DICOMDIR is not sent")
    return FileOnDisk(
        file=path,
        sop_class_uid=sop_class_uid,
        sop_instance_uid=sop_instance_uid,
        transfer_syntax_uid=meta.transfer_syntax_uid,
        size_bytes=size_bytes,
        data_set_offset=meta.data_set_offset,
    )


def file_in(file: FileOnDisk, accepted: Collection[str]) -> OutgoingInstance:
    """The file in one of the accepted transfer syntaxes: as it is if that is one of them.

    Otherwise with the same pixels in another. Raises `NotAcceptable` when none can be made,
    `UnreadablePixelData`, `ObjectMissing`, and what reading a header raises.
    """
    stored = file.transfer_syntax_uid
    if stored in accepted:
        return file
    target = next((uid for uid in TARGETS if uid in accepted and can_transcode(stored, uid)), "")
    if not target:
        raise NotAcceptable("it cannot be made in a transfer syntax that was accepted")
    spool = _transcoded(file.file, target)
    meta = read_file_meta(spool.read_at(0, _HEAD_BYTES))
    assert meta is not None, "a file that we made begins with all of its file meta information"
    return SpooledFile(
        file.sop_class_uid, file.sop_instance_uid, target, meta.data_set_offset, spool
    )


def _transcoded(path: Path, target: str) -> Spool:
    def transcode(limits: HeaderLimits) -> Spool:
        spool = Spool(
            Path(tempfile.gettempdir()),
            memory_bytes_max=settings.LIMITS.spool_memory_bytes_max,
            size_bytes_max=settings.LIMITS.instance_bytes_max,
        )
        transcode_file(path, target, spool, limits)
        return spool

    try:
        return within_limits(transcode)
    except FileNotFoundError as error:
        raise ObjectMissing("file: removed before it was sent") from error


def _read_meta(path: Path) -> FileMeta:
    with path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
        meta = read_file_meta(head) or read_file_meta(head + stream.read(FILE_META_BYTES_MAX))
    if meta is None:
        raise NotDicom("the file ends inside its file meta information")
    return meta


def _read_uids(path: Path, meta: FileMeta, size_bytes: int) -> tuple[str, str]:
    """SOP Class and Instance UID by the data set. Raises what reading a header raises."""
    reader = _DataSetOnDisk(path, meta.data_set_offset, size_bytes - meta.data_set_offset)
    attributes = within_limits(
        lambda limits: read_header(reader, meta.transfer_syntax_uid, limits)
    ).attributes
    return attributes.sop_class_uid, attributes.sop_instance_uid


@dataclass(frozen=True, slots=True)
class _DataSetOnDisk:
    path: Path
    offset: int
    size_bytes: int

    def read_at(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`."""
        with self.path.open("rb") as stream:
            stream.seek(self.offset + offset)
            return stream.read(length)
