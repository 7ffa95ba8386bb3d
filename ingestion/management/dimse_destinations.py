"""Whom the DIMSE commands call: an application entity that we know, or TITLE@HOST:PORT."""

import re
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from ingestion.dimse.requestor.requesting import Destination, destination_of
from ingestion.dimse.security.tls import client_context
from ingestion.errors import IngestionError, Misconfigured
from ingestion.models import RemoteApplicationEntity
from ingestion.models.application_entity import PORT_MAX, TIMEOUT_SECONDS_MAX, ae_title_validator
from ingestion.use_cases.echo_application_entities import our_ae_title

NOT_DONE = 1
CANNOT_WORK = 2
INTERRUPTED = 130

_ADDRESSED = re.compile(
    r"(?P<title>.{1,16})@(\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<host>[^:@]+)):(?P<port>\d{1,5})"
)


@dataclass(frozen=True, slots=True)
class Way:
    """Whom to call, and as whom."""

    destination: Destination
    calling_ae_title: str

    def __str__(self) -> str:
        there = self.destination
        secured = " by TLS" if there.tls else ""
        return f"{there.ae_title} at {there.host}:{there.port}{secured}, as {self.calling_ae_title}"


def add_destination_arguments(parser: ArgumentParser) -> None:
    """Whom to call, as whom, and how long to wait."""
    parser.add_argument(
        "destination",
        help="AE title of a remote application entity, or TITLE@HOST:PORT of any other.",
    )
    parser.add_argument("--calling", help="AE title of ours; else the first that is enabled.")
    parser.add_argument("--tls", action="store_true", help="Call by TLS, whatever is set.")
    parser.add_argument("--timeout", type=float, help="Longest wait for an answer, in seconds.")


def way_of(options: dict[str, Any]) -> Way:
    """What the arguments mean. Raises `CommandError`."""
    _check_encoding(options)
    try:
        destination = _destination(options["destination"])
        calling_ae_title = options["calling"] or our_ae_title()
        ae_title_validator(calling_ae_title)
        if options["tls"]:
            destination = replace(destination, tls=client_context())
    except Misconfigured as error:
        raise CommandError(str(error), returncode=CANNOT_WORK) from error
    except ValidationError as error:
        raise CommandError(error.messages[0], returncode=CANNOT_WORK) from error
    if options["timeout"] is not None:
        if not 0 < options["timeout"] <= TIMEOUT_SECONDS_MAX:
            raise CommandError(
                f"--timeout must be above 0 and at most {TIMEOUT_SECONDS_MAX:,.0f} seconds",
                returncode=CANNOT_WORK,
            )
        destination = replace(
            destination,
            connect_timeout_seconds=min(destination.connect_timeout_seconds, options["timeout"]),
            response_timeout_seconds=options["timeout"],
        )
    return Way(destination, calling_ae_title)


def _check_encoding(options: dict[str, Any]) -> None:
    """Bytes of the command line that are no UTF-8 have no place in a database or a message."""
    for value in options.values():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and not text.isascii():
                try:
                    text.encode()
                except UnicodeEncodeError as error:
                    raise CommandError(
                        "an argument is not in UTF-8", returncode=CANNOT_WORK
                    ) from error


@contextmanager
def told_in_words() -> Iterator[None]:
    """What a peer or our side refuses ends the command with a sentence, not a traceback."""
    try:
        yield
    except IngestionError as error:
        raise CommandError(f"{error} ({error.code})", returncode=NOT_DONE) from error


def _destination(text: str) -> Destination:
    """Raises `Misconfigured`, `ValidationError`."""
    known = RemoteApplicationEntity.objects.filter(ae_title=text, is_enabled=True)
    remote = known.order_by("pk").first()
    if remote is not None:
        return destination_of(remote)
    addressed = _ADDRESSED.fullmatch(text)
    if addressed is None:
        raise Misconfigured(
            f"{text} is no remote application entity that is enabled; one that is not in the table"
            " is called as TITLE@HOST:PORT"
        )
    ae_title_validator(addressed["title"])
    port = int(addressed["port"])
    if not 1 <= port <= PORT_MAX:
        raise Misconfigured(f"{text}: a port is 1 to {PORT_MAX}")
    return Destination(
        ae_title=addressed["title"],
        host=addressed["v6"] or addressed["host"],
        port=port,
    )
