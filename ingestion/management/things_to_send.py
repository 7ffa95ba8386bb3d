"""What a sending command sends: files on disk, or studies of a storage space.

Looked through once before anything is sent, since an association must be told what will come;
only what it is made of is kept, so that a folder may be of any size.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic

from ingestion.dicom.attributes import Level
from ingestion.dicom.retrieve_keys import RetrieveKeys
from ingestion.dimse.requestor.files_on_disk import FileOnDisk, file_on_disk
from ingestion.dimse.requestor.sub_associations import Instance
from ingestion.errors import IngestionError
from ingestion.management.commands.store_folder import files_below
from ingestion.models import StorageSpace
from ingestion.use_cases.retrieve_instances import HeldInstance, held_in
from ingestion.use_cases.select_instances import Kind, Selection, batches_of, select_instances


@dataclass(frozen=True, slots=True)
class ThingsToSend(Generic[Instance]):
    """Instances, how many they are, of which kinds, and why other files are left out."""

    instances: Iterable[Instance]
    total: int
    kinds: frozenset[Kind]
    skipped: Counter[str] = field(default_factory=Counter)


def files_to_send(paths: Sequence[Path]) -> ThingsToSend[FileOnDisk]:
    """The DICOM files of these folders and files, in a stable order."""
    kinds: set[Kind] = set()
    total = 0
    skipped: Counter[str] = Counter()
    for path in _files(paths):
        try:
            file = file_on_disk(path)
        except IngestionError as error:
            skipped[str(error)] += 1
        else:
            kinds.add(Kind(file.sop_class_uid, file.transfer_syntax_uid))
            total += 1
    return ThingsToSend(_readable(paths), total, frozenset(kinds), skipped)


def studies_to_send(
    space: StorageSpace, study_instance_uids: Sequence[str], series_instance_uids: Sequence[str]
) -> ThingsToSend[HeldInstance]:
    """What a space holds of these studies, of these series only if there are any."""
    values = {Level.STUDY: tuple(study_instance_uids)}
    if series_instance_uids:
        values[Level.SERIES] = tuple(series_instance_uids)
    level = Level.SERIES if series_instance_uids else Level.STUDY
    selection = select_instances(RetrieveKeys(level, values), space)
    return ThingsToSend(_held(space, selection), len(selection), selection.kinds)


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        yield from files_below(path)


def _readable(paths: Sequence[Path]) -> Iterator[FileOnDisk]:
    """As they were found before; whatever cannot be read any more is left out again."""
    for path in _files(paths):
        try:
            yield file_on_disk(path)
        except IngestionError:
            continue


def _held(space: StorageSpace, selection: Selection) -> Iterator[HeldInstance]:
    for instance_ids in batches_of(selection):
        yield from held_in(space, instance_ids)
