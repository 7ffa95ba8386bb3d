"""Puts instances into a ZIP file with a DICOMDIR, as it is sent: no file is held as a whole.

Source: PS3.12 Annex V (ZIP file media), PS3.10 8 (file-set, DICOMDIR), PS3.18 8.6.1.3.
"""

import uuid
import zipfile
from collections.abc import Iterator, Sequence

import orjson

from ingestion.dicom.dicomdir import DicomDir
from ingestion.use_cases.retrieve_instances import Addressed, held_documents, held_instances
from ingestion.use_cases.transcode_instances import Targets, files_of

_DICOMDIR = "DICOMDIR"
_ZIP64_BYTES = 1 << 31


def archive_instances(found: Sequence[Addressed], targets: Targets) -> Iterator[bytes]:
    """The ZIP file in pieces; the same instances make the same bytes.

    Raises `ObjectMissing`, `ObjectTooComplex`.
    """
    sink = _Sink()
    directory = DicomDir()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=0) as archive:
        for name, size_bytes, chunks in _files(found, targets, directory):
            yield from _entry(archive, sink, name, size_bytes=size_bytes, chunks=chunks)
        content = directory.encode(_file_set_uid(found))
        yield from _entry(
            archive, sink, _DICOMDIR, size_bytes=len(content), chunks=iter((content,))
        )
    yield sink.taken()


class _Sink:
    """What was written and not yet sent. It cannot seek, so that sizes follow the files."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, piece: bytes, /) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is open."""

    def taken(self) -> bytes:
        content = b"".join(self._pieces)
        self._pieces.clear()
        return content


def _files(
    found: Sequence[Addressed], targets: Targets, directory: DicomDir
) -> Iterator[tuple[str, int, Iterator[bytes]]]:
    """Name, size and bytes of each file, as the directory knows it from then on."""
    places = {item.instance_id: place for place, item in enumerate(found)}
    documents = held_documents(found)
    held = next(documents, None)
    for file in files_of(held_instances(found), targets):
        place = places[file.instance.instance_id]
        while held is not None and places[held.instance_id] < place:
            held = next(documents, None)
        if held is not None and places[held.instance_id] == place:
            file_id = directory.add(orjson.loads(held.document), file.transfer_syntax_uid)
            yield "/".join(file_id), file.size_bytes, file.read()


def _entry(
    archive: zipfile.ZipFile, sink: _Sink, name: str, *, size_bytes: int, chunks: Iterator[bytes]
) -> Iterator[bytes]:
    """One file, in blocks that are not compressed, which readers that cannot seek understand."""
    with archive.open(name, "w", force_zip64=size_bytes >= _ZIP64_BYTES) as target:
        for chunk in chunks:
            target.write(chunk)
            yield sink.taken()


def _file_set_uid(found: Sequence[Addressed]) -> str:
    """A UID that these instances always have together (PS3.5 B.2)."""
    names = "".join(item.document_id.hex for item in found)
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, names).int}"
