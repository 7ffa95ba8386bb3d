"""What the server itself answers to what never becomes a request of the application.

Neither answer nor log tells what was sent: the line of a request may name a patient.
Source: RFC 9110 15.5, RFC 6585 5, Fetch 3.2 (errors, too, may be read by pages of every origin).
"""

import json
from dataclasses import dataclass
from http import HTTPStatus

from gunicorn.http import errors


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error's answer, as those of the application are: `code` is for programs."""

    status: HTTPStatus
    code: str
    detail: str

    def answer(self) -> bytes:
        """The whole of it; the connection ends with it."""
        body = json.dumps({"code": self.code, "detail": self.detail}).encode()
        head = (
            f"HTTP/1.1 {self.status} {self.status.phrase}\r\n"
            "Connection: close\r\n"
            "Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n"
            "Access-Control-Allow-Origin: *\r\n"
            "Cross-Origin-Resource-Policy: cross-origin\r\n\r\n"
        )
        return head.encode() + body


HEAD_TOO_SLOW = Refusal(
    HTTPStatus.REQUEST_TIMEOUT, "request-too-slow", "the head of the request did not come in time"
)
HEAD_TOO_LARGE = Refusal(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "limit-exceeded",
    "the header fields of the request are too large",
)
MALFORMED = Refusal(HTTPStatus.BAD_REQUEST, "invalid-request", "the request is no HTTP/1.1")
FAILED = Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "error", "the server failed")

# The first class that fits decides: what the application does wrong is a kind of what clients do.
_REFUSALS: tuple[tuple[type[Exception], Refusal], ...] = (
    (errors.InvalidResponseHeader, FAILED),
    (errors.InvalidResponseHeaderName, FAILED),
    (errors.ConfigurationProblem, FAILED),
    (
        errors.LimitRequestLine,
        Refusal(
            HTTPStatus.REQUEST_URI_TOO_LONG, "limit-exceeded", "the line of the request is too long"
        ),
    ),
    (errors.LimitRequestHeaders, HEAD_TOO_LARGE),
    (
        errors.ExpectationFailed,
        Refusal(
            HTTPStatus.EXPECTATION_FAILED, "invalid-request", "only 100-continue can be expected"
        ),
    ),
    (
        errors.UnsupportedTransferCoding,
        Refusal(
            HTTPStatus.NOT_IMPLEMENTED, "invalid-request", "chunked is the only transfer coding"
        ),
    ),
    (errors.ParseException, MALFORMED),
)


def refusal_of(error: BaseException) -> Refusal:
    """What a request that ended in this error is answered with."""
    return next((refusal for kind, refusal in _REFUSALS if isinstance(error, kind)), FAILED)
