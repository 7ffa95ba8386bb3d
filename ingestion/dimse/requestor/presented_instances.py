"""Finds the form of an instance that a peer takes: as stored, or losslessly transcoded.

Source: PS3.4 C.4.2.3.1 (the SCP may choose the encoding), B.2.2; PS3.5 10 (transfer syntaxes).
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from ingestion.dicom.part10 import read_file_meta
from ingestion.dicom.pixels.transcoding import TARGETS
from ingestion.dimse.database_use import database_turn
from ingestion.dimse.protocol.outgoing_data_sets import OutgoingInstance
from ingestion.errors import NotAcceptable
from ingestion.use_cases.retrieve_instances import HeldInstance
from ingestion.use_cases.transcode_instances import (
    TranscodedFile,
    file_of,
    select_transfer_syntaxes,
)

_META_BYTES_MAX = 4096  # of a file that we made ourselves


@dataclass(frozen=True, slots=True)
class TranscodedInstance:
    """An instance made in another transfer syntax; gone with its last reader."""

    sop_class_uid: str
    sop_instance_uid: str
    data_set_offset: int
    file: TranscodedFile

    @property
    def transfer_syntax_uid(self) -> str:
        """What it was made in."""
        return self.file.transfer_syntax_uid

    @property
    def size_bytes(self) -> int:
        """The size of the file."""
        return self.file.size_bytes

    def path(self) -> Path | None:
        """None: a temporary file is no one else's."""
        return None

    def read(self, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The file, or a range of it, in chunks."""
        return self.file.read(offset, length)


def instance_in(instance: HeldInstance, accepted: Collection[str]) -> OutgoingInstance:
    """The instance in one of the accepted transfer syntaxes: as stored if that is one of them.

    Otherwise in the one that costs the least to make, with the same pixels. Raises
    `NotAcceptable` when none can be made, `UnreadablePixelData`, `ObjectMissing`, and what
    reading a header raises.
    """
    if instance.transfer_syntax_uid in accepted:
        return instance
    wanted = [uid for uid in TARGETS if uid in accepted]
    try:
        with database_turn():
            targets = select_transfer_syntaxes([instance], wanted)
    except NotAcceptable as error:
        raise NotAcceptable("it cannot be made in a transfer syntax that was accepted") from error
    file = file_of(instance, targets)
    if not isinstance(file, TranscodedFile):
        raise NotAcceptable("the instance was deleted before it could be transcoded")
    meta = read_file_meta(b"".join(file.read(0, _META_BYTES_MAX)))
    assert meta is not None, "a file that we made begins with all of its file meta information"
    return TranscodedInstance(
        instance.sop_class_uid, instance.sop_instance_uid, meta.data_set_offset, file
    )
