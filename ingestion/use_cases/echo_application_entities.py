"""Asking application entities whether they answer (PS3.4 Annex A), and what we call ourselves.

Only the DIMSE service can ask: it is reached through the port that `settings.ECHO` names.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import cast

from django.conf import settings
from django.utils.module_loading import import_string

from ingestion.errors import Misconfigured
from ingestion.models import LocalApplicationEntity, RemoteApplicationEntity

ECHO_SECONDS_MAX = 5.0  # for each step: somebody waits at a screen
_ANY_ADDRESS = {"", "0.0.0.0", "::"}  # noqa: S104  # we do not bind here


@dataclass(frozen=True, slots=True)
class EchoReport:
    """Whether an application entity answered, and what happened in words."""

    is_well: bool
    text: str


@dataclass(frozen=True, slots=True)
class EchoTarget:
    """Whom to ask, and as whom."""

    called_ae_title: str
    calling_ae_title: str
    host: str
    port: int
    uses_tls: bool = False
    seconds_max: float = ECHO_SECONDS_MAX


Echo = Callable[[EchoTarget], EchoReport]


def echo_remote(entity: RemoteApplicationEntity) -> EchoReport:
    """Ask a peer that we know, under a title of ours. Ends within seconds; raises nothing."""
    if not entity.host or entity.port is None:
        return EchoReport(is_well=False, text="it has no host and port to call")
    try:
        calling_ae_title = our_ae_title()
    except Misconfigured as error:
        return EchoReport(is_well=False, text=str(error))
    seconds_max = min(ECHO_SECONDS_MAX, entity.connect_timeout_seconds)
    return _echo()(
        EchoTarget(
            called_ae_title=entity.ae_title,
            calling_ae_title=calling_ae_title,
            host=entity.host,
            port=entity.port,
            uses_tls=entity.uses_tls,
            seconds_max=seconds_max,
        )
    )


def echo_local(entity: LocalApplicationEntity) -> EchoReport:
    """Ask our own DIMSE service under this title, as if it called itself."""
    environment = settings.ENVIRONMENT
    host = "127.0.0.1" if environment.dimse_host in _ANY_ADDRESS else environment.dimse_host
    return _echo()(
        EchoTarget(
            called_ae_title=entity.ae_title,
            calling_ae_title=entity.ae_title,
            host=host,
            port=environment.dimse_port,
        )
    )


def our_ae_title() -> str:
    """The title that we call peers by where nothing else decides: the first that is enabled.

    Raises `Misconfigured` without one.
    """
    titles = LocalApplicationEntity.objects.filter(is_enabled=True).order_by("pk")
    title = titles.values_list("ae_title", flat=True).first()
    if title is None:
        raise Misconfigured("no local application entity is enabled: nobody to call as")
    return title


@cache
def _echo() -> Echo:
    return cast(Echo, import_string(settings.ECHO))
