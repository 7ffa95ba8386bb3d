"""From an event's row to what subscribers are told."""

from functools import cache
from typing import Any

import orjson
import zstandard
from django.conf import settings

from ingestion.domain.events import Provider, Subject, revision_data, subject_data
from ingestion.errors import IngestionError
from ingestion.models import Event, EventType, StorageSpace


class UntellableEvent(IngestionError):
    """What is kept of an event does not make sense; somebody must look at it."""

    code = "untellable-event"


def describe_event(event: Event) -> dict[str, Any]:
    """The CloudEvents `data` of an event; the same on every call.

    Reads `storage_space` and `revision` of the event: select them along. Raises
    `UntellableEvent`.
    """
    try:
        return _data(event)
    except (zstandard.ZstdError, ValueError, TypeError, LookupError) as error:
        raise UntellableEvent("what is kept of the event cannot be read") from error


def _data(event: Event) -> dict[str, Any]:
    provider = provider_of(event.storage_space)
    if event.type == EventType.STUDY_REVISION:
        return _revision_data(event, provider)
    subject = Subject(event.study_instance_uid, event.series_instance_uid, event.sop_instance_uid)
    return subject_data(provider, subject, event.data)


def _revision_data(event: Event, provider: Provider) -> dict[str, Any]:
    revision = event.revision
    if revision is None:
        raise UntellableEvent("the event names no revision")
    return revision_data(
        provider,
        number=revision.number,
        snapshot=orjson.loads(zstandard.decompress(revision.snapshot)),
        additions=revision.additions,
        modifications=revision.modifications,
        deletions=revision.deletions,
    )


def provider_of(space: StorageSpace) -> Provider:
    """A space's name and DICOMweb roots, as configured or as this server serves them."""
    ours = f"{_public_base_url()}/dicomweb/spaces/{space.slug}"
    external = space.wado_external_base_url.rstrip("/") or ours
    return Provider(
        name=space.name,
        internal_root=space.wado_internal_base_url.rstrip("/") or external,
        external_root=external,
    )


@cache
def _public_base_url() -> str:
    return str(settings.ENVIRONMENT.public_base_url).rstrip("/")
