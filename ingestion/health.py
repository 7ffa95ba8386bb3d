"""Whether this process lives, whether it can take work, and what its queues look like.

For supervisors, load balancers and Prometheus: no secrets, no patients. Details of a
failure go to the log; the answer only names what fails.
"""

import ipaddress
import os
import threading
from collections.abc import Callable

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.urls import resolve
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from ingestion.broker import ping_broker
from ingestion.database import database_answers
from ingestion.errors import DatabaseUnavailable, IngestionError, ObjectStoreUnavailable
from ingestion.metrics import collect_metrics
from ingestion.models import AccessToken, StorageSpace
from ingestion.models.access_token import token_digest
from ingestion.use_cases.storage_spaces import open_space_store, require_room

log = structlog.get_logger(__name__)

BROKER_SECONDS_MAX = 1


class ProbeMiddleware:
    """Answers probes whatever host they name: orchestrators ask by address, which changes.

    Nothing in the answers is made from the host; metrics only so for this machine.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        view = PROBE_VIEWS.get(request.path_info)
        if view is None or (view is metrics and not _is_from_this_machine(request)):
            return self._get_response(request)
        request.resolver_match = resolve(request.path_info)  # the request line names it
        response = view(request)
        response.headers["Content-Length"] = str(len(response.content))
        return response


@never_cache
@require_safe
def live(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    """200 as long as the process answers at all."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    """200 when work can be taken; else 503 with the names of what fails."""
    failing = [name for name, probe in PROBES.items() if not _succeeds(name, probe)]
    if failing:
        return JsonResponse({"status": "unavailable", "failing": failing}, status=503)
    return JsonResponse({"status": "ok", "failing": []})


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text, for this machine and bearers of an access token; 503 without database."""
    try:
        if not (_is_from_this_machine(request) or _has_access_token(request)):
            return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
        return HttpResponse(collect_metrics(), content_type=CONTENT_TYPE_LATEST)
    except (DatabaseError, InterfaceError) as error:
        log.warning("metrics failed", error=type(error).__name__)
        return HttpResponse(status=503)


PROBE_VIEWS: dict[str, Callable[[HttpRequest], HttpResponse]] = {
    "/health/live": live,
    "/health/ready": ready,
    "/metrics": metrics,
}


def probe_database() -> None:
    """Return when PostgreSQL answers. Raises `DatabaseUnavailable`."""
    with database_answers(), connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def probe_migrations() -> None:
    """Return when every migration is applied. Raises `DatabaseUnavailable`."""
    with database_answers():
        is_applied = _migrations_are_applied()
    if not is_applied:
        raise DatabaseUnavailable("migrations are not applied: run manage.py migrate")


def probe_broker() -> None:
    """Return when the broker answers within a second. Raises `BrokerUnavailable`."""
    url = settings.ENVIRONMENT.broker_url.get_secret_value()
    ping_broker(url, timeout_seconds=BROKER_SECONDS_MAX)


def probe_spool() -> None:
    """Return when the first open space could begin an object. Raises `Unavailable` and kinds.

    Looks at the disk, not across the network: stores are proved by `check --deploy`.
    """
    with database_answers():
        space = StorageSpace.objects.filter(accepts_new_objects=True).order_by("pk").first()
    if space is None:
        return  # a new installation: the administrator needs the web to make a space
    folder = open_space_store(space).spool_folder()
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ObjectStoreUnavailable("the spool folder cannot be written to")
    require_room(folder)


PROBES: dict[str, Callable[[], None]] = {
    "database": probe_database,
    "migrations": probe_migrations,
    "broker": probe_broker,
    "storage": probe_spool,
}


def _succeeds(name: str, probe: Callable[[], None]) -> bool:
    try:
        probe()
    except IngestionError as error:
        log.warning("not ready", probe=name, code=error.code, detail=str(error))
        return False
    return True


_seen_applied = threading.Event()


def _migrations_are_applied() -> bool:
    """Whether they are; once they are, that is remembered for the life of the process."""
    if not _seen_applied.is_set():
        executor = MigrationExecutor(connection)
        if not executor.migration_plan(executor.loader.graph.leaf_nodes()):
            _seen_applied.set()
    return _seen_applied.is_set()


def _is_from_this_machine(request: HttpRequest) -> bool:
    """Whether a loopback client asks for itself, not a reverse proxy for somebody else."""
    if any(name in request.META for name in ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED")):
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def _has_access_token(request: HttpRequest) -> bool:
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        return False
    is_current = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    return AccessToken.objects.filter(
        is_current, digest=token_digest(token.strip()), is_enabled=True
    ).exists()
