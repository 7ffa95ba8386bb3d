"""How associations end: what is known of each, the one line that is logged, and the record."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from ingestion.dimse.journal.tally import Tally
from ingestion.dimse.protocol.association_request import AssociationRequest
from ingestion.dimse.protocol.negotiation import AnsweredContext
from ingestion.domain.association_outcomes import AssociationOutcome as Outcome

if TYPE_CHECKING:  # the protocol hands the space through and needs nothing of Django
    from ingestion.models import StorageSpace

__all__ = [
    "AssociationEnding",
    "Outcome",
    "Parties",
    "RecordEnding",
    "keep_no_record",
    "parties_of",
    "report_end",
]

log = structlog.get_logger(__name__)

# All others are warnings: handled, but odd.
_LEVELS = {Outcome.RELEASED: "info", Outcome.PROBED: "debug", Outcome.BROKEN: "error"}


@dataclass(frozen=True, slots=True)
class Parties:
    """Who called whom, and the peer's Implementation Version Name; empty where unknown."""

    calling_ae_title: str = ""
    called_ae_title: str = ""
    peer_version: str = ""


def parties_of(request: AssociationRequest | None) -> Parties:
    """The parties that a request names; nobody if none was understood."""
    if request is None:
        return Parties()
    return Parties(
        request.calling_ae_title, request.called_ae_title, request.implementation_version_name
    )


@dataclass(frozen=True, slots=True)
class AssociationEnding:
    """An association that is over or was refused.

    `is_requested`: we called the peer. `contexts` are those answered, accepted or not.
    """

    association_id: str
    outcome: Outcome
    reason: str
    started_at: datetime
    peer_address: str
    parties: Parties
    tally: Tally
    contexts: tuple[AnsweredContext, ...] = ()
    storage_space: "StorageSpace | None" = None
    is_requested: bool = False
    is_encrypted: bool = False
    user_identity: str = ""
    ended_at: datetime = field(default_factory=lambda: datetime.now(UTC))


# Keeps a record of an ending. Never blocks, never raises: the association is over.
RecordEnding = Callable[[AssociationEnding], None]


def keep_no_record(_ending: AssociationEnding) -> None:
    """For whoever wants the log line alone."""


def report_end(ending: AssociationEnding, record: RecordEnding) -> None:
    """Log that an association ended, and record it unless it was a mere probe."""
    parties, tally = ending.parties, ending.tally
    getattr(log, _LEVELS.get(ending.outcome, "warning"))(
        "association ended",
        outcome=ending.outcome.value,
        reason=ending.reason,
        peer_address=ending.peer_address,
        calling_ae_title=parties.calling_ae_title,
        called_ae_title=parties.called_ae_title,
        peer_version=parties.peer_version,
        instances_stored=tally.instances_stored,
        instances_refused=tally.instances_refused,
        bytes_stored=tally.bytes_stored,
        seconds=round((ending.ended_at - ending.started_at).total_seconds(), 3),
    )
    if ending.outcome is not Outcome.PROBED:
        record(ending)
