"""Tells one entity that several storage spaces hold as one: who holds it, and its true counts.

A page has at most three statements more for it, whose work grows with the page and not with what
is held. Source: PS3.4 C.3.4 (counters and Modalities in Study).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from django.db import connection

from ingestion.dicom.attributes import Level
from ingestion.dicom.json_model import element
from ingestion.use_cases.search_attributes import MODELS, SPACES, UIDS
from ingestion.use_cases.search_conditions import held
from ingestion.use_cases.search_query import Found, Query, Scope

# Only what several spaces hold is counted anew: what both hold counts once.
_STUDIES = """
    WITH held AS (
        SELECT id, study_instance_uid AS uid, modalities, sop_classes FROM ingestion_study
        WHERE study_instance_uid = ANY(%(uids)s) AND storage_space_id = ANY(%(spaces)s)
            AND deleted_at IS NULL
    ), shared AS (
        SELECT uid FROM held GROUP BY uid HAVING count(*) > 1
    )
    SELECT shared.uid,
        ARRAY(SELECT DISTINCT unnest(modalities) FROM held WHERE uid = shared.uid ORDER BY 1),
        ARRAY(SELECT DISTINCT unnest(sop_classes) FROM held WHERE uid = shared.uid ORDER BY 1),
        counted.series, counted.instances
    FROM shared CROSS JOIN LATERAL (
        SELECT count(DISTINCT series.series_instance_uid) AS series,
            count(DISTINCT instance.sop_instance_uid) AS instances
        FROM held JOIN ingestion_series AS series ON series.study_id = held.id
        JOIN ingestion_instance AS instance ON instance.series_id = series.id
        WHERE held.uid = shared.uid AND series.deleted_at IS NULL AND instance.deleted_at IS NULL
    ) AS counted
"""

_SERIES = """
    WITH held AS (
        SELECT series.id, series.series_instance_uid AS uid FROM ingestion_series AS series
        JOIN ingestion_study AS study ON study.id = series.study_id
        WHERE series.series_instance_uid = ANY(%(uids)s)
            AND study.storage_space_id = ANY(%(spaces)s)
            AND series.deleted_at IS NULL AND study.deleted_at IS NULL
    ), shared AS (
        SELECT uid FROM held GROUP BY uid HAVING count(*) > 1
    )
    SELECT shared.uid, count(DISTINCT instance.sop_instance_uid)
    FROM shared JOIN held USING (uid) JOIN ingestion_instance AS instance
        ON instance.series_id = held.id AND instance.deleted_at IS NULL
    GROUP BY shared.uid
"""


@dataclass(frozen=True, slots=True)
class _Union:
    """How the elements of one level are counted over several spaces."""

    level: Level
    statement: str
    uid: Callable[[Found], str]
    # In the order of the statement's columns: tag and VR.
    elements: tuple[tuple[str, str], ...]


_UNIONS = (
    _Union(
        Level.STUDY,
        _STUDIES,
        lambda found: found.study_instance_uid,
        (("00080061", "CS"), ("00080062", "UI"), ("00201206", "IS"), ("00201208", "IS")),
    ),
    _Union(Level.SERIES, _SERIES, lambda found: found.series_instance_uid, (("00201209", "IS"),)),
)


def united(found: Sequence[Found], query: Query) -> tuple[Found, ...]:
    """The results with all spaces that hold each, and with sets and counters over all of them."""
    if not found:
        return ()
    slugs = _holders(found, query)
    for union in _UNIONS:
        if union.level in query.shown:
            _count_anew(union, found, query.scope)
    return tuple(replace(one, space_slugs=tuple(slugs[_entity(one)])) for one in found)


def _holders(found: Sequence[Found], query: Query) -> dict[tuple[str, ...], list[str]]:
    """The spaces of each entity of the page, in the order of their slugs."""
    paths = UIDS[query.level]
    slugs: dict[tuple[str, ...], list[str]] = {_entity(one): [] for one in found}
    rows = (
        MODELS[query.level]
        ._default_manager.filter(held(query.level, query.scope))
        .filter((f"{paths[-1]}__in", [_entity(one)[-1] for one in found]))
        .order_by(f"{SPACES[query.level]}__slug")
        .values_list(*paths, f"{SPACES[query.level]}__slug")
    )
    for *uids, slug in rows:
        if (spaces := slugs.get(tuple(uids))) is not None:
            spaces.append(slug)
    return slugs


def _entity(found: Found) -> tuple[str, ...]:
    uids = (found.study_instance_uid, found.series_instance_uid, found.sop_instance_uid)
    return tuple(uid for uid in uids if uid)


def _count_anew(union: _Union, found: Sequence[Found], scope: Scope) -> None:
    """Replace the sets and counters of what several spaces hold."""
    uids = list({union.uid(one) for one in found})
    with connection.cursor() as cursor:
        cursor.execute(union.statement, {"uids": uids, "spaces": list(scope.space_ids)})
        counted = {row[0]: row[1:] for row in cursor.fetchall()}
    for one in found:
        for (tag, vr), value in zip(union.elements, counted.get(union.uid(one), ()), strict=False):
            if tag in one.data_set:
                one.data_set[tag] = element(vr, *(value if isinstance(value, list) else [value]))
