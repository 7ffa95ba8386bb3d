"""Bodies of answers: one payload alone, with validators and ranges, or many as multipart/related.

Source: PS3.18 8.6.1; RFC 9110 13 (conditional requests), 14 (range requests); RFC 2046 5.1.
"""

import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase
from django.http import StreamingHttpResponse as Streaming
from django.utils.cache import get_conditional_response

from dicomweb.problems import problem
from ingestion.errors import NotFound, UnreadablePixelData

SEND_BYTES = 256 * 1024  # small pieces leave together, about so many bytes at once

LEFT_OUT = "what cannot be read is left out"

_RANGE = re.compile(r"bytes\s*=\s*([0-9]{0,18})-([0-9]{0,18})\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart body. `read` opens what it needs when the part's turn comes."""

    content_type: str
    content_location: str
    read: Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Payload:
    """A body of known size that can be read from any offset: `read(offset, length)`.

    `etag` is quoted (RFC 9110 8.8.3). `path` is a local file with exactly these bytes, if any.
    """

    content_type: str
    content_location: str
    size_bytes: int
    etag: str
    read: Callable[[int, int], Iterator[bytes]]
    path: Path | None = None


def single(request: HttpRequest, payload: Payload) -> HttpResponseBase:
    """The payload: 200, 206 for one range, 304 or 412 when it is unchanged, 416 beyond its end.

    Several ranges are answered with the whole (RFC 9110 14.2 lets a server ignore Range).
    """
    span = _asked_range(request, payload)
    if span is None:
        response = Streaming(()) if request.method == "HEAD" else _whole(payload)
        response.headers["Content-Length"] = str(payload.size_bytes)
    elif not span:
        response = HttpResponse()  # whose conditions come before its range (RFC 9110 13.2.2)
    else:
        response = Streaming(payload.read(span.start, len(span)), status=206)
        response.headers["Content-Range"] = (
            f"bytes {span.start}-{span.stop - 1}/{payload.size_bytes}"
        )
        response.headers["Content-Length"] = str(len(span))
    response.headers["Content-Type"] = payload.content_type
    response.headers["Content-Location"] = payload.content_location
    response.headers["Accept-Ranges"] = "bytes"
    answer = unless_unchanged(request, response, payload.etag)
    is_beyond = span is not None and not span and answer is response
    return _not_satisfiable(payload) if is_beyond else answer


def unless_unchanged(
    request: HttpRequest, response: HttpResponseBase, etag: str
) -> HttpResponseBase:
    """The response with its validator; 304 or 412 instead when the request's conditions say so."""
    response.headers["ETag"] = etag
    # Nothing here has a date of modification, without which this one counts for nothing (13.1.4).
    request.META.pop("HTTP_IF_UNMODIFIED_SINCE", None)
    answer: HttpResponseBase | None = get_conditional_response(
        request,
        etag=etag,
        response=response,  # type: ignore[arg-type]  # the stubs leave streaming out
    )
    assert answer is not None, "without a condition the response itself comes back"
    if answer is not response:
        # Its close() would tell everybody that the request is over.
        for close in response._resource_closers:  # type: ignore[attr-defined]  # not in the stubs
            close()
        if answer.status_code == 412:
            answer = problem(412, "precondition-failed", "it is not the version that was named")
        answer.headers.setdefault("ETag", etag)
    return answer


def is_unchanged(request: HttpRequest, etag: str) -> bool:
    """Whether the client has this version already, so that none need be made."""
    probe = unless_unchanged(request, HttpResponse(), etag)
    return probe.status_code == 304


def multipart(parts: Iterable[Part], *, part_type: str) -> HttpResponseBase:
    """All parts in order, streamed; there is at least one.

    No preamble, and headers spelled as cornerstone reads them. What fails before the first bytes
    are sent is raised here, so that it becomes an error's answer.
    """
    boundary = secrets.token_hex(16)
    pieces = _gathered(_encoded(parts, boundary=boundary.encode()))
    first = next(pieces)
    return Streaming(
        chain([first], pieces),
        content_type=f'multipart/related; type="{part_type}"; boundary={boundary}',
    )


def collection(
    parts: Iterator[Part], left_out: Sequence[str], *, what: str, service: str
) -> HttpResponseBase:
    """All parts; 206 when it is known before the first bytes are sent that some are left out.

    Raises `NotFound` when there is nothing, `UnreadablePixelData` when nothing can be read.
    """
    first = next(parts, None)
    if first is None and left_out:
        raise UnreadablePixelData(f"no {what} here can be read in a form that is accepted")
    if first is None:
        raise NotFound(f"there is no {what}")
    part_type = first.content_type.partition(";")[0]
    response = multipart(chain([first], parts), part_type=part_type)
    if left_out:
        return incomplete(response, LEFT_OUT, service=service)
    return response


def incomplete(response: HttpResponseBase, *warnings: str, service: str) -> HttpResponseBase:
    """The response as 206 with these warnings: it has some of what was asked for, but not all.

    Source: PS3.18 Table 10.4.3-1, which has this status for answers without a range too.
    """
    response.status_code = 206
    response.headers["Warning"] = ", ".join(f'299 {service} "{text}"' for text in warnings)
    return response


def _whole(payload: Payload) -> HttpResponseBase:
    """By the kernel alone where the bytes are a local file."""
    if payload.path is None:
        return Streaming(payload.read(0, payload.size_bytes))
    response = FileResponse(payload.path.open("rb"))
    del response.headers["Content-Disposition"]  # what the store calls it concerns nobody
    return response


def _not_satisfiable(payload: Payload) -> HttpResponseBase:
    """416, with the size that ranges have to keep to (RFC 9110 15.5.17)."""
    response = problem(416, "range-not-satisfiable", "the range begins behind the last byte")
    response.headers["Content-Range"] = f"bytes */{payload.size_bytes}"
    return response


def _asked_range(request: HttpRequest, payload: Payload) -> range | None:
    """The bytes asked for; None for all, an empty range when there are none of them."""
    found = _RANGE.fullmatch(request.META.get("HTTP_RANGE", ""))
    condition = request.META.get("HTTP_IF_RANGE", payload.etag)
    if found is None or condition != payload.etag or request.method not in ("GET", "HEAD"):
        return None
    first, last = found.groups()
    size = payload.size_bytes
    if first:
        stop = min(int(last) + 1, size) if last else size
        is_backwards = bool(last) and int(last) < int(first)
        return None if is_backwards else range(min(int(first), size), max(stop, 0))
    return range(max(size - int(last), 0), size) if last else None


def _encoded(parts: Iterable[Part], *, boundary: bytes) -> Iterator[bytes]:
    line = b"--" + boundary
    for part in parts:
        header = f"\r\nContent-Type: {part.content_type}"
        if part.content_location:
            header += f"\r\nContent-Location: {part.content_location}"
        yield line + header.encode() + b"\r\n\r\n"
        yield from part.read()
        yield b"\r\n"
    yield line + b"--\r\n"


def _gathered(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in fewer pieces: each one sent costs a system call."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= SEND_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting)
