"""What must hold before a process takes work, as Django system checks.

`manage.py check --deploy` proves the settings alone, without any service.
`manage.py check --deploy --database default` also proves the database, every storage space,
the broker and the table of application entities: Django's way of naming the services that a
check may touch.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError, NotSupportedError, connection
from django.utils import timezone

from ingestion.dimse.security.json_web_tokens import token_check
from ingestion.dimse.security.tls import certificates_end_at, client_context, server_context
from ingestion.errors import IngestionError
from ingestion.health import probe_broker, probe_migrations
from ingestion.models import (
    LocalApplicationEntity,
    RemoteApplicationEntity,
    StorageSpace,
    UserIdentity,
)
from ingestion.use_cases.storage_spaces import open_space_store

SECRET_KEY_LENGTH_MIN = 32
CERTIFICATE_NOTICE = timedelta(days=30)
POSTGRESQL_VERSION_MIN = 140000  # as server_version_num

Databases = Sequence[str] | None


@register(Tags.security, deploy=True)
def check_settings(**_: Any) -> list[CheckMessage]:
    """The secret key is long, host names are named, and so is our own."""
    found: list[CheckMessage] = []
    if len(settings.SECRET_KEY) < SECRET_KEY_LENGTH_MIN:
        found.append(
            Error(
                f"INGESTION_SECRET_KEY is shorter than {SECRET_KEY_LENGTH_MIN} characters.",
                hint="Make one with: python -c 'import secrets; print(secrets.token_urlsafe(48))'",
                id="ingestion.E001",
            )
        )
    if "*" in settings.ALLOWED_HOSTS:
        found.append(
            Warning(
                "INGESTION_ALLOWED_HOSTS lets any host name in.",
                hint="Name the hosts that clients use; links in answers are made from them.",
                id="ingestion.W002",
            )
        )
    if not settings.ENVIRONMENT.public_base_url:
        found.append(
            Warning(
                "INGESTION_PUBLIC_BASE_URL is empty: subscribers are told no address of this web.",
                hint="Set it to the URL under which clients and subscribers see the web.",
                id="ingestion.W011",
            )
        )
    return found


@register(Tags.security, deploy=True)
def check_dimse_security(**_: Any) -> list[CheckMessage]:
    """The files of TLS and of tokens can be used, and our certificate does not end soon."""
    hint = "See the variable and its file; docs/production.md has the commands."
    found = [
        *_report(server_context, "DIMSE with TLS", hint, "ingestion.E012"),
        *_report(client_context, "DIMSE with TLS", hint, "ingestion.E012"),
        *_report(token_check, "DIMSE tokens", hint, "ingestion.E013"),
    ]
    ends_at = None if found else certificates_end_at()
    if ends_at is not None and ends_at < timezone.now() + CERTIFICATE_NOTICE:
        found.append(
            Warning(
                f"A certificate of the DIMSE service ends at {ends_at:%Y-%m-%d %H:%M} UTC.",
                hint="Replace the file; it is read again without a restart.",
                obj="DIMSE with TLS",
                id="ingestion.W014",
            )
        )
    return found


@register(Tags.database, deploy=True)
def check_services(databases: Databases = None, **_: Any) -> list[CheckMessage]:
    """Database, storage spaces, broker and application entities work; only with `--database`."""
    if not databases:
        return []
    found = [*_check_broker(), *_check_database()]
    if any(message.is_serious() for message in found if message.obj == "database"):
        return found  # the rest reads tables
    return [*found, *_check_spaces(), *_check_application_entities()]


def _check_database() -> Iterator[CheckMessage]:
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT current_setting('server_version_num')::int,"
                " EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm'),"
                " current_setting('synchronous_commit')"
            )
            version, has_trigrams, synchronous_commit = cursor.fetchone()
    except (DatabaseError, NotSupportedError) as error:
        yield Error(
            f"The database does not answer: {type(error).__name__}.",
            hint="See INGESTION_DATABASE_URL; PostgreSQL 14 or newer must accept connections.",
            obj="database",
            id="ingestion.E003",
        )
        return
    if version < POSTGRESQL_VERSION_MIN:
        yield Error(
            f"PostgreSQL {version // 10000} is too old.",
            hint="Use PostgreSQL 14 or newer.",
            obj="database",
            id="ingestion.E004",
        )
    if not has_trigrams:
        yield Error(
            "PostgreSQL lacks the extension pg_trgm.",
            hint="Install PostgreSQL's contrib package; the migration then enables it.",
            obj="database",
            id="ingestion.E005",
        )
    if synchronous_commit == "off":
        yield Error(
            "PostgreSQL's synchronous_commit is off: a crash may lose what was acknowledged.",
            hint="Set it on, for the role of INGESTION_DATABASE_URL or for the server.",
            obj="database durability",  # the tables can be read all the same
            id="ingestion.E010",
        )
    yield from _report(probe_migrations, "database", "Run manage.py migrate.", "ingestion.E006")


def _check_broker() -> Iterator[CheckMessage]:
    return _report(
        probe_broker,
        "broker",
        "See INGESTION_BROKER_URL: host, port, password, database or virtual host.",
        "ingestion.E007",
    )


def _check_spaces() -> Iterator[CheckMessage]:
    for space in StorageSpace.objects.all():
        yield from _report(
            lambda space=space: open_space_store(space).check(),  # type: ignore[misc]
            f"storage space {space.slug}",
            "See the space in the admin: it must be possible to write, read and delete.",
            "ingestion.E008",
        )


def _check_application_entities() -> Iterator[CheckMessage]:
    if not LocalApplicationEntity.objects.filter(is_enabled=True).exists():
        yield Error(
            "No local application entity is enabled: no modality can store anything.",
            hint="Add one in the admin, or run manage.py bootstrap.",
            obj="application entities",
            id="ingestion.E009",
        )
    if settings.ENVIRONMENT.dimse_tls_port is not None:
        return
    for entity in RemoteApplicationEntity.objects.filter(is_enabled=True, must_use_tls=True):
        yield Warning(
            f"{entity} must call by TLS, and there is no port with TLS: it is always refused.",
            hint="Set INGESTION_DIMSE_TLS_PORT.",
            obj="application entities",
            id="ingestion.W015",
        )
    for local in LocalApplicationEntity.objects.filter(is_enabled=True).exclude(
        user_identity=UserIdentity.IGNORED
    ):
        yield Warning(
            f"{local} asks for passcodes or tokens, which cross the network readable.",
            hint="Set INGESTION_DIMSE_TLS_PORT, and have callers use it.",
            obj="application entities",
            id="ingestion.W016",
        )


def _report(
    probe: Callable[[], object], subject: str, hint: str, check_id: str
) -> Iterator[CheckMessage]:
    """The error of a probe, if it fails."""
    try:
        probe()
    except IngestionError as error:
        yield Error(f"{error} ({error.code})", hint=hint, obj=subject, id=check_id)
