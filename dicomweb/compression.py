"""Compresses answers for clients that accept it: text of metadata shrinks to a tenth.

Source: RFC 9110 8.4 and 12.5.3.
"""

import gzip
import zlib
from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.cache import patch_vary_headers

from dicomweb.media_types import quality

_LEVEL = 1  # the network is seldom slower than a higher level
_GZIP_FORMAT = 31
_WORTHWHILE_BYTES = 1024


def compressed(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """The same response, compressed when the client accepts gzip and it is not small.

    Its ETag, if any, must be a weak one.
    """
    patch_vary_headers(response, ["Accept-Encoding"])
    if not _accepts_gzip(request.META.get("HTTP_ACCEPT_ENCODING", "")):
        return response
    if isinstance(response, StreamingHttpResponse):
        response.streaming_content = _compressed(iter(response))
    elif isinstance(response, HttpResponse) and len(response.content) >= _WORTHWHILE_BYTES:
        response.content = gzip.compress(response.content, _LEVEL, mtime=0)
    else:
        return response
    response.headers["Content-Encoding"] = "gzip"
    return response


def _accepts_gzip(header: str) -> bool:
    """Whether gzip is named, or all codings are, and not with a quality of 0."""
    qualities = {}
    for element in header.lower().split(","):
        coding, _, parameter = element.partition(";")
        qualities[coding.strip()] = quality(parameter.strip().removeprefix("q="))
    return qualities.get("gzip", qualities.get("*", 0.0)) > 0


def _compressed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    compressor = zlib.compressobj(_LEVEL, wbits=_GZIP_FORMAT)
    for piece in pieces:
        if content := compressor.compress(piece):
            yield content
    yield compressor.flush()
