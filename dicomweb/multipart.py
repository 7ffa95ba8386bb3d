"""Reads multipart bodies as they arrive; no part is ever held as a whole.

Source: RFC 2046 5.1, RFC 2387, PS3.18 8.6.1.2. Departs from RFC 2046 to take what clients send:
lines may end in LF alone, a preamble is skipped, the closing delimiter may be missing when the
body itself is complete.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from ingestion.errors import InvalidMultipart, LimitExceeded

READ_BYTES = 256 * 1024
BOUNDARY_CHARACTERS_MAX = 70  # RFC 2046 5.1.1
PREAMBLE_BYTES_MAX = 64 * 1024
PART_HEADER_BYTES_MAX = 16 * 1024


class Readable(Protocol):
    """Where a body comes from. It raises when the body is cut off."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(slots=True)
class Part:
    """One part: header names are lower case. Read `chunks` before asking for the next part."""

    headers: dict[str, str]
    chunks: Iterator[memoryview] = field(repr=False)


class MultipartReader:
    """Iterates over the parts of a body, and reads the body to its end."""

    def __init__(self, body: Readable, boundary: str, *, parts_max: int) -> None:
        """Raises `InvalidMultipart` for a boundary that breaks RFC 2046."""
        if not 1 <= len(boundary) <= BOUNDARY_CHARACTERS_MAX or not (
            boundary.isascii() and boundary.isprintable()
        ):
            raise InvalidMultipart(
                f"a boundary has 1 to {BOUNDARY_CHARACTERS_MAX} printable ASCII characters"
            )
        self._body = body
        self._parts_max = parts_max
        self._delimiter = b"\n--" + boundary.encode()
        self._buffer = b"\n"  # so that a delimiter at the very start is one too
        self._at = 0  # where in the buffer we stand
        self._is_at_end = False
        self._is_closed = False

    def __iter__(self) -> Iterator[Part]:
        """Raises `InvalidMultipart` and `LimitExceeded`; parts given before stay good."""
        self._skip_preamble()
        count = 0
        while self._enter_part():
            count += 1
            if count > self._parts_max:
                raise LimitExceeded(f"the request has more than parts_max = {self._parts_max}")
            headers, line_end_bytes = self._read_headers(count)
            part = Part(headers, self._read_chunks(line_end_bytes))
            yield part
            for _ in part.chunks:
                pass
        while self._body.read(READ_BYTES):  # the epilogue
            pass

    def _fill(self) -> bool:
        """Append what arrives next to the buffer; False at the end of the body."""
        if not self._is_at_end:
            received = self._body.read(READ_BYTES)
            self._buffer = self._buffer[self._at :] + received
            self._at = 0
            self._is_at_end = not received
        return not self._is_at_end

    def _skip_preamble(self) -> None:
        while (found := self._bytes_before_delimiter()) < 0:
            if len(self._buffer) > PREAMBLE_BYTES_MAX or not self._fill():
                raise InvalidMultipart("the boundary of Content-Type does not occur in the body")
        self._at += found + len(self._delimiter)

    def _bytes_before_delimiter(self) -> int:
        """How many bytes precede the next delimiter; -1 when none has arrived yet."""
        start = 0
        while (found := self._buffer.find(self._delimiter, self._at + start) - self._at) >= 0:
            end = found + len(self._delimiter)
            while len(self._buffer) - self._at < end + 2 and self._fill():
                pass
            following = self._buffer[self._at + end : self._at + end + 2]
            if following == b"--" or following[:1] in (b"", b"\r", b"\n", b" ", b"\t"):
                return found
            start = found + 1  # the boundary is only the beginning of a longer line
        return -1

    def _enter_part(self) -> bool:
        """Pass the rest of a delimiter's line; False after the last delimiter."""
        if self._is_closed or self._buffer[self._at : self._at + 2] == b"--":
            return False
        line = self._read_line(PART_HEADER_BYTES_MAX)
        if line is None or (self._at == len(self._buffer) and not self._fill()):
            return False
        if line.strip(b" \t\r"):
            raise InvalidMultipart("a delimiter is followed by other text on its line")
        if line.endswith(b"\r") and self._delimiter.startswith(b"\n"):
            self._delimiter = b"\r" + self._delimiter  # this client ends lines as it should
        return True

    def _read_line(self, limit: int) -> bytes | None:
        """The next line without its LF; None when the body ends before one."""
        while (end := self._buffer.find(b"\n", self._at, self._at + limit + 1)) < 0:
            if len(self._buffer) - self._at > limit:
                raise LimitExceeded(
                    f"the header of a part has more than {PART_HEADER_BYTES_MAX} bytes"
                )
            if not self._fill():
                return None
        line = self._buffer[self._at : end]
        self._at = end + 1
        return line

    def _read_headers(self, part_number: int) -> tuple[dict[str, str], int]:
        """The header, and how many bytes end its empty last line.

        The reader then stands before that line end: a delimiter may begin with it, which
        makes a part without content.
        """
        headers: dict[str, str] = {}
        name = ""
        left = PART_HEADER_BYTES_MAX
        while (line := self._read_line(left)) is not None:
            left -= len(line) + 1
            text = line.rstrip(b"\r").decode("latin-1")
            if not text:
                self._at -= len(line) + 1
                return headers, len(line) + 1
            if text[0] in " \t" and name:
                headers[name] += " " + text.strip()
                continue
            name, colon, value = text.partition(":")
            name = name.strip().lower()
            if not colon or not name:
                raise InvalidMultipart(f"part {part_number} has a header line without a name")
            headers[name] = value.strip()
        raise InvalidMultipart(f"the body ends inside the header of part {part_number}")

    def _read_chunks(self, skipped: int) -> Iterator[memoryview]:
        """The bytes of the part the reader stands in, but for the `skipped` first ones."""
        while True:
            found = self._bytes_before_delimiter()
            if found >= 0:
                end = self._at + found
            elif self._is_at_end:
                end = len(self._buffer)
            else:
                end = max(len(self._buffer) - len(self._delimiter) + 1, self._at)
            if end > self._at + skipped:
                yield memoryview(self._buffer)[self._at + skipped : end]
            skipped = max(self._at + skipped - end, 0)
            self._at = end
            if found >= 0:
                self._at += len(self._delimiter)
                return
            if self._is_at_end:
                self._is_closed = True
                return
            self._fill()
