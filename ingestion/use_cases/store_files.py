"""Files of a folder come in, in batches: stored, committed and registered, each told of.

Running it again is how an interrupted import goes on: a file whose data set the manifest has
already, by SOP Instance UID and hash, is read but not stored again.
"""

import enum
import hashlib
import uuid
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from django.db import connection

from ingestion.dicom.part10 import FILE_META_BYTES_MAX, FileMeta, read_file_meta
from ingestion.errors import (
    IngestionError,
    InvalidInstance,
    LimitExceeded,
    MalformedDataSet,
    NotDicom,
)
from ingestion.models import Instance, Outcome, SenderKind, StorageSpace
from ingestion.use_cases.commit_receipts import commit_receipts
from ingestion.use_cases.register_receipts import register_receipts
from ingestion.use_cases.store_instance import Sender, StoredInstance, receive_file

BATCH_FILES_MAX = 100
BATCH_BYTES_MAX = 256 << 20
CHUNK_BYTES = 1 << 20
HEAD_BYTES = 64 << 10  # file meta information is rarely longer than 1 KiB
MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"  # PS3.10 8.6: DICOMDIR


class FileResult(enum.StrEnum):
    """What became of a file."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    SKIPPED = "skipped"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class FileReport:
    """What became of one file, and why: a reason to count by, and its particulars."""

    path: Path
    size_bytes: int
    result: FileResult
    reason: str = ""
    detail: str = ""


# Receipts that were taken into custody: what that means for the file.
RESULTS: dict[Outcome, tuple[FileResult, str]] = {
    Outcome.REGISTERED: (FileResult.STORED, ""),
    Outcome.MODIFIED: (FileResult.STORED, "replaced another version"),
    Outcome.PENDING: (FileResult.STORED, "registration is pending"),
    Outcome.DUPLICATE: (FileResult.DUPLICATE, ""),
    Outcome.KEPT_FIRST: (FileResult.REFUSED, "other bytes, the first were kept"),
    Outcome.QUARANTINED: (FileResult.REFUSED, "quarantined, see its receipt"),
    Outcome.FAILED: (FileResult.REFUSED, "registration failed, see its receipt"),
}


def store_files(space: StorageSpace, paths: Iterable[Path], *, jobs: int) -> Iterator[FileReport]:
    """Store these files and tell of each once it is settled; `jobs` are stored at a time.

    Reports come after their batch is committed. Files that are no DICOM are skipped, broken ones
    refused. Raises `Unavailable` and kinds, `Misconfigured`, `NotPermitted`: nothing more can be
    stored now, and what was reported stays.
    """
    sender = Sender(
        kind=SenderKind.FOLDER, conversation_id=uuid.uuid4().hex, principal="store_folder"
    )
    with ThreadPoolExecutor(jobs, thread_name_prefix="store-files") as pool:
        for batch in _batches(paths):
            reports, candidates = _look_at(space, batch)
            attempts = list(
                pool.map(lambda candidate: _attempt(space, sender, candidate), candidates)
            )
            yield from reports
            yield from _settle(attempts)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A file to be stored; `known_sha256` is what the manifest has under its UID."""

    path: Path
    size_bytes: int
    meta: FileMeta | None
    known_sha256: bytes | None = None


@dataclass(frozen=True, slots=True)
class _Attempt:
    """How storing a file ended: exactly one of the three."""

    candidate: _Candidate
    stored: StoredInstance | None = None
    report: FileReport | None = None
    error: IngestionError | None = None


def _batches(paths: Iterable[Path]) -> Iterator[list[tuple[Path, int]]]:
    batch: list[tuple[Path, int]] = []
    for path in paths:
        batch.append((path, _size_bytes(path)))
        if len(batch) == BATCH_FILES_MAX or sum(size for _, size in batch) >= BATCH_BYTES_MAX:
            yield batch
            batch = []
    if batch:
        yield batch


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # opening it will say why
        return 0


def _look_at(
    space: StorageSpace, batch: Sequence[tuple[Path, int]]
) -> tuple[list[FileReport], list[_Candidate]]:
    """Reports of files that need no storing, and the others with what is known of them."""
    reports, candidates = [], []
    for path, size_bytes in batch:
        try:
            meta = _read_meta(path)
        except (OSError, InvalidInstance, LimitExceeded) as error:
            reports.append(_refusal(path, size_bytes, error))
            continue
        if meta is not None and meta.sop_class_uid == MEDIA_STORAGE_DIRECTORY:
            reports.append(FileReport(path, size_bytes, FileResult.SKIPPED, "DICOMDIR"))
        else:
            candidates.append(_Candidate(path, size_bytes, meta))
    return reports, _with_known_hashes(space, candidates)


def _read_meta(path: Path) -> FileMeta | None:
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
        return read_file_meta(head) or read_file_meta(head + stream.read(FILE_META_BYTES_MAX))


def _with_known_hashes(space: StorageSpace, candidates: Sequence[_Candidate]) -> list[_Candidate]:
    uids = [c.meta.sop_instance_uid for c in candidates if c.meta and c.meta.sop_instance_uid]
    known = dict(
        Instance.objects.filter(
            storage_space=space, sop_instance_uid__in=uids, deleted_at=None
        ).values_list("sop_instance_uid", "data_set_sha256")
    )
    return [
        _Candidate(c.path, c.size_bytes, c.meta, bytes(known[c.meta.sop_instance_uid]))
        if c.meta and c.meta.sop_instance_uid in known
        else c
        for c in candidates
    ]


def _attempt(space: StorageSpace, sender: Sender, candidate: _Candidate) -> _Attempt:
    """Store one file, unless the manifest has the same data set; runs in a thread."""
    path = candidate.path
    try:
        if candidate.known_sha256 and _sha256(candidate) == candidate.known_sha256:
            report = FileReport(path, candidate.size_bytes, FileResult.DUPLICATE)
            return _Attempt(candidate, report=report)
        with receive_file(space, sender) as incoming, path.open("rb") as stream:
            while chunk := stream.read(CHUNK_BYTES):
                incoming.write(chunk)
            return _Attempt(candidate, stored=incoming.store())
    except (OSError, InvalidInstance, LimitExceeded) as error:
        return _Attempt(candidate, report=_refusal(path, candidate.size_bytes, error))
    except IngestionError as error:
        return _Attempt(candidate, error=error)
    finally:
        connection.close()  # this thread's own


def _sha256(candidate: _Candidate) -> bytes:
    assert candidate.meta is not None
    with candidate.path.open("rb") as stream:
        stream.seek(candidate.meta.data_set_offset)
        return hashlib.file_digest(stream, "sha256").digest()


def _settle(attempts: Sequence[_Attempt]) -> Iterator[FileReport]:
    """Commit and register what was stored; then raise what stopped the others, if anything."""
    attempts = _commit(attempts)
    stored = {a.stored.receipt_id: a.candidate for a in attempts if a.stored}
    outcomes = register_receipts(list(stored))
    for receipt_id, candidate in stored.items():
        result, reason = RESULTS[outcomes.get(receipt_id, Outcome.PENDING)]
        yield FileReport(candidate.path, candidate.size_bytes, result, reason)
    yield from (attempt.report for attempt in attempts if attempt.report)
    for attempt in attempts:
        if attempt.error:
            raise attempt.error


def _commit(attempts: Sequence[_Attempt]) -> Sequence[_Attempt]:
    """Commit receipts together; if one of several cannot be recorded, each by itself."""
    try:
        commit_receipts([attempt.stored for attempt in attempts if attempt.stored])
    except MalformedDataSet as error:
        if len(attempts) > 1:
            return [committed for attempt in attempts for committed in _commit([attempt])]
        candidate = attempts[0].candidate
        report = _refusal(candidate.path, candidate.size_bytes, error)
        return [_Attempt(candidate, report=report)]
    return attempts


def _refusal(path: Path, size_bytes: int, error: OSError | IngestionError) -> FileReport:
    """Broken DICOM is refused; what never claimed to be DICOM is skipped."""
    if isinstance(error, OSError):
        return FileReport(path, size_bytes, FileResult.REFUSED, "unreadable", error.strerror or "")
    if isinstance(error, NotDicom) or not _claims_to_be_dicom(path):
        return FileReport(path, size_bytes, FileResult.SKIPPED, "not DICOM")
    return FileReport(path, size_bytes, FileResult.REFUSED, error.code, str(error))


def _claims_to_be_dicom(path: Path) -> bool:
    """Whether the prefix of PS3.10 7.1 is there."""
    with path.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"
