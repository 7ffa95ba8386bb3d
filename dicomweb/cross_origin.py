"""Lets viewers of other origins in, and takes paths as clients write them.

Every answer under the DICOMweb roots carries the headers, errors too; a preflight needs no
token. Any origin may ask, because only a bearer token opens anything: cookies are not looked
at, so a foreign page has nothing to borrow. Source: Fetch 3.2 (CORS protocol).
"""

import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseBase

ROOTS = ("/dicomweb", "/stow-rs", "/wado-rs")

HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": (
        "Content-Type, Content-Length, Content-Range, Content-Location, ETag, Location, Warning,"
        " Retry-After, X-Request-ID"
    ),
    # A viewer that uses SharedArrayBuffer may only embed what says so.
    "Cross-Origin-Resource-Policy": "cross-origin",
}
PREFLIGHT_HEADERS = {
    "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE, OPTIONS, HEAD",
    "Access-Control-Allow-Headers": (
        "Authorization, Accept, Content-Type, Range, If-None-Match, X-Requested-With"
    ),
    "Access-Control-Max-Age": "86400",
}

_SLASHES = re.compile(r"/{2,}")


class CrossOriginMiddleware:
    """Answers preflights, and adds the headers to whatever the DICOMweb roots answer.

    It also joins repeated slashes and drops one at the end, so that
    `//dicomweb//studies/` is `/dicomweb/studies`.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        path = _SLASHES.sub("/", request.path_info).rstrip("/")
        if not any(path == root or path.startswith(root + "/") for root in ROOTS):
            return self._get_response(request)
        request.path_info = path
        if request.method == "OPTIONS":
            response: HttpResponseBase = HttpResponse(status=204)
            _add(response, PREFLIGHT_HEADERS)
        else:
            response = self._get_response(request)
        _add(response, HEADERS)
        return response


def _add(response: HttpResponseBase, headers: dict[str, str]) -> None:
    for name, value in headers.items():
        response.headers[name] = value
