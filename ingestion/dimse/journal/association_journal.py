"""What our own associations did and how they ended: one record of each, as of those we accept."""

import uuid
from datetime import UTC, datetime

from ingestion.dimse.journal.association_end import (
    AssociationEnding,
    Outcome,
    Parties,
    RecordEnding,
)
from ingestion.dimse.journal.tally import Tally
from ingestion.dimse.protocol.association_acceptance import Acceptance, AssociationRejected
from ingestion.dimse.protocol.upper_layer import (
    AbortedByPeer,
    AssociationEnded,
    MessageCutOff,
    PeerSilent,
    PeerUnreachable,
    PeerVanished,
    ProtocolViolation,
    ReleasedByPeer,
    ServiceStopping,
)

_OUTCOMES: dict[type[AssociationEnded], Outcome] = {
    AssociationRejected: Outcome.REFUSED,
    PeerUnreachable: Outcome.VANISHED,
    AbortedByPeer: Outcome.ABORTED_BY_PEER,
    MessageCutOff: Outcome.BROKEN,
    PeerSilent: Outcome.SILENT,
    PeerVanished: Outcome.VANISHED,
    ProtocolViolation: Outcome.VIOLATED,
    ReleasedByPeer: Outcome.RELEASED,
    ServiceStopping: Outcome.STOPPED,
}


class AssociationJournal:
    """Keeps count of one association; `close` records it, once."""

    def __init__(
        self, record: RecordEnding, parties: Parties, *, peer_address: str, is_encrypted: bool
    ) -> None:
        """The association is about to be asked for."""
        self.tally = Tally()
        self._record = record
        self._parties = parties
        self._peer_address = peer_address
        self._is_encrypted = is_encrypted
        self._acceptance: Acceptance | None = None
        self._started_at = datetime.now(UTC)
        self._is_closed = False

    def note_acceptance(self, acceptance: Acceptance) -> None:
        """The peer accepted."""
        self._acceptance = acceptance
        self._parties = Parties(
            self._parties.calling_ae_title,
            self._parties.called_ae_title,
            acceptance.implementation_version_name,
        )

    def close(self, end: AssociationEnded | None) -> None:
        """Record how it ended; None when it was released. What comes later is not recorded."""
        if self._is_closed:
            return
        self._is_closed = True
        self._record(
            AssociationEnding(
                association_id=uuid.uuid4().hex,
                outcome=Outcome.RELEASED if end is None else _OUTCOMES[type(end)],
                reason="" if end is None else str(end),
                started_at=self._started_at,
                peer_address=self._peer_address,
                parties=self._parties,
                tally=self.tally,
                contexts=self._acceptance.answered if self._acceptance else (),
                is_requested=True,
                is_encrypted=self._is_encrypted,
            )
        )
