"""Searches worklists: columns narrow what is read, and the Standard's matching decides.

Source: PS3.4 CC.2.8 (C-FIND of Unified Procedure Steps), PS3.18 11.9.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from ingestion.dicom.document_matching import DocumentKey, DocumentMatcher
from ingestion.dicom.json_model import JsonDataSet, element
from ingestion.dicom.matching import (
    DateTimeRange,
    Match,
    SingleValue,
    UIDList,
    ValueList,
)
from ingestion.domain import workitem_requirements as attributes
from ingestion.models import Workitem
from ingestion.use_cases.search_manifest import Scope

CHUNK_ROWS = 200
# The column is in UTC; where neither the key nor the value has an offset, local times are compared.
_ZONES = timedelta(days=1)

# Return Key Type 1 and 2, also conditional ones (PS3.4 Table CC.2.5-3).
RETURNED = frozenset(
    {
        attributes.SOP_CLASS_UID,
        attributes.SOP_INSTANCE_UID,
        attributes.PRIORITY,
        attributes.PROCEDURE_STEP_LABEL,
        attributes.WORKLIST_LABEL,
        "00741210",  # Scheduled Processing Parameters
        "00404025",  # Scheduled Station Name Code
        "00404026",  # Scheduled Station Class Code
        "00404027",  # Scheduled Station Geographic Location Code
        attributes.START_DATETIME,
        "00404018",  # Scheduled Workitem Code
        attributes.INPUT_READINESS_STATE,
        "00404021",  # Input Information
        attributes.PATIENT_NAME,
        attributes.PATIENT_ID,
        "00100021",  # Issuer of Patient ID
        "00100024",  # Issuer of Patient ID Qualifiers
        "00101002",  # Other Patient IDs
        "00100030",  # Patient's Birth Date
        "00100040",  # Patient's Sex
        "00380010",  # Admission ID
        "00380014",  # Issuer of Admission ID
        "00081080",  # Admitting Diagnoses Description
        "00081084",  # Admitting Diagnoses Code
        "0040A370",  # Referenced Request
        "00102000",  # Medical Alerts
        "001021C0",  # Pregnancy Status
        "00380050",  # Special Needs
        attributes.PROCEDURE_STEP_STATE,
        attributes.PROGRESS_INFORMATION,
    }
)
# Of type 2 too, but a step need not have them.
RETURNED_EMPTY_OR_NOT: JsonDataSet = {
    "0020000D": element("UI"),  # Study Instance UID
    "00404034": element("SQ"),  # Scheduled Human Performers
}
# Type 1C, if set, of what was performed.
RETURNED_OF_PERFORMED = (
    "00404035",  # Actual Human Performers
    "00404051",  # Performed Procedure Step End DateTime
)


@dataclass(frozen=True, slots=True)
class WorkitemQuery:
    """One question. `tags` are returned beside the usual ones; None returns everything."""

    scope: Scope
    keys: tuple[DocumentKey, ...]
    limit: int
    offset: int = 0
    tags: frozenset[str] | None = frozenset()


@dataclass(frozen=True, slots=True)
class WorkitemPage:
    """Results by their scheduled start; `is_cut_short` when not every workitem was looked at."""

    results: tuple[JsonDataSet, ...]
    has_more: bool
    is_cut_short: bool


def search_workitems(query: WorkitemQuery) -> WorkitemPage:
    """The page of steps that match, in one statement.

    Its cursor lives in a transaction: outside of one PostgreSQL would compute all rows first.
    """
    if not query.limit or not query.scope.space_ids:
        return WorkitemPage((), has_more=False, is_cut_short=False)
    steps = MatchingSteps(query.scope, query.keys)
    with transaction.atomic():
        found = [step for _, step in islice(steps, query.offset, query.offset + query.limit + 1)]
    shown = tuple(_returned(step, query) for step in found[: query.limit])
    return WorkitemPage(shown, len(found) > query.limit, steps.is_cut_short)


class MatchingSteps:
    """Ids and data sets of the steps in a scope that match, by their scheduled start."""

    def __init__(self, scope: Scope, keys: Sequence[DocumentKey]) -> None:
        """At most `workitems_searched_max` steps are read."""
        wanted = Q(storage_space_id__in=scope.space_ids)
        for key in keys:
            wanted &= _narrowing(key)
        self.is_cut_short = False
        self._matcher = DocumentMatcher(keys)
        self._rows = Workitem.objects.filter(wanted).order_by("scheduled_at", "pk")

    def __iter__(self) -> Iterator[tuple[int, JsonDataSet]]:
        rows_max = settings.LIMITS.workitems_searched_max
        rows = self._rows.values_list("pk", "data_set")[: rows_max + 1]
        for number, (pk, step) in enumerate(rows.iterator(chunk_size=CHUNK_ROWS)):
            if number == rows_max:
                self.is_cut_short = True
                return
            if self._matcher.matches(step):
                yield pk, step


def _narrowing(key: DocumentKey) -> Q:
    """What every step that matches the key fulfils in its columns; nothing where none says it."""
    column = _COLUMNS.get(f"{key.path[0]:08X}") if len(key.path) == 1 else None
    if column is None:
        return Q()
    if column == "scheduled_at":
        return _around(key.match)
    match key.match:
        case SingleValue(value=value) if value:
            return Q((column, value[:256]))
        case ValueList(values=values) | UIDList(values=values):
            return Q((f"{column}__in", [value[:256] for value in values]))
    return Q()


def _around(match: Match) -> Q:
    if not isinstance(match, DateTimeRange):
        return Q()
    wanted = Q()
    try:
        if match.first:
            wanted &= Q(scheduled_at__gte=_moment(match.first) - _ZONES)
        if match.last:
            wanted &= Q(scheduled_at__lte=_moment(match.last) + _ZONES)
    except OverflowError:  # at an end of the calendar, where the column excludes nothing
        return Q()
    return wanted


def _moment(text: str) -> datetime:
    """To the minute, which is enough here."""
    return datetime.strptime(text[:12], "%Y%m%d%H%M").replace(tzinfo=UTC)


def _returned(step: JsonDataSet, query: WorkitemQuery) -> JsonDataSet:
    if query.tags is None:
        return RETURNED_EMPTY_OR_NOT | step
    wanted = RETURNED | query.tags | {f"{key.path[0]:08X}" for key in query.keys}
    wanted |= RETURNED_EMPTY_OR_NOT.keys()
    asked = {tag: item for tag, item in step.items() if tag in wanted}
    return RETURNED_EMPTY_OR_NOT | _performed(step) | asked


def _performed(step: JsonDataSet) -> JsonDataSet:
    """What a result tells of the performed procedure unasked; {} before there is any."""
    told = [
        {tag: item[tag] for tag in RETURNED_OF_PERFORMED if attributes.has_value(item, tag)}
        for item in attributes.items(step, attributes.PERFORMED_PROCEDURE)
    ]
    return {attributes.PERFORMED_PROCEDURE: element("SQ", *told)} if any(told) else {}


_COLUMNS = {
    attributes.SOP_INSTANCE_UID: "sop_instance_uid",
    attributes.PROCEDURE_STEP_STATE: "procedure_step_state",
    attributes.PRIORITY: "scheduled_procedure_step_priority",
    attributes.INPUT_READINESS_STATE: "input_readiness_state",
    attributes.PATIENT_ID: "patient_id",
    attributes.START_DATETIME: "scheduled_at",
}
