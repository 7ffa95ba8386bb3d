"""One association as acceptor: from the connection to its end, on one thread.

Source: PS3.8 9.2 (state machine, states 2 to 13), 7.1 to 7.4 (services).
"""

import contextlib
import socket
import ssl
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

import structlog

from ingestion.dimse.association_end import (
    AssociationEnding,
    Outcome,
    RecordEnding,
    keep_no_record,
    parties_of,
    report_end,
)
from ingestion.dimse.association_policy import LocalEntity
from ingestion.dimse.association_request import (
    ASSOCIATE_RQ_BYTES_MAX,
    AssociationRequest,
    decode_association_request,
)
from ingestion.dimse.commands import CommandField, Request
from ingestion.dimse.data_path import PduReader, prepare_connection, send
from ingestion.dimse.link import Channel, Patience, RequestLink
from ingestion.dimse.negotiation import (
    AnsweredContext,
    accepted,
    encode_acceptance,
    negotiate,
    negotiate_extensions,
)
from ingestion.dimse.notifications import Notifications
from ingestion.dimse.operations import Begin, Conversation, Desk, Operation, Tally
from ingestion.dimse.service_store import TakeCustody
from ingestion.dimse.services import begin_operation
from ingestion.dimse.supported_services import Openness
from ingestion.dimse.upper_layer import (
    Abort,
    AbortedByPeer,
    AssociationEnded,
    MessageCutOff,
    PduType,
    PeerSilent,
    PeerVanished,
    ProtocolViolation,
    Refusal,
    Rejection,
    ReleasedByPeer,
    ServiceStopping,
    encode_abort,
    encode_rejection,
    encode_release_response,
    unexpected_pdu,
)

if TYPE_CHECKING:  # the protocol hands the space through and needs nothing of Django
    from ingestion.models import StorageSpace

log = structlog.get_logger(__name__)

IDENTIFIER_BYTES_MAX = 1024 * 1024

# What ends an association → its name and the A-ABORT that the peer is sent, if any.
_ENDINGS: dict[type[AssociationEnded], tuple[Outcome, Abort | None]] = {
    AbortedByPeer: (Outcome.ABORTED_BY_PEER, None),
    PeerVanished: (Outcome.VANISHED, None),
    PeerSilent: (Outcome.SILENT, Abort.NOT_SPECIFIED),
    MessageCutOff: (Outcome.BROKEN, Abort.NOT_SPECIFIED),
    ServiceStopping: (Outcome.STOPPED, Abort.NOT_SPECIFIED),
}

Admit = Callable[[AssociationRequest, str], LocalEntity]
# Who the peer proved to be; None when that is not looked at. Raises `Refusal`.
CheckIdentity = Callable[[AssociationRequest, LocalEntity, str], str | None]


def ignore_identity(_request: AssociationRequest, _entity: LocalEntity, _peer: str) -> None:
    """For a house that does not ask who is there."""


@dataclass(frozen=True, slots=True)
class House:
    """What every association of a process shares."""

    admit: Admit  # raises `Refusal`
    take_custody: TakeCustody
    openness: Openness
    pdu_bytes_max: int
    artim_timeout_seconds: float
    network_timeout_seconds: float
    record: RecordEnding = keep_no_record
    check_identity: CheckIdentity = ignore_identity
    dimse_timeout_seconds: float | None = None  # else as long as between messages
    identifier_bytes_max: int = IDENTIFIER_BYTES_MAX
    begin: Begin = begin_operation


class Association:
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
        self._notifications = Notifications()
        self._reader = PduReader(connection)

    def run(self) -> None:
        """Serve the association. Returns when the connection is closed; raises nothing."""
        started_at = datetime.now(UTC)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(association_id=self._association_id)
        outcome, rule = Outcome.BROKEN, ""
        try:
            outcome, rule = self._serve_to_end()
        except Exception:  # the outermost loop: one association never takes others with it
            log.exception("association failed")
            self._say_goodbye(encode_abort(Abort.NOT_SPECIFIED))
        finally:
            self._connection.close()
            self._report(outcome, rule, started_at)
            self._notifications.drop()

    def stop(self) -> None:
        """Abort the association at its next wait for the peer."""
        self._reader.stop_reading()

    def _report(self, outcome: Outcome, rule: str, started_at: datetime) -> None:
        ending = AssociationEnding(
            association_id=self._association_id,
            outcome=outcome,
            reason=rule,
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

    def _serve_to_end(self) -> tuple[Outcome, str]:
        try:
            prepare_connection(
                self._connection, timeout_seconds=self._house.network_timeout_seconds
            )
            channel, desk = self._associate()
            self._serve_requests(channel, desk)
        except ReleasedByPeer:
            self._release()
        except Refusal as refusal:
            self._say_goodbye(encode_rejection(refusal.rejection))
            return Outcome.REFUSED, f"{refusal.rejection.name}: {refusal}"
        except ProtocolViolation as violation:
            self._say_goodbye(encode_abort(violation.abort))
            return Outcome.VIOLATED, str(violation)
        except AssociationEnded as end:
            return self._end_without_release(end)
        except OSError:  # the peer was gone before the first read
            return Outcome.PROBED, ""
        return Outcome.RELEASED, ""

    def _end_without_release(self, end: AssociationEnded) -> tuple[Outcome, str]:
        outcome, abort = _ENDINGS[type(end)]
        if self._request is None and self._reader.bytes_read == 0:
            return Outcome.PROBED, str(end)
        if self._request is not None and abort is not None:  # else PS3.8 9.2, AA-2: close
            self._say_goodbye(encode_abort(abort))
        return outcome, str(end)

    def _associate(self) -> tuple[Channel, Desk]:
        """States 2 and 3: read the request, decide, answer."""
        self._reader.limit_time(self._house.artim_timeout_seconds)
        self._request = request = self._read_request()
        if self._turned_away is not None:
            raise Refusal(self._turned_away, "limit of associations reached")
        entity = self._house.admit(request, self._peer_address)
        self._storage_space = entity.storage_space
        identity = self._house.check_identity(request, entity, self._peer_address)
        self._user_identity = identity or ""
        self._contexts = negotiate(request, self._house.openness, entity.rules)
        contexts = accepted(self._contexts)
        extended = negotiate_extensions(request, contexts)
        offered = request.user_identity
        acceptance = encode_acceptance(
            request,
            self._contexts,
            pdu_bytes_max=self._house.pdu_bytes_max,
            extended=extended,
            confirms_identity=identity is not None and bool(offered and offered.wants_response),
        )
        send(self._connection, acceptance)
        return self._channel(request, contexts), self._desk(request, entity, extended)

    def _channel(
        self, request: AssociationRequest, contexts: Mapping[int, AnsweredContext]
    ) -> Channel:
        house = self._house
        return Channel(
            self._connection,
            self._reader,
            contexts=contexts,
            pdu_bytes_max=house.pdu_bytes_max,
            peer_pdu_bytes_max=request.pdu_bytes_max,
            patience=Patience(
                between_messages_seconds=house.network_timeout_seconds,
                within_message_seconds=house.dimse_timeout_seconds or house.network_timeout_seconds,
            ),
            notifications=self._notifications,
        )

    def _desk(
        self, request: AssociationRequest, entity: LocalEntity, extended: Mapping[str, bytes]
    ) -> Desk:
        conversation = Conversation(
            association_id=self._association_id,
            calling_ae_title=request.calling_ae_title,
            called_ae_title=request.called_ae_title,
            peer_address=self._peer_address,
            storage_space=entity.storage_space,
            user_identity=self._user_identity,
            extended=extended,
        )
        return Desk(
            conversation,
            self._tally,
            take_custody=self._house.take_custody,
            identifier_bytes_max=self._house.identifier_bytes_max,
        )

    def _read_request(self) -> AssociationRequest:
        pdu_type, length = self._reader.read_header()
        if pdu_type == PduType.A_ABORT:
            raise AbortedByPeer("the peer aborted before it asked")
        if pdu_type != PduType.A_ASSOCIATE_RQ:
            raise unexpected_pdu(pdu_type)
        if length > ASSOCIATE_RQ_BYTES_MAX:
            raise ProtocolViolation(Abort.INVALID_PDU_PARAMETER, "A-ASSOCIATE-RQ above its limit")
        return decode_association_request(self._reader.read_body(length))

    def _serve_requests(self, channel: Channel, desk: Desk) -> NoReturn:
        """State 6, one request after the other; ends by raising `AssociationEnded`."""
        while True:
            request, context_id = channel.receive_request()
            # A C-CANCEL that came too late: nothing is under way, and it has no response.
            if request.command_field != CommandField.C_CANCEL_RQ:
                operation = self._house.begin(request, channel.contexts[context_id], desk)
                _serve(operation, request, context_id=context_id, channel=channel)

    def _release(self) -> None:
        """Answer, then let the peer close (PS3.8 9.2, AR-4)."""
        with contextlib.suppress(AssociationEnded):  # released, whether it hears that or not
            send(self._connection, encode_release_response())
            self._reader.limit_time(self._house.artim_timeout_seconds)
            self._reader.discard_until_closed()

    def _say_goodbye(self, last_pdu: bytes) -> None:
        """Send the last PDU and let the peer close, so that it does read it (PS3.8 9.2, Sta13)."""
        with contextlib.suppress(AssociationEnded, OSError):
            send(self._connection, last_pdu)
            self._connection.shutdown(socket.SHUT_WR)
            self._reader.limit_time(self._house.artim_timeout_seconds)
            self._reader.discard_until_closed()


def _serve(operation: Operation, request: Request, *, context_id: int, channel: Channel) -> None:
    """Take the request's data set, then send every answer."""
    try:
        if request.has_data_set:
            channel.receive_data_set(context_id, operation.write)
        link = RequestLink(channel, request, context_id)
        for message in operation.answers(link):
            link.send(message)
    finally:
        operation.discard()
