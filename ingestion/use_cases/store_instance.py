"""The one way in: bytes of one object become durable, checked and described.

Bytes are spooled as they arrive and never re-encoded. What comes out is a `StoredInstance`:
the object rests in its store, and `commit_receipts` makes it ours. Nothing may be
acknowledged to the sender before that commit.
"""

from dataclasses import dataclass
from types import TracebackType
from typing import Self
from uuid import UUID

from django.conf import settings

from ingestion.dicom.attributes import IndexedAttributes
from ingestion.dicom.identifiers import is_valid_uid, require_uid
from ingestion.dicom.part10 import FileMeta, encode_file_meta, read_file_meta
from ingestion.domain.receipt_ids import new_receipt_id
from ingestion.domain.storage_keys import object_key
from ingestion.errors import (
    IdentifierMismatch,
    NotDicom,
    NotPermitted,
    ObjectTooComplex,
    StudyMismatch,
    TruncatedDataSet,
    UnsupportedTransferSyntax,
)
from ingestion.models import SenderKind, StorageSpace
from ingestion.object_stores.protocol import StoredObject
from ingestion.object_stores.spool import Spool
from ingestion.use_cases.describe_data_set import describe_data_set
from ingestion.use_cases.retain_objects import BorrowDatabase, keep_existing_object, own_database
from ingestion.use_cases.storage_spaces import open_space_store, require_room

PREAMBLE_AND_PREFIX_BYTES = 132
FILE_META_BYTES_MAX = 1 << 20
COPY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Sender:
    """Who gave us an object, and in which association or request."""

    kind: SenderKind
    conversation_id: str
    calling_ae_title: str = ""
    called_ae_title: str = ""
    principal: str = ""
    peer_address: str = ""


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """An object that rests durably in its store and waits for its receipt."""

    receipt_id: UUID
    storage_space_id: int
    sender: Sender
    attributes: IndexedAttributes
    document: bytes
    transfer_syntax_uid: str
    data_set_sha256: bytes
    location: str
    size_bytes: int
    data_set_offset: int
    pixel_data_offset: int | None


def receive_data_set(
    space: StorageSpace,
    sender: Sender,
    *,
    sop_class_uid: str,
    sop_instance_uid: str,
    transfer_syntax_uid: str,
) -> "IncomingInstance":
    """Begin to take a bare data set, as C-STORE sends it (PS3.7 9.1.1).

    The file meta information in front of it is ours (PS3.10 7.1). Raises `OutOfSpace`,
    `NotPermitted`, `Misconfigured`; `InvalidInstance` and kinds when the command names no object.
    """
    require_uid("Affected SOP Instance UID", sop_instance_uid)
    incoming = IncomingInstance(space, sender)
    meta_bytes = encode_file_meta(
        sop_class_uid=sop_class_uid,
        sop_instance_uid=sop_instance_uid,
        transfer_syntax_uid=transfer_syntax_uid,
        source_ae_title=sender.calling_ae_title,
    )
    incoming.write_file_meta(
        meta_bytes,
        FileMeta(
            data_set_offset=len(meta_bytes),
            transfer_syntax_uid=transfer_syntax_uid,
            sop_class_uid=sop_class_uid,
            sop_instance_uid=sop_instance_uid,
            source_ae_title=sender.calling_ae_title,
        ),
    )
    return incoming


def receive_file(space: StorageSpace, sender: Sender) -> "IncomingInstance":
    """Begin to take a DICOM file (PS3.10), with or without preamble and file meta information.

    Raises `OutOfSpace`, `NotPermitted`, `Misconfigured`.
    """
    return IncomingInstance(space, sender)


class IncomingInstance:
    """One object on its way in. Leaving the context discards what was not stored."""

    def __init__(self, space: StorageSpace, sender: Sender) -> None:
        if not space.accepts_new_objects:
            raise NotPermitted(f"storage space {space.slug} accepts no new objects")
        self._space = space
        self._sender = sender
        self._store = open_space_store(space)
        self._spool_folder = self._store.spool_folder()
        require_room(self._spool_folder)
        self._spool = self._new_spool()
        self._meta: FileMeta | None = None
        self._is_announced = False

    def _new_spool(self) -> Spool:
        limits = settings.LIMITS
        return Spool(
            self._spool_folder,
            memory_bytes_max=limits.spool_memory_bytes_max,
            size_bytes_max=limits.instance_bytes_max,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._spool.close()

    @property
    def file_meta(self) -> FileMeta | None:
        """What the object said of itself so far: also of one that is refused later."""
        return self._meta

    def write(self, buffer: bytes | bytearray | memoryview) -> None:
        """Take the next bytes; they are copied. Raises `LimitExceeded`, `OutOfSpace`."""
        self._spool.write(buffer)
        if self._meta is None:
            self._meta = self._read_meta()

    def write_file_meta(self, encoded: bytes, meta: FileMeta) -> None:
        """Begin with file meta information of our own making, to which the data set must keep."""
        self._spool.write(encoded)
        self._spool.hash_from(len(encoded))
        self._meta = meta
        self._is_announced = True

    def store(
        self, *, study_instance_uid: str = "", borrow_database: BorrowDatabase = own_database
    ) -> StoredInstance:
        """Check the object and make it durable; the receipt is still to be committed.

        With `study_instance_uid`, an object of another study raises `StudyMismatch`.
        A database is borrowed only for an object that rests there already.
        Raises `InvalidInstance` and its kinds, `LimitExceeded`, `OutOfSpace`,
        `ObjectStoreUnavailable`.
        """
        meta = self._complete_meta()
        if not is_valid_uid(meta.transfer_syntax_uid):  # it is told in headers and in queries
            raise UnsupportedTransferSyntax("Transfer Syntax UID is not a UID of PS3.5 9.1")
        described = describe_data_set(
            _DataSet(self._spool, meta.data_set_offset), meta.transfer_syntax_uid
        )
        _check_identifiers(meta, described.attributes, is_announced=self._is_announced)
        _check_study(described.attributes, study_instance_uid)
        data_set_offset = self._ensure_file_meta(meta, described.attributes)
        sha256 = self._spool.sha256(data_set_offset)
        stored = self._put(described.attributes, sha256, borrow_database=borrow_database)
        return StoredInstance(
            receipt_id=new_receipt_id(),
            storage_space_id=self._space.pk,
            sender=self._sender,
            attributes=described.attributes,
            document=described.document,
            transfer_syntax_uid=meta.transfer_syntax_uid,
            data_set_sha256=sha256,
            location=stored.location,
            size_bytes=stored.size_bytes,
            data_set_offset=data_set_offset,
            pixel_data_offset=described.pixel_data_offset,
        )

    def _read_meta(self) -> FileMeta | None:
        meta = read_file_meta(self._spool.read_at(0, FILE_META_BYTES_MAX))
        if meta is not None:
            self._spool.hash_from(meta.data_set_offset)
        elif self._spool.size_bytes >= FILE_META_BYTES_MAX:
            raise ObjectTooComplex(f"file meta information exceeds {FILE_META_BYTES_MAX} bytes")
        return meta

    def _complete_meta(self) -> FileMeta:
        if self._meta is not None:
            return self._meta
        if self._spool.size_bytes < PREAMBLE_AND_PREFIX_BYTES:
            raise NotDicom(f"{self._spool.size_bytes} bytes are no DICOM object")
        raise TruncatedDataSet("the object ends inside its file meta information")

    def _ensure_file_meta(self, meta: FileMeta, attributes: IndexedAttributes) -> int:
        """Make the spool a file of this object. Returns where the data set begins."""
        is_named = meta.sop_instance_uid in ("", attributes.sop_instance_uid)
        if self._spool.read_at(128, 4) == b"DICM" and meta.data_set_offset and is_named:
            return meta.data_set_offset
        bare, encoded = (
            self._spool,
            encode_file_meta(
                sop_class_uid=attributes.sop_class_uid,
                sop_instance_uid=attributes.sop_instance_uid,
                transfer_syntax_uid=meta.transfer_syntax_uid,
                source_ae_title=meta.source_ae_title,
            ),
        )
        with bare:
            self._spool = self._new_spool()
            self._spool.write(encoded)
            self._spool.hash_from(len(encoded))
            for offset in range(meta.data_set_offset, bare.size_bytes, COPY_BYTES):
                self._spool.write(bare.read_at(offset, COPY_BYTES))
        return len(encoded)

    def _put(
        self, attributes: IndexedAttributes, sha256: bytes, *, borrow_database: BorrowDatabase
    ) -> StoredObject:
        key = object_key(
            study_instance_uid=attributes.study_instance_uid,
            series_instance_uid=attributes.series_instance_uid,
            sop_instance_uid=attributes.sop_instance_uid,
            data_set_sha256=sha256,
        )
        stored = self._store.put(key, self._spool)
        while not stored.created and not keep_existing_object(
            self._space,
            self._store,
            attributes.sop_instance_uid,
            stored=stored,
            borrow_database=borrow_database,
        ):
            stored = self._store.put(key, self._spool)
        return stored


class _DataSet:
    """The data set inside a spooled file."""

    def __init__(self, spool: Spool, offset: int) -> None:
        self._spool = spool
        self._offset = offset
        self.size_bytes = spool.size_bytes - offset

    def read_at(self, offset: int, length: int) -> bytes:
        return self._spool.read_at(self._offset + offset, length)


def _check_identifiers(
    meta: FileMeta, attributes: IndexedAttributes, *, is_announced: bool
) -> None:
    """Raise when the envelope names another object than the data set does.

    A file may name another SOP Instance, as many do that were anonymized: its data set counts.
    """
    pairs = [("SOP Class UID", meta.sop_class_uid, attributes.sop_class_uid)]
    if is_announced:
        pairs.append(("SOP Instance UID", meta.sop_instance_uid, attributes.sop_instance_uid))
    for name, outer, inner in pairs:
        if outer not in ("", inner):
            raise IdentifierMismatch(f"{name} of the data set differs from what announced it")


def _check_study(attributes: IndexedAttributes, study_uid: str) -> None:
    if study_uid and attributes.study_instance_uid != study_uid:
        raise StudyMismatch("the instance belongs to another study than the one addressed")
