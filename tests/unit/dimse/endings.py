"""Endings of associations that never were, for tests of what becomes of them."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from ingestion.dimse.journal.association_end import AssociationEnding, Outcome, Parties
from ingestion.dimse.journal.tally import Tally

STARTED_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def ending(**fields: Any) -> AssociationEnding:
    """A refused association of MODALITY, unless the fields say otherwise."""
    defaults: dict[str, Any] = {
        "association_id": "a1",
        "outcome": Outcome.REFUSED,
        "reason": "CALLED_AE_NOT_RECOGNIZED: called AE title is not ours",
        "started_at": STARTED_AT,
        "ended_at": STARTED_AT,
        "peer_address": "192.0.2.1",
        "parties": Parties("MODALITY", "NOBODY", "SCRIPTED"),
        "tally": Tally(),
    }
    return AssociationEnding(**(defaults | fields))


def working(**fields: Any) -> AssociationEnding:
    """An association that stored three instances."""
    tally = Tally(instances_stored=3, bytes_stored=300, operations=Counter({"C-STORE": 3}))
    return ending(**({"outcome": Outcome.RELEASED, "reason": "", "tally": tally} | fields))
