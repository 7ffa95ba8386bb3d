"""One association as acceptor: from the connection to its end, on one thread.

Source: PS3.8 9.2 (state machine, states 2 to 13), 7.1 to 7.4 (services).
"""

import contextlib
import socket
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

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
from ingestion.dimse.commands import Request
from ingestion.dimse.data_path import PduReader, prepare_connection, send
from ingestion.dimse.messages import MessageReceiver
from ingestion.dimse.negotiation import (
    AnsweredContext,
    Openness,
    accepted,
    encode_acceptance,
    negotiate,
)
from ingestion.dimse.operations import Conversation, Operation, Tally
from ingestion.dimse.service_store import TakeCustody
from ingestion.dimse.services import begin_operation
from ingestion.dimse.upper_layer import (
    Abort,
    AbortedByPeer,
    AssociationEnded,
    PduType,
    PeerSilent,
    PeerVanished,
    ProtocolViolation,
    Refusal,
    Rejection,
    ServiceStopping,
    encode_abort,
    encode_command,
    encode_rejection,
    encode_release_response,
)

if TYPE_CHECKING:  # the protocol hands the space through and needs nothing of Django
    from ingestion.models import StorageSpace

log = structlog.get_logger(__name__)

_SHORT_PDU_BYTES = 4  # A-RELEASE-RQ, A-ABORT (PS3.8 9.3.6, 9.3.8)


# What ends an association → its name and the A-ABORT that the peer is sent, if any.
_ENDINGS: dict[type[AssociationEnded], tuple[Outcome, Abort | None]] = {
    AbortedByPeer: (Outcome.ABORTED_BY_PEER, None),
    PeerVanished: (Outcome.VANISHED, None),
    PeerSilent: (Outcome.SILENT, Abort.NOT_SPECIFIED),
    ServiceStopping: (Outcome.STOPPED, Abort.NOT_SPECIFIED),
}

Admit = Callable[[AssociationRequest, str], LocalEntity]


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
        self._messages: MessageReceiver | None = None
        self._tally = Tally()
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
            self._close()
            self._report(outcome, rule, started_at)

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
        )
        report_end(ending, self._house.record)

    def _serve_to_end(self) -> tuple[Outcome, str]:
        try:
            prepare_connection(
                self._connection, timeout_seconds=self._house.network_timeout_seconds
            )
            self._associate()
            self._serve_messages()
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

    def _associate(self) -> None:
        """States 2 and 3: read the request, decide, answer."""
        self._reader.limit_time(self._house.artim_timeout_seconds)
        self._request = request = self._read_request()
        if self._turned_away is not None:
            raise Refusal(self._turned_away, "limit of associations reached")
        entity = self._house.admit(request, self._peer_address)
        conversation = self._conversation(request, entity)
        self._storage_space = entity.storage_space
        self._contexts = contexts = negotiate(request, self._house.openness)
        self._messages = MessageReceiver(
            accepted(contexts),
            begin=lambda asked, context: self._begin(asked, context, conversation),
            answer=self._answer,
        )
        acceptance = encode_acceptance(request, contexts, pdu_bytes_max=self._house.pdu_bytes_max)
        send(self._connection, acceptance)
        self._reader.limit_silence(self._house.network_timeout_seconds)

    def _conversation(self, request: AssociationRequest, entity: LocalEntity) -> Conversation:
        return Conversation(
            association_id=self._association_id,
            calling_ae_title=request.calling_ae_title,
            called_ae_title=request.called_ae_title,
            peer_address=self._peer_address,
            storage_space=entity.storage_space,
        )

    def _read_request(self) -> AssociationRequest:
        pdu_type, length = self._reader.read_header()
        if pdu_type == PduType.A_ABORT:
            raise AbortedByPeer("the peer aborted before it asked")
        if pdu_type != PduType.A_ASSOCIATE_RQ:
            raise _unexpected(pdu_type)
        if length > ASSOCIATE_RQ_BYTES_MAX:
            raise ProtocolViolation(Abort.INVALID_PDU_PARAMETER, "A-ASSOCIATE-RQ above its limit")
        return decode_association_request(self._reader.read_body(length))

    def _serve_messages(self) -> None:
        """State 6, until the peer releases."""
        assert self._messages is not None
        while True:
            pdu_type, length = self._reader.read_header()
            if pdu_type == PduType.P_DATA_TF:
                if length > self._house.pdu_bytes_max:
                    raise ProtocolViolation(
                        Abort.INVALID_PDU_PARAMETER, "PDU above the maximum length"
                    )
                for fragment in self._reader.fragments(length):
                    self._messages.take(fragment)
            elif length != _SHORT_PDU_BYTES:
                raise _unexpected(pdu_type)
            elif pdu_type == PduType.A_RELEASE_RQ:
                self._reader.read_body(length)
                self._release()
                return
            elif pdu_type == PduType.A_ABORT:
                raise AbortedByPeer("the peer aborted")
            else:
                raise _unexpected(pdu_type)

    def _release(self) -> None:
        """Answer, then let the peer close (PS3.8 9.2, AR-4)."""
        self._messages_done()
        with contextlib.suppress(AssociationEnded):  # released, whether it hears that or not
            send(self._connection, encode_release_response())
            self._reader.limit_time(self._house.artim_timeout_seconds)
            self._reader.discard_until_closed()

    def _begin(
        self, request: Request, context: AnsweredContext, conversation: Conversation
    ) -> Operation:
        return begin_operation(
            request,
            context,
            conversation=conversation,
            take_custody=self._house.take_custody,
            tally=self._tally,
        )

    def _answer(self, command_set: bytes, context_id: int) -> None:
        assert self._request is not None
        send(
            self._connection,
            encode_command(
                command_set, context_id=context_id, pdu_bytes_max=self._request.pdu_bytes_max
            ),
        )

    def _say_goodbye(self, last_pdu: bytes) -> None:
        """Send the last PDU and let the peer close, so that it does read it (PS3.8 9.2, Sta13)."""
        self._messages_done()
        with contextlib.suppress(AssociationEnded, OSError):
            send(self._connection, last_pdu)
            self._connection.shutdown(socket.SHUT_WR)
            self._reader.limit_time(self._house.artim_timeout_seconds)
            self._reader.discard_until_closed()

    def _messages_done(self) -> None:
        if self._messages is not None:
            self._messages.discard()

    def _close(self) -> None:
        self._messages_done()
        self._messages = None  # it points back here, and the buffer should go now
        self._connection.close()


def _unexpected(pdu_type: int) -> ProtocolViolation:
    """PS3.8 Table 9-26: a PDU unknown, or known and out of place."""
    if pdu_type in set(PduType):
        return ProtocolViolation(Abort.UNEXPECTED_PDU, "PDU where it may not be")
    return ProtocolViolation(Abort.UNRECOGNIZED_PDU, "bytes that are no DICOM PDU")
