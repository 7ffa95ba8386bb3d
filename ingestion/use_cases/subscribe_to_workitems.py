"""Keeps who is subscribed to which steps. No event is sent yet: the lists are what is asked for.

An AE has at most one standing subscription in a space, to all steps or to those that match.
Source: PS3.4 CC.2.3 (Table CC.2.3-2), PS3.18 11.10 to 11.12.
"""

import re
from urllib.parse import parse_qsl

from django.conf import settings
from django.db import connection, transaction

from ingestion.dicom.document_matching import DocumentKey, matches_all, parse_document_key
from ingestion.errors import InvalidRequest, LimitExceeded, NotFound
from ingestion.models import (
    StorageSpace,
    Workitem,
    WorkitemSubscription,
    WorklistSubscription,
)
from ingestion.use_cases.search_manifest import Scope
from ingestion.use_cases.search_workitems import MatchingSteps
from ingestion.use_cases.workitem_records import locked_workitem

# PS3.5 6.2: AE is at most 16 characters of the default repertoire, without backslash.
_AE_TITLE = re.compile(r"[ -\[\]-~]{1,16}", re.ASCII)
_LOCK_SPACE = 0x5550_5300  # the class of our advisory locks: UPS
_BATCH = 1000


def parse_matching_keys(text: str) -> tuple[DocumentKey, ...]:
    """The keys of a query string. Raises `InvalidQuery`."""
    return tuple(parse_document_key(name, value) for name, value in parse_qsl(text))


def subscribe_to_workitem(
    scope: Scope, sop_instance_uid: str, *, ae_title: str, has_deletion_lock: bool
) -> None:
    """Subscribe an AE to one step. Raises `NotFound`, `InvalidRequest`."""
    title = _required_title(ae_title)
    with transaction.atomic():
        WorkitemSubscription.objects.update_or_create(
            workitem=locked_workitem(scope, sop_instance_uid),
            ae_title=title,
            defaults={"has_deletion_lock": has_deletion_lock},
        )


def unsubscribe_from_workitem(scope: Scope, sop_instance_uid: str, *, ae_title: str) -> None:
    """End an AE's subscription to one step.

    Raises `NotFound`, also when there is none, and `InvalidRequest`.
    """
    title = _required_title(ae_title)
    with transaction.atomic():
        workitem = locked_workitem(scope, sop_instance_uid)
        ended, _ = workitem.subscriptions.filter(ae_title=title).delete()
    _require_some(ended)


def subscribe_to_worklist(
    space: StorageSpace, *, ae_title: str, matching_keys: str, has_deletion_lock: bool
) -> None:
    """Subscribe an AE to all steps, or those that match, that the space has and will have.

    Subscriptions to single steps stay as they are. Raises `InvalidRequest`, and `LimitExceeded`
    when the space has too many subscribers, or too many steps to match.
    """
    title = _required_title(ae_title)
    keys = parse_matching_keys(matching_keys)
    with transaction.atomic():
        _keep_creations_out(space)
        WorklistSubscription.objects.update_or_create(
            storage_space=space,
            ae_title=title,
            defaults={"matching_keys": matching_keys, "has_deletion_lock": has_deletion_lock},
        )
        subscribers_max = settings.LIMITS.worklist_subscribers_max
        if WorklistSubscription.objects.filter(storage_space=space).count() > subscribers_max:
            raise LimitExceeded(f"worklist_subscribers_max = {subscribers_max} are subscribed")
        if keys:
            _subscribe_to_matching(space, keys, title=title, has_deletion_lock=has_deletion_lock)
        else:
            _subscribe_to_all(space, title, has_deletion_lock=has_deletion_lock)


def unsubscribe_from_worklist(space: StorageSpace, *, ae_title: str) -> None:
    """End an AE's standing subscription and all its others in the space.

    Raises `NotFound` when the AE is not subscribed to anything there, and `InvalidRequest`.
    """
    title = _required_title(ae_title)
    with transaction.atomic():
        standing = _end_standing(space, title)
        single = WorkitemSubscription.objects.filter(
            workitem__storage_space=space, ae_title=title
        ).delete()[0]
    _require_some(standing + single)


def suspend_worklist_subscription(space: StorageSpace, *, ae_title: str) -> None:
    """End an AE's standing subscription; it stays subscribed to the steps there are.

    Raises `NotFound` when there is none, and `InvalidRequest`.
    """
    _require_some(_end_standing(space, _required_title(ae_title)))


def add_standing_subscribers(workitem: Workitem) -> None:
    """Insert a new step, and subscribe whoever has a standing subscription that it matches.

    Runs inside the caller's transaction, which must not have read subscriptions before.
    """
    space = workitem.storage_space
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s, %s)", [_LOCK_SPACE, space.pk])
    workitem.save(force_insert=True)
    WorkitemSubscription.objects.bulk_create(
        WorkitemSubscription(
            workitem=workitem,
            ae_title=standing.ae_title,
            has_deletion_lock=standing.has_deletion_lock,
        )
        for standing in WorklistSubscription.objects.filter(storage_space=space)
        if matches_all(parse_matching_keys(standing.matching_keys), workitem.data_set)
    )


def _keep_creations_out(space: StorageSpace) -> None:
    """Wait for creations that have not seen the new subscription, and hold back others."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK_SPACE, space.pk])


def _subscribe_to_all(space: StorageSpace, title: str, *, has_deletion_lock: bool) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ingestion_workitemsubscription (workitem_id, ae_title, has_deletion_lock)"
            " SELECT id, %s, %s FROM ingestion_workitem WHERE storage_space_id = %s"
            " ON CONFLICT (workitem_id, ae_title) DO NOTHING",
            [title, has_deletion_lock, space.pk],
        )


def _subscribe_to_matching(
    space: StorageSpace, keys: tuple[DocumentKey, ...], *, title: str, has_deletion_lock: bool
) -> None:
    steps = MatchingSteps(Scope((space.pk,)), keys)
    WorkitemSubscription.objects.bulk_create(
        [
            WorkitemSubscription(
                workitem_id=pk, ae_title=title, has_deletion_lock=has_deletion_lock
            )
            for pk, _ in steps
        ],
        batch_size=_BATCH,
        ignore_conflicts=True,
    )
    if steps.is_cut_short:
        searched_max = settings.LIMITS.workitems_searched_max
        raise LimitExceeded(f"there are more than workitems_searched_max = {searched_max}")


def _end_standing(space: StorageSpace, title: str) -> int:
    """How many were ended: one or none, of either kind."""
    return WorklistSubscription.objects.filter(storage_space=space, ae_title=title).delete()[0]


def _required_title(text: str) -> str:
    title = text.strip()
    if not title or not _AE_TITLE.fullmatch(title):
        raise InvalidRequest("the path does not name an AE title of 1 to 16 characters")
    return title


def _require_some(ended: int) -> None:
    if not ended:
        raise NotFound("there is no such subscription")
