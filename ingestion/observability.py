"""Logging: structured lines, one request line per HTTP request, never a query string.

Query strings and paths of searches hold patients' names and identifiers, so the request
line names the route, not the URL. Metrics live beside what they measure.
"""

import logging
import logging.config
import time
import uuid
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponseBase

log = structlog.get_logger(__name__)


def configure_logging(log_format: str, log_level: str) -> None:
    """Send our events and the libraries' records to stderr, one line each."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "line": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": shared,
                    "processors": [
                        tell_refusals_in_a_line,
                        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        escape_control_characters,
                        structlog.processors.format_exc_info,
                        renderer,
                    ],
                }
            },
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
            "root": {"handlers": ["stderr"], "level": log_level.upper()},
            # pydicom quotes values of patients in its warnings; pynetdicom in its debug output.
            "loggers": {
                "pydicom": {"level": "CRITICAL", "propagate": False},
                "pynetdicom": {"level": "ERROR"},
                "django.request": {"level": "ERROR"},
                "botocore": {"level": "WARNING"},
                "httpcore2": {"level": "WARNING"},
                "axes": {"level": "WARNING"},
                "flower": {"level": "ERROR"},  # warns of workers that are not up yet
                "celery": {"level": "WARNING"},  # a line per task is not a business event
            },
        }
    )


def tell_refusals_in_a_line(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Django logs requests that it refuses, by a wrong Host for one, as if it had failed itself."""
    if event["_record"].name.startswith("django.security"):
        event["level"] = "warning"
        event.pop("exc_info", None)
    return event


def escape_control_characters(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Let no value steer the terminal that shows it: peers write their AE titles themselves."""
    for key, value in event.items():
        if isinstance(value, str) and not value.isprintable() and key != "event":
            event[key] = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in value)
    return event


class RequestLogMiddleware:
    """One line per HTTP request: method, route, status, milliseconds; and a request id."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = time.monotonic()
        request_id = uuid.uuid4().hex
        request.META["ingestion.request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        response = self._get_response(request)
        response.headers["X-Request-ID"] = request_id
        match = request.resolver_match
        log.info(
            "request",
            method=request.method,
            route=match.route if match else "unknown",
            status=response.status_code,
            milliseconds=round((time.monotonic() - started) * 1000, 1),
        )
        return response
