"""An association as acceptor on our own data path: from the connection to its end, on one thread.

Source: PS3.8 9.2 (state machine, states 2 to 13), 7.1 to 7.4 (services).
"""

import contextlib
import socket
from collections.abc import Mapping
from typing import NoReturn

from ingestion.dimse.acceptor.house import House
from ingestion.dimse.acceptor.link import Channel, Patience, RequestLink
from ingestion.dimse.acceptor.served_association import ServedAssociation
from ingestion.dimse.journal.association_end import Outcome
from ingestion.dimse.protocol.association_request import (
    ASSOCIATE_RQ_BYTES_MAX,
    AssociationRequest,
    decode_association_request,
)
from ingestion.dimse.protocol.commands import CommandField, Request
from ingestion.dimse.protocol.data_path import PduReader, prepare_connection, send
from ingestion.dimse.protocol.negotiation import (
    AnsweredContext,
    accepted,
    encode_acceptance,
    negotiate,
    negotiate_extensions,
)
from ingestion.dimse.protocol.upper_layer import (
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
from ingestion.dimse.services.notifications import Notifications
from ingestion.dimse.services.operations import Desk, Operation

# What ends an association → its name and the A-ABORT that the peer is sent, if any.
_ENDINGS: dict[type[AssociationEnded], tuple[Outcome, Abort | None]] = {
    AbortedByPeer: (Outcome.ABORTED_BY_PEER, None),
    PeerVanished: (Outcome.VANISHED, None),
    PeerSilent: (Outcome.SILENT, Abort.NOT_SPECIFIED),
    MessageCutOff: (Outcome.BROKEN, Abort.NOT_SPECIFIED),
    ServiceStopping: (Outcome.STOPPED, Abort.NOT_SPECIFIED),
}


class Association(ServedAssociation):
    """An accepted connection that we serve by ourselves."""

    def __init__(
        self,
        connection: socket.socket,
        peer_address: str,
        *,
        house: House,
        turned_away: Rejection | None = None,
    ) -> None:
        super().__init__(connection, peer_address, house=house, turned_away=turned_away)
        self._reader = PduReader(connection)
        self._notifications = Notifications()

    def run(self) -> None:
        """Serve the association. Returns when the connection is closed; raises nothing."""
        super().run()
        self._notifications.drop()

    def stop(self) -> None:
        """Abort the association at its next wait for the peer."""
        self._reader.stop_reading()

    def _abort(self) -> None:
        self._say_goodbye(encode_abort(Abort.NOT_SPECIFIED))

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
            # PS3.8 9.2: before a request that can be read AA-1, which names the user; then AA-8.
            abort = Abort.BY_SERVICE_USER if self._request is None else violation.abort
            self._say_goodbye(encode_abort(abort))
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
        request = self._read_request()
        admitted = self._admit(request)
        self._contexts = negotiate(request, self._house.openness, admitted.entity.rules)
        contexts = accepted(self._contexts)
        extended = negotiate_extensions(request, contexts)
        acceptance = encode_acceptance(
            request,
            self._contexts,
            pdu_bytes_max=self._house.pdu_bytes_max,
            extended=extended,
            confirms_identity=admitted.confirms_identity,
        )
        send(self._connection, acceptance)
        return self._channel(request, contexts), self._desk(request, admitted, extended=extended)

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
