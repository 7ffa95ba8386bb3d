"""The one place where errors become HTTP: a status, a small JSON body, never a traceback.

Source: PS3.18 8.5 (status codes), Table 10.5.3-1.
"""

from typing import Any

import orjson
import structlog
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.views import defaults
from rest_framework import exceptions

from dicomweb.cross_origin import is_below_a_root
from ingestion.errors import (
    DatabaseUnavailable,
    HeldInSeveralSpaces,
    IngestionError,
    InvalidInstance,
    InvalidRequest,
    LimitExceeded,
    Misconfigured,
    NotAcceptable,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    ObjectMissing,
    OutOfSpace,
    RequestTooSlow,
    Unavailable,
    UnreadablePixelData,
    UnsupportedMediaType,
    WorkitemRefused,
)

log = structlog.get_logger(__name__)

RETRY_AFTER_SECONDS = 5
CHALLENGE = 'Bearer realm="dicomweb"'

# The most specific class that is listed decides.
STATUS: dict[type[IngestionError], int] = {
    IngestionError: 500,
    InvalidInstance: 409,
    InvalidRequest: 400,
    NotAcceptable: 406,
    RequestTooSlow: 408,
    UnsupportedMediaType: 415,
    LimitExceeded: 413,
    NotAuthenticated: 401,
    NotPermitted: 403,
    NotFound: 404,
    WorkitemRefused: 409,  # the worklist's own table knows when it is 400
    HeldInSeveralSpaces: 409,
    Unavailable: 503,
    # PS3.18 knows no 507; 503 with Retry-After is what its clients understand.
    OutOfSpace: 503,
    # The instance is held; it is this form of it that cannot be made.
    UnreadablePixelData: 406,
    ObjectMissing: 500,
    # An operator must act; until then it is our side that cannot, and a repeat can help.
    Misconfigured: 503,
}

_FOREIGN: tuple[tuple[type[Exception], type[IngestionError], str], ...] = (
    (exceptions.NotAuthenticated, NotAuthenticated, "a bearer token is required"),
    (exceptions.AuthenticationFailed, NotAuthenticated, "the bearer token is not valid"),
    (exceptions.PermissionDenied, NotPermitted, "the token does not permit this"),
    (PermissionDenied, NotPermitted, "the token does not permit this"),
    (Http404, NotFound, "there is no such resource"),
    (OperationalError, DatabaseUnavailable, "the database did not answer"),
    (InterfaceError, DatabaseUnavailable, "the database did not answer"),
)


def status_of(error: IngestionError) -> int:
    """The HTTP status of an error."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def exception_handler(error: Exception, _context: dict[str, Any]) -> HttpResponse | None:
    """REST framework's hook; None leaves what nobody foresaw to Django's own 500."""
    if isinstance(error, exceptions.MethodNotAllowed):
        return problem(405, "method-not-allowed", "this resource does not have this method")
    for kind, ours, detail in _FOREIGN:
        if isinstance(error, kind):
            error = ours(detail)
            break
    if isinstance(error, exceptions.APIException):
        return problem(error.status_code, error.default_code, "the request was not understood")
    if not isinstance(error, IngestionError):
        return None
    status = status_of(error)
    if status >= 500:
        log.error("request failed", code=error.code, detail=str(error))
    response = problem(status, error.code, str(error))
    if status == 401:
        response["WWW-Authenticate"] = CHALLENGE
    if status == 503:
        response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def problem(status: int, code: str, detail: str) -> HttpResponse:
    """An error's answer. `detail` names the rule, never a value of a patient."""
    body = orjson.dumps({"code": code, "detail": detail})
    return HttpResponse(body, status=status, content_type="application/json")


def not_understood(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """400 for what Django itself refuses, such as another host's name."""
    if is_below_a_root(request.path_info):
        return problem(400, InvalidRequest.code, "the request was not understood")
    return defaults.bad_request(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """404 for a path that no resource has."""
    if is_below_a_root(request.path_info):
        return problem(404, NotFound.code, "there is no such resource")
    return defaults.page_not_found(request, exception)


def failed(request: HttpRequest) -> HttpResponseBase:
    """500 for what nobody foresaw; the log has the reason."""
    if is_below_a_root(request.path_info):
        return problem(500, IngestionError.code, "the server failed")
    return defaults.server_error(request)
