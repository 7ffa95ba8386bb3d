"""What is the same about every association that we accept, whichever data path serves it.

Source: PS3.8 7.1 (A-ASSOCIATE), Table 9-21 (rejections).
"""

import abc
import socket
import ssl
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from ingestion.dimse.acceptor.house import House
from ingestion.dimse.journal.association_end import (
    AssociationEnding,
    Outcome,
    parties_of,
    report_end,
)
from ingestion.dimse.journal.tally import Tally
from ingestion.dimse.protocol.association_request import AssociationRequest
from ingestion.dimse.protocol.negotiation import AnsweredContext
from ingestion.dimse.protocol.upper_layer import Refusal, Rejection
from ingestion.dimse.security.association_policy import LocalEntity
from ingestion.dimse.services.operations import Conversation, Desk

if TYPE_CHECKING:  # the protocol hands the space through and needs nothing of Django
    from ingestion.models import StorageSpace

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that is accepted: by whom, and whether the peer is told that it proved itself."""

    entity: LocalEntity
    confirms_identity: bool


class ServedAssociation(abc.ABC):
    """An accepted connection. `run` serves it to its end; `stop` may come from any thread."""

    def __init__(
        self,
        connection: socket.socket,
        peer_address: str,
        *,
        house: House,
        turned_away: Rejection | None = None,
    ) -> None:
        self._connection = connection
        self._peer_address = peer_address
        self._house = house
        self._turned_away = turned_away
        self._association_id = uuid.uuid4().hex
        self._request: AssociationRequest | None = None
        self._contexts: tuple[AnsweredContext, ...] = ()
        self._storage_space: StorageSpace | None = None
        self._user_identity = ""
        self._tally = Tally()

    def run(self) -> None:
        """Serve the association. Returns when the connection is closed; raises nothing."""
        started_at = datetime.now(UTC)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(association_id=self._association_id)
        outcome, reason = Outcome.BROKEN, ""
        try:
            outcome, reason = self._serve_to_end()
        except Exception:  # the outermost loop: one association never takes others with it
            log.exception("association failed")
            self._abort()
        finally:
            self._close()
            self._report(outcome, reason, started_at)

    @abc.abstractmethod
    def stop(self) -> None:
        """Abort the association soon."""

    @abc.abstractmethod
    def _serve_to_end(self) -> tuple[Outcome, str]:
        """Serve; tells how it ended, and why."""

    @abc.abstractmethod
    def _abort(self) -> None:
        """End it at once: something of ours broke."""

    def _close(self) -> None:
        self._connection.close()

    def _admit(self, request: AssociationRequest) -> Admitted:
        """Decide who may associate. Raises `Refusal`."""
        self._request = request
        if self._turned_away is not None:
            raise Refusal(self._turned_away, "limit of associations reached")
        entity = self._house.admit(request, self._peer_address)
        self._storage_space = entity.storage_space
        identity = self._house.check_identity(request, entity, self._peer_address)
        self._user_identity = identity or ""
        offered = request.user_identity
        return Admitted(
            entity, confirms_identity=bool(identity and offered and offered.wants_response)
        )

    def _desk(
        self, request: AssociationRequest, admitted: Admitted, *, extended: Mapping[str, bytes]
    ) -> Desk:
        conversation = Conversation(
            association_id=self._association_id,
            calling_ae_title=request.calling_ae_title,
            called_ae_title=request.called_ae_title,
            peer_address=self._peer_address,
            storage_space=admitted.entity.storage_space,
            user_identity=self._user_identity,
            extended=extended,
        )
        return Desk(
            conversation,
            self._tally,
            take_custody=self._house.take_custody,
            identifier_bytes_max=self._house.identifier_bytes_max,
        )

    def _report(self, outcome: Outcome, reason: str, started_at: datetime) -> None:
        ending = AssociationEnding(
            association_id=self._association_id,
            outcome=outcome,
            reason=reason,
            started_at=started_at,
            peer_address=self._peer_address,
            parties=parties_of(self._request),
            tally=self._tally,
            contexts=self._contexts,
            storage_space=self._storage_space,
            is_encrypted=isinstance(self._connection, ssl.SSLSocket),
            user_identity=self._user_identity,
        )
        report_end(ending, self._house.record)
