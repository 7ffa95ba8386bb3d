"""Closes a study's revision as soon as all instances are here that somebody told it consists of.

A hint is a row. Registration does not look at it: a sweep does, by one statement that reads the
hints of studies that wait for quiet, however many others there are.
Source: PS3.4 Annex F and Annex R, for what tells so.
"""

from collections.abc import Sequence
from datetime import timedelta

import structlog
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models.functions import Now

from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.statuses import Status
from ingestion.domain.availability_rules import announced
from ingestion.domain.created_instances import created_instance_uid
from ingestion.errors import DatabaseUnavailable, OperationRefused
from ingestion.models import CompletenessHint, HintSource, StorageSpace
from ingestion.wakeups import Work, wake

log = structlog.get_logger(__name__)

EXPECTED = timedelta(days=7)  # how long instances are waited for

# One hint, so that a sweep never locks two studies: registration locks several, in its order.
_FULFIL_WHERE = """
WITH ready AS (
    SELECT h.id, st.id AS study_id, h.study_instance_uid
    FROM ingestion_completenesshint h
    JOIN ingestion_study st ON st.storage_space_id = h.storage_space_id
        AND st.study_instance_uid = h.study_instance_uid
    WHERE {condition} AND h.fulfilled_at IS NULL AND h.expires_at > now() AND NOT EXISTS (
        SELECT FROM unnest(h.sop_instance_uids) AS wanted(uid)
        LEFT JOIN ingestion_instance i ON i.storage_space_id = h.storage_space_id
            AND i.sop_instance_uid = wanted.uid AND i.deleted_at IS NULL
        WHERE i.id IS NULL)
    LIMIT 1 FOR UPDATE OF h SKIP LOCKED
), fulfilled AS (
    UPDATE ingestion_completenesshint h SET fulfilled_at = now() FROM ready WHERE h.id = ready.id
), closed AS (
    UPDATE ingestion_study st SET settles_at = now() FROM ready
    WHERE st.id = ready.study_id AND st.settles_at IS NOT NULL
    RETURNING st.id
)
SELECT study_instance_uid, EXISTS (SELECT FROM closed) FROM ready
"""
# Most hints that wait are told from those fulfilled by the study's counter alone, but where one
# source tells of several studies, which share its instances.
_MAY_BE_WHOLE = """st.settles_at IS NOT NULL AND (
        st.number_of_instances >= cardinality(h.sop_instance_uids)
        OR EXISTS (SELECT FROM ingestion_completenesshint o
            WHERE o.storage_space_id = h.storage_space_id AND o.source_uid = h.source_uid
            AND o.id <> h.id))"""
_FULFIL_ANY = _FULFIL_WHERE.format(condition=_MAY_BE_WHOLE)
_FULFIL_THIS = _FULFIL_WHERE.format(condition="h.id = %s")


def expect_instances(
    space: StorageSpace,
    study_instance_uid: str,
    *,
    sop_instance_uids: Sequence[str],
    source: HintSource,
    source_uid: str,
) -> bool:
    """Remember that a study is complete with these instances; if they are here, let it be due.

    False: the source told it before. Without instances there is nothing to wait for, and nothing
    is remembered.
    """
    if not sop_instance_uids:
        return True
    hint, is_new = CompletenessHint.objects.get_or_create(
        storage_space=space,
        source_uid=source_uid,
        study_instance_uid=study_instance_uid,
        defaults={
            "source": source,
            "sop_instance_uids": list(sop_instance_uids),
            "expires_at": Now() + EXPECTED,
        },
    )
    if is_new and _fulfil(_FULFIL_THIS, [hint.pk]):
        transaction.on_commit(lambda: wake(Work.REVISE_STUDIES), robust=True)
    return is_new


def note_availability(
    space: StorageSpace, data_set: JsonDataSet, *, sop_instance_uid: str = ""
) -> str:
    """Take an Instance Availability Notification as a hint. Returns its SOP Instance UID.

    Raises `OperationRefused` (0106, 0111, 0117, 0120, 0121).
    """
    told = announced(data_set)
    source_uid = created_instance_uid(sop_instance_uid)
    is_new = expect_instances(
        space,
        told.study_instance_uid,
        sop_instance_uids=told.sop_instance_uids,
        source=HintSource.AVAILABILITY,
        source_uid=source_uid,
    )
    if not is_new:
        raise OperationRefused("this notification came before", Status.DUPLICATE_SOP_INSTANCE)
    log.info(
        "instance availability told",
        study_instance_uid=told.study_instance_uid,
        instances=len(told.sop_instance_uids),
    )
    return source_uid


def fulfil_hints(*, limit: int = 100) -> int:
    """Let studies be due whose instances are all here. Returns how many hints were fulfilled.

    Raises `DatabaseUnavailable`; the rows stay.
    """
    try:
        for fulfilled in range(limit):
            if not _fulfil(_FULFIL_ANY, []):
                return fulfilled
    except (OperationalError, InterfaceError) as error:
        raise DatabaseUnavailable("the database did not confirm") from error
    return limit


def remove_old_hints() -> int:
    """Remove hints whose time is over, fulfilled or not. Returns how many."""
    return CompletenessHint.objects.filter(expires_at__lt=Now()).delete()[0]


def _fulfil(statement: str, parameters: Sequence[int]) -> bool:
    """Mark a hint whose instances are all here, and let its study be due. False: there is none."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        found = cursor.fetchone()
    if found is None:
        return False
    log.info("study is complete", study_instance_uid=found[0], is_closed=found[1])
    return True
