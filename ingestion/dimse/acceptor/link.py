"""An established association that we accepted: messages in, messages out, one at a time.

Source: PS3.8 9.2 (state 6), 9.3.5 (P-DATA-TF); PS3.7 9.3.2.3 (C-CANCEL), D.3.3.3 (no window:
while a request is being answered the peer sends C-CANCEL and responses, nothing else).
"""

import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ingestion.dimse.protocol.commands import CommandField, Request, Response
from ingestion.dimse.protocol.data_path import Fragment, PduReader
from ingestion.dimse.protocol.messages import MessageReader
from ingestion.dimse.protocol.negotiation import AnsweredContext
from ingestion.dimse.protocol.sending import MessageWriter
from ingestion.dimse.protocol.upper_layer import (
    Abort,
    AbortedByPeer,
    PduType,
    ProtocolViolation,
    ReleasedByPeer,
    unexpected_pdu,
)
from ingestion.dimse.services.notifications import Notifications, Settle
from ingestion.dimse.services.operations import Message

_SHORT_PDU_BYTES = 4  # A-RELEASE-RQ, A-ABORT (PS3.8 9.3.6, 9.3.8)
# Peers that do not wait to be told release at once; they had rather not be told meanwhile.
_LEAVING_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the peer may be silent: between messages, and while we wait for more of one."""

    between_messages_seconds: float
    within_message_seconds: float


class Channel:
    """Both directions of an association. Everything raises `AssociationEnded` when it is over."""

    def __init__(
        self,
        connection: socket.socket,
        reader: PduReader,
        *,
        contexts: Mapping[int, AnsweredContext],
        pdu_bytes_max: int,
        peer_pdu_bytes_max: int,
        patience: Patience,
        notifications: Notifications,
    ) -> None:
        self.contexts = contexts
        self.notifications = notifications
        self._reader = reader
        self._messages = MessageReader(_fragments(reader, pdu_bytes_max), contexts)
        self._writer = MessageWriter(
            connection,
            pdu_bytes_max=peer_pdu_bytes_max,
            patience_seconds=patience.between_messages_seconds,
        )
        self._patience = patience

    def receive_request(self) -> tuple[Request, int]:
        """Wait for the next request; also tells the ID of its context.

        Its data set, if it has one, must be read next. Answers to notifications are taken.
        """
        while True:
            self._reader.limit_silence(self._patience.between_messages_seconds)
            command, context_id = self._messages.read_command()
            self._reader.limit_silence(self._patience.within_message_seconds)
            if isinstance(command, Request):
                return command, context_id
            if command.has_data_set:
                self.receive_data_set(context_id, lambda _view: None)
            if not self.notifications.take(command):
                raise ProtocolViolation(Abort.BY_SERVICE_USER, "a response that answers no request")

    def receive_next(self) -> Request | Response:
        """Wait for the next message while a request is being answered; its data set is let pass.

        All of it must come in time, however it trickles: what answers may hold a query open.
        """
        self._reader.limit_time(self._patience.within_message_seconds)
        command, context_id = self._messages.read_command()
        if command.has_data_set:
            self.receive_data_set(context_id, lambda _view: None)
        self._reader.limit_silence(self._patience.within_message_seconds)
        return command

    def receive_data_set(self, context_id: int, write: Callable[[memoryview], None]) -> None:
        """Give the data set of the message that was just received to `write`, in pieces."""
        self._messages.read_data_set(context_id, write)

    def has_input(self) -> bool:
        """Whether the peer said something or left. Does not wait."""
        return self._reader.has_input()

    def is_left(self, *, within_seconds: float) -> bool:
        """Whether the next that comes from the peer, if it comes by then, is its end."""
        upcoming = self._reader.upcoming_pdu_type(within_seconds=within_seconds)
        return upcoming in {PduType.A_RELEASE_RQ, PduType.A_ABORT}

    def send(self, message: Message, *, context_id: int) -> None:
        """Send a message, in this context unless it names its own."""
        self._writer.send(
            message.command_set,
            context_id=message.context_id or context_id,
            data_set=message.data_set,
        )


class RequestLink:
    """The association as one operation on it sees it, while it answers its request."""

    def __init__(self, channel: Channel, request: Request, context_id: int) -> None:
        self._channel = channel
        self._message_id = request.message_id
        self._context_id = context_id
        self._is_cancelled = False

    @property
    def contexts(self) -> Mapping[int, AnsweredContext]:
        """The accepted presentation contexts by their ID."""
        return self._channel.contexts

    def send(self, message: Message) -> None:
        """Send a message."""
        self._channel.send(message, context_id=self._context_id)

    def receive_response(self) -> Response:
        """Wait for a response; a C-CANCEL that comes before it is kept in mind."""
        while True:
            command = self._channel.receive_next()
            if isinstance(command, Request):
                self._take_cancel(command)
            elif not self._channel.notifications.take(command):
                return command

    def notify(self, message_of: Callable[[int], Message], settle: Settle) -> None:
        """Send a request of ours that is answered later, unless the peer leaves."""
        message_id = self._channel.notifications.add(settle)
        if self._channel.is_left(within_seconds=_LEAVING_SECONDS):
            self._channel.notifications.drop()
        else:
            self.send(message_of(message_id))

    def is_cancelled(self) -> bool:
        """Whether the request was cancelled; takes one message at most, lest it never ends."""
        if not self._is_cancelled and self._channel.has_input():
            command = self._channel.receive_next()
            if isinstance(command, Request):
                self._take_cancel(command)
            elif not self._channel.notifications.take(command):
                raise ProtocolViolation(Abort.BY_SERVICE_USER, "a response to no request of ours")
        return self._is_cancelled

    def _take_cancel(self, request: Request) -> None:
        if request.command_field != CommandField.C_CANCEL_RQ:
            raise ProtocolViolation(
                Abort.BY_SERVICE_USER, "a request before the last one was answered"
            )
        # One of another message came too late for it and means nothing.
        self._is_cancelled |= request.message_id == self._message_id


def _fragments(reader: PduReader, pdu_bytes_max: int) -> Iterator[Fragment]:
    """Every fragment in order, of as many PDUs as come; ends by raising `AssociationEnded`."""
    while True:
        pdu_type, length = reader.read_header()
        if pdu_type == PduType.P_DATA_TF:
            if length > pdu_bytes_max:
                raise ProtocolViolation(Abort.INVALID_PDU_PARAMETER, "PDU above the maximum length")
            yield from reader.fragments(length)
        elif length != _SHORT_PDU_BYTES:
            raise unexpected_pdu(pdu_type)
        elif pdu_type == PduType.A_RELEASE_RQ:
            reader.read_body(length)
            raise ReleasedByPeer("the peer released the association")
        elif pdu_type == PduType.A_ABORT:
            raise AbortedByPeer("the peer aborted")
        else:
            raise unexpected_pdu(pdu_type)
