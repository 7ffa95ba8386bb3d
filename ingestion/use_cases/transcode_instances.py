"""Gives instances in transfer syntaxes that a client accepts: as stored where that is one of them.

Source: PS3.18 8.7.3.4 (default), 8.7.3.5.2, 8.7.8.2 (selected transfer syntax).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import orjson
import structlog
from django.conf import settings

from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.pixels.file_transcoding import transcode_file
from ingestion.dicom.pixels.transcoding import (
    ANY_SYNTAX,
    DEFAULT_SYNTAX,
    TARGETS,
    can_transcode_instance,
    goes_as_stored,
)
from ingestion.dicom.scanning import HeaderLimits
from ingestion.dicom.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from ingestion.errors import (
    InvalidInstance,
    LimitExceeded,
    NotAcceptable,
    ObjectMissing,
    UnreadablePixelData,
)
from ingestion.object_stores.protocol import CHUNK_BYTES
from ingestion.object_stores.spool import Spool
from ingestion.use_cases.describe_data_set import within_limits
from ingestion.use_cases.retrieve_instances import HeldInstance, Identified, held_documents

log = structlog.get_logger(__name__)

# In which transfer syntax an instance goes out, by its id; those that are not here as stored.
Targets = Mapping[int, str]

_OPEN = (ANY_SYNTAX, DEFAULT_SYNTAX)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """The DICOM file of an instance as it rests."""

    instance: HeldInstance

    @property
    def transfer_syntax_uid(self) -> str:
        """As received."""
        return self.instance.transfer_syntax_uid

    @property
    def size_bytes(self) -> int:
        """The size of the file."""
        return self.instance.size_bytes

    def read(self, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The file, or a range of it, in chunks. Raises `ObjectMissing` at once."""
        return self.instance.read(offset, length)

    def path(self) -> Path | None:
        """A local file with the same bytes, if there is one. Raises `ObjectMissing`."""
        return self.instance.path()


@dataclass(frozen=True, slots=True)
class TranscodedFile:
    """The DICOM file of an instance, made in another transfer syntax; gone with the last reader."""

    instance: HeldInstance
    transfer_syntax_uid: str
    spool: Spool

    @property
    def size_bytes(self) -> int:
        """The size of the file."""
        return self.spool.size_bytes

    def read(self, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The file, or a range of it, in chunks."""
        end = self.size_bytes if length is None else min(offset + length, self.size_bytes)
        for start in range(offset, end, CHUNK_BYTES):
            yield self.spool.read_at(start, min(CHUNK_BYTES, end - start))

    def path(self) -> Path | None:
        """None: a temporary file is no one else's."""
        return None


InstanceFile = StoredFile | TranscodedFile


def select_transfer_syntaxes(found: Sequence[Identified], accepted: Sequence[str]) -> Targets:
    """What must be transcoded, and into what: for each the first of `accepted` that can be made.

    `accepted` are UIDs, `ANY_SYNTAX` or `DEFAULT_SYNTAX`; with one of the latter two, what cannot
    be made goes as stored. Raises `NotAcceptable`, which names what could be made, when an
    instance cannot be had in any of them.
    """
    others = [item for item in found if not goes_as_stored(item.transfer_syntax_uid, accepted)]
    syntaxes = {item.instance_id: item.transfer_syntax_uid for item in others}
    wanted = [EXPLICIT_VR_LITTLE_ENDIAN if uid in _OPEN else uid for uid in accepted]
    targets: dict[int, str] = {}
    possible = set(TARGETS)
    for held in held_documents(others):
        header: JsonDataSet = orjson.loads(held.document)
        stored = syntaxes[held.instance_id]
        can = [uid for uid in (*wanted, *TARGETS) if can_transcode_instance(header, stored, uid)]
        possible.intersection_update(can)
        otherwise = stored if accepts_as_stored(accepted) else ""
        targets[held.instance_id] = next((uid for uid in can if uid in wanted), otherwise)
    if not all(targets.values()):
        raise NotAcceptable(_what_could_be(possible, set(syntaxes.values())))
    return targets


def accepts_as_stored(accepted: Sequence[str]) -> bool:
    """Whether a client takes what is stored where nothing else can be made of it."""
    return any(uid in _OPEN for uid in accepted)


def files_of(instances: Iterable[HeldInstance], targets: Targets) -> Iterator[InstanceFile]:
    """The file of each, made when its turn comes.

    One whose pixel data turns out to be broken comes as it is stored, and says so by its transfer
    syntax: it shall not take its neighbours with it, nor be missing.
    """
    for instance in instances:
        try:
            yield file_of(instance, targets)
        except (UnreadablePixelData, InvalidInstance, LimitExceeded) as error:
            log.warning(
                "an instance is sent as stored, as it cannot be transcoded",
                sop_instance_uid=instance.sop_instance_uid,
                code=error.code,
                reason=str(error),
            )
            yield StoredFile(instance)


def file_of(instance: HeldInstance, targets: Targets) -> InstanceFile:
    """The file of an instance.

    Raises `UnreadablePixelData`, `ObjectMissing`, and what reading a header raises.
    """
    target = targets.get(instance.instance_id, instance.transfer_syntax_uid)
    if target == instance.transfer_syntax_uid:
        return StoredFile(instance)
    path = instance.path()
    if path is not None:
        return TranscodedFile(instance, target, _transcoded(instance, path, target))
    with _empty_spool(instance) as copy:
        for chunk in instance.read():
            copy.write(chunk)
        return TranscodedFile(instance, target, _transcoded(instance, copy.content(), target))


def _transcoded(instance: HeldInstance, source: Path | memoryview, target: str) -> Spool:
    def transcode(limits: HeaderLimits) -> Spool:
        spool = _empty_spool(instance)
        opened = source if isinstance(source, Path) else BytesIO(source)
        transcode_file(opened, target, spool, limits)
        return spool

    try:
        return within_limits(transcode)
    except FileNotFoundError as error:
        raise ObjectMissing("the object was removed while it was read") from error


def _empty_spool(instance: HeldInstance) -> Spool:
    limits = settings.LIMITS
    return Spool(
        instance.store.spool_folder(),
        memory_bytes_max=limits.spool_memory_bytes_max,
        size_bytes_max=limits.instance_bytes_max,
    )


def _what_could_be(possible: set[str], stored: set[str]) -> str:
    names = sorted(possible | stored if len(stored) == 1 else possible)
    return (
        "these instances cannot be made in a transfer syntax that Accept names; "
        f"all of them can be had in: {', '.join(names) or 'none but as stored (*)'}"
    )
