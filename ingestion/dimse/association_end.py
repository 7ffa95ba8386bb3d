"""How associations end, and the one line that is logged about each."""

import enum

import structlog

from ingestion.dimse.association_request import AssociationRequest
from ingestion.dimse.operations import Tally

log = structlog.get_logger(__name__)


class Outcome(enum.StrEnum):
    """How an association ended."""

    RELEASED = "released"
    REFUSED = "refused"
    PROBED = "probed"  # connected and left without a word, as health checks do
    ABORTED_BY_PEER = "aborted by peer"
    VIOLATED = "protocol violated"
    SILENT = "peer silent"
    VANISHED = "peer vanished"
    STOPPED = "service stopped"
    BROKEN = "internal error"


# All others are warnings: handled, but odd.
_LEVELS = {Outcome.RELEASED: "info", Outcome.PROBED: "debug", Outcome.BROKEN: "error"}


def log_end(
    outcome: Outcome,
    reason: str,
    *,
    peer_address: str,
    request: AssociationRequest | None,
    tally: Tally,
    seconds: float,
) -> None:
    """Log that an association ended; `request` is None when none was understood."""
    getattr(log, _LEVELS.get(outcome, "warning"))(
        "association ended",
        outcome=outcome.value,
        reason=reason,
        peer_address=peer_address,
        calling_ae_title=request.calling_ae_title if request else "",
        called_ae_title=request.called_ae_title if request else "",
        peer_version=request.implementation_version_name if request else "",
        instances_stored=tally.instances_stored,
        instances_refused=tally.instances_refused,
        bytes_stored=tally.bytes_stored,
        seconds=round(seconds, 3),
    )
