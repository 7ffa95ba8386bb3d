"""Opens the data set of a held instance, to be read in pieces, and its header.

Nothing is held as a whole. Source: PS3.10 7, PS3.5 A.5 (deflated data sets), PS3.18 F.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

import orjson
import zstandard
from django.conf import settings

from ingestion.dicom.inflating import DataSetReader, InflatingReader
from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.pixels.frame_locations import Span
from ingestion.dicom.transfer_syntaxes import transfer_syntax
from ingestion.errors import NotFound
from ingestion.models import Instance
from ingestion.object_stores.protocol import CHUNK_BYTES
from ingestion.use_cases.retrieve_instances import HeldInstance


@dataclass(frozen=True, slots=True)
class StoredDataSet:
    """The data set as it rests: every read is a range of the object."""

    instance: HeldInstance

    @property
    def size_bytes(self) -> int:
        """The size of the data set."""
        return self.instance.size_bytes - self.instance.data_set_offset

    def read_at(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset`; fewer only at the end."""
        return b"".join(self.iterate(offset, length))

    def iterate(self, offset: int, length: int) -> Iterator[bytes]:
        """The same bytes in chunks. Raises `ObjectMissing` at once."""
        return self.instance.read(self.instance.data_set_offset + offset, length)


@dataclass(frozen=True, slots=True)
class InflatedDataSet:
    """A deflated data set as if it were not."""

    reader: InflatingReader

    @property
    def size_bytes(self) -> int:
        """The size once inflated."""
        return self.reader.size_bytes

    def read_at(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset`; fewer only at the end."""
        return b"".join(self.iterate(offset, length))

    def iterate(self, offset: int, length: int) -> Iterator[bytes]:
        """The same bytes in chunks."""
        end = min(offset + length, self.size_bytes)
        for start in range(offset, end, CHUNK_BYTES):
            yield self.reader.read_at(start, min(CHUNK_BYTES, end - start))


HeldDataSet = StoredDataSet | InflatedDataSet


def open_data_set(instance: HeldInstance) -> HeldDataSet:
    """The (inflated) data set of an instance; offsets in it are those that were recorded.

    Not for several threads. Raises `ObjectMissing`, `ObjectTooComplex`.
    """
    stored = StoredDataSet(instance)
    if not transfer_syntax(instance.transfer_syntax_uid).is_deflated:
        return stored
    reader: DataSetReader = stored
    return InflatedDataSet(InflatingReader(reader, settings.LIMITS.inflated_bytes_max))


def iterate_spans(data_set: HeldDataSet, spans: Iterable[Span]) -> Iterator[bytes]:
    """The bytes of the spans in chunks. Raises `ObjectMissing` at once."""
    remaining = iter(spans)
    pieces = [data_set.iterate(*span) for span in islice(remaining, 1)]
    return chain(*pieces, chain.from_iterable(data_set.iterate(*span) for span in remaining))


def header_of(instance: HeldInstance) -> JsonDataSet:
    """The DICOM JSON of these very bytes. Raises `NotFound` when they were replaced or deleted."""
    body = (
        Instance.objects.filter(
            pk=instance.instance_id, location=instance.location, deleted_at__isnull=True
        )
        .values_list("document__body", flat=True)
        .first()
    )
    if body is None:
        raise NotFound("there is no such resource any more")
    header: JsonDataSet = orjson.loads(zstandard.ZstdDecompressor().decompress(body))
    return header
