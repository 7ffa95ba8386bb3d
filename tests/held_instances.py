"""Instances that a space holds, and a store that counts what is read of it."""

from collections.abc import Iterator
from pathlib import Path

from ingestion.models import Instance, SenderKind, StorageSpace
from ingestion.object_stores.protocol import CHUNK_BYTES, ListedObject, ObjectStore, StoredObject
from ingestion.object_stores.spool import Spool
from ingestion.use_cases.commit_receipts import commit_receipts
from ingestion.use_cases.register_receipts import register_receipts
from ingestion.use_cases.retrieve_instances import Addressed, HeldInstance, only_instance
from ingestion.use_cases.store_instance import Sender, receive_file

SENDER = Sender(kind=SenderKind.FOLDER, conversation_id="1")


def hold(space: StorageSpace, content: bytes) -> HeldInstance:
    """Store and register a DICOM file."""
    with receive_file(space, SENDER) as incoming:
        incoming.write(content)
        stored = incoming.store()
    commit_receipts([stored])
    register_receipts([stored.receipt_id])
    row = Instance.objects.get(receipt_id=stored.receipt_id)
    return only_instance([Addressed(row.pk, row.transfer_syntax_uid, row.document_id)])


class CountingStore:
    """An object store that counts the bytes it gave."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self.given_bytes = 0

    def spool_folder(self) -> Path:
        return self._store.spool_folder()

    def put(self, key: str, spool: Spool) -> StoredObject:
        return self._store.put(key, spool)

    def read(self, location: str, offset: int, length: int) -> bytes:
        return b"".join(self.iterate(location, offset=offset, length=length))

    def iterate(
        self,
        location: str,
        *,
        offset: int = 0,
        length: int | None = None,
        chunk_bytes: int = CHUNK_BYTES,
    ) -> Iterator[bytes]:
        chunks = self._store.iterate(
            location, offset=offset, length=length, chunk_bytes=chunk_bytes
        )
        return self._counted(chunks)

    def _counted(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.given_bytes += len(chunk)
            yield chunk

    def open_path(self, location: str) -> Path | None:
        return self._store.open_path(location)

    def size(self, location: str) -> int:
        return self._store.size(location)

    def delete(self, location: str) -> None:
        self._store.delete(location)

    def list(self, prefix: str = "") -> Iterator[ListedObject]:
        return self._store.list(prefix)

    def check(self) -> None:
        self._store.check()
