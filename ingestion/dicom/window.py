"""A moving view of a data set's bytes: read once, forwards, and only where they are needed."""

from ingestion.dicom.inflating import DataSetReader
from ingestion.errors import ObjectTooComplex, TruncatedDataSet

_FIRST_READ_BYTES = 1 << 16
_READ_BYTES = 1 << 14


class Window:
    """The bytes from `base` on that are in memory, and the position among them.

    `data` and `position` are open to the scanner's inner loop.
    """

    __slots__ = (
        "_passed_bytes",
        "_passed_bytes_max",
        "_reader",
        "base",
        "data",
        "position",
        "size",
    )

    def __init__(self, reader: DataSetReader, passed_bytes_max: int) -> None:
        """Read the beginning of the data set.

        ObjectTooComplex is raised when more than `passed_bytes_max` are read and not skipped.
        """
        self._reader = reader
        self._passed_bytes = 0
        self._passed_bytes_max = passed_bytes_max
        self.size = reader.size_bytes
        self.base = 0
        self.position = 0
        self.data = reader.read_at(0, min(_FIRST_READ_BYTES, self.size))

    @property
    def offset(self) -> int:
        """Where the position is in the data set."""
        return self.base + self.position

    def peek(self, length: int) -> bytes:
        """Return the next `length` bytes, fewer only at the end, and stay."""
        if len(self.data) - self.position < length:
            self._extend(length)
        return self.data[self.position : self.position + length]

    def take(self, length: int) -> bytes:
        """Return the next `length` bytes and move behind them. Raises TruncatedDataSet."""
        if length > self._passed_bytes_max:
            raise self._limit_exceeded()
        value = self.peek(length)
        if len(value) < length:
            raise TruncatedDataSet("the object ends inside a value")
        self.position += length
        return value

    def skip_to(self, offset: int) -> None:
        """Move to `offset`, not before the position, without reading what lies between."""
        if offset <= self.base + len(self.data):
            self.position = offset - self.base
            return
        self._pass(self.position)
        self.base, self.position, self.data = offset, 0, b""

    def _extend(self, length: int) -> None:
        kept = self.data[self.position :]
        self._pass(self.position)
        self.base, self.position = self.base + self.position, 0
        offset = self.base + len(kept)
        wanted = min(max(length - len(kept), _READ_BYTES), self.size - offset)
        self.data = kept + self._reader.read_at(offset, wanted) if wanted > 0 else kept

    def _pass(self, length: int) -> None:
        self._passed_bytes += length
        if self._passed_bytes > self._passed_bytes_max:
            raise self._limit_exceeded()

    def _limit_exceeded(self) -> ObjectTooComplex:
        return ObjectTooComplex(f"the header exceeds {self._passed_bytes_max} bytes")
