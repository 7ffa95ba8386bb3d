"""Lets viewers of other origins in, and takes paths as clients write them.

Every answer under the DICOMweb roots carries the headers, errors too; a preflight needs no
token. Any origin may ask, because only a bearer token opens anything: cookies are not looked
at, so a foreign page has nothing to borrow. Where a proxy in front looks at cookies that would
not hold: only origins that the operator names may ask with credentials. Source: Fetch 3.2 (CORS
protocol).
"""

import re
from collections.abc import Callable, Mapping

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import patch_vary_headers

from ingestion.environment import listed

ROOTS = ("/dicomweb", "/stow-rs", "/wado-rs", "/wado")

HEADERS = {
    "Access-Control-Expose-Headers": (
        "Content-Type, Content-Length, Content-Range, Content-Location, Content-Disposition,"
        " Accept-Ranges, ETag, Location, Link, Warning, X-Total-Count, Allow, Retry-After,"
        " X-Request-ID"
    ),
    # A viewer that uses SharedArrayBuffer may only embed what says so.
    "Cross-Origin-Resource-Policy": "cross-origin",
}
PREFLIGHT_HEADERS = {
    "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE, OPTIONS, HEAD",
    "Access-Control-Allow-Headers": (
        "Authorization, Accept, Content-Type, Range, If-Range, If-Match, If-None-Match,"
        " If-Modified-Since, X-Requested-With"
    ),
    "Access-Control-Max-Age": "86400",
}
ANY_ORIGIN = {"Access-Control-Allow-Origin": "*"}

_SLASHES = re.compile(r"/{2,}")


class CrossOriginMiddleware:
    """Answers preflights, and adds the headers to whatever the DICOMweb roots answer.

    It also joins repeated slashes and drops one at the end, so that
    `//dicomweb//studies/` is `/dicomweb/studies`.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response
        self._credentialed = frozenset(listed(settings.ENVIRONMENT.credentialed_origins))

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        path = _SLASHES.sub("/", request.path_info).rstrip("/")
        if not is_below_a_root(path):
            return self._get_response(request)
        request.path_info = path
        if _is_preflight(request):
            response: HttpResponseBase = HttpResponse(status=204, headers=PREFLIGHT_HEADERS)
            del response.headers["Content-Type"]
        else:
            response = self._get_response(request)
        if response.status_code == 304:
            # Django gives it the length of nothing, but it stands for a body (RFC 9110 8.6).
            del response.headers["Content-Length"]
        _add(response, HEADERS)
        _add(response, self._permission(request.META.get("HTTP_ORIGIN", "")))
        if self._credentialed:
            patch_vary_headers(response, ["Origin"])
        return response

    def _permission(self, origin: str) -> Mapping[str, str]:
        """Who may read the answer; with credentials it must be said by name (Fetch 3.2.5)."""
        if origin not in self._credentialed:
            return ANY_ORIGIN
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Credentials": "true",
        }


def is_below_a_root(path: str) -> bool:
    """Whether a path is of DICOMweb."""
    return any(path == root or path.startswith(root + "/") for root in ROOTS)


def _is_preflight(request: HttpRequest) -> bool:
    """Fetch 4.8: what a browser asks before the request of a page of another origin."""
    return request.method == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in request.META


def _add(response: HttpResponseBase, headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        response.headers[name] = value
