"""An association that we asked for: messages out and in, until it is released or aborted.

Source: PS3.8 7.2 to 7.4, 9.2 (state machine, states 6, 7, 9, 11 and 13); PS3.7 9.1.1 (C-STORE),
9.1.5 (C-ECHO), Annex F (fragments).
"""

import contextlib
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from ingestion.dimse.journal.association_journal import AssociationJournal
from ingestion.dimse.protocol.association_acceptance import Acceptance, abort_of_peer
from ingestion.dimse.protocol.commands import (
    CommandField,
    Request,
    Response,
    decode_command,
    encode_request,
)
from ingestion.dimse.protocol.data_path import Fragment, PduReader, send
from ingestion.dimse.protocol.messages import MessageReader
from ingestion.dimse.protocol.negotiation import AnsweredContext
from ingestion.dimse.protocol.outgoing_data_sets import OutgoingInstance, Pieces, opened_data_set
from ingestion.dimse.protocol.sending import MessageWriter
from ingestion.dimse.protocol.supported_services import VERIFICATION_SOP_CLASS_UID
from ingestion.dimse.protocol.upper_layer import (
    Abort,
    AssociationEnded,
    MessageCutOff,
    PduType,
    PeerSilent,
    PeerVanished,
    ProtocolViolation,
    ReleasedByPeer,
    ServiceStopping,
    encode_abort,
    encode_release_request,
    encode_release_response,
    unexpected_pdu,
)

_SHORT_PDU_BYTES = 4  # A-RELEASE-RQ, A-RELEASE-RP, A-ABORT (PS3.8 9.3.6 to 9.3.8)
_GOODBYE_SECONDS = 1.0  # for a peer to read our A-ABORT and close
_LAST_WORDS_SECONDS = 0.2  # for an A-ABORT that came before the connection broke
_RELEASE_SECONDS_MAX = 5.0
_MESSAGE_ID_MAX = 0xFFFF

# Where it is us who end; a violation names its own.
_ABORTS: dict[type[AssociationEnded], Abort] = {
    MessageCutOff: Abort.BY_SERVICE_USER,
    PeerSilent: Abort.NOT_SPECIFIED,
}


@dataclass(frozen=True, slots=True)
class ReceiveLimits:
    """What a peer may send us: bytes of a PDU, and of the data set of one message."""

    pdu_bytes_max: int = 128 * 1024
    data_set_bytes_max: int = 1024 * 1024


RECEIVE_LIMITS = ReceiveLimits()


@dataclass(frozen=True, slots=True)
class Received:
    """A message of the peer; the data set is empty when it has none."""

    context_id: int
    command: Request | Response
    data_set: bytes


class RequestedAssociation:
    """An established association; of one thread at a time. Made by `requesting.associate`.

    Every method but `release` and `abort` may raise `AssociationEnded` in its kinds: then the
    peer was told, if that could be, and the connection is closed.
    """

    def __init__(
        self,
        connection: socket.socket,
        reader: PduReader,
        *,
        acceptance: Acceptance,
        journal: AssociationJournal,
        limits: ReceiveLimits,
        response_timeout_seconds: float,
    ) -> None:
        self.acceptance = acceptance
        self._journal = journal
        self._connection = connection
        self._reader = reader
        self._limits = limits
        self._timeout_seconds = response_timeout_seconds
        self._writer = MessageWriter(
            connection,
            pdu_bytes_max=acceptance.pdu_bytes_max,
            patience_seconds=response_timeout_seconds,
        )
        self._incoming = self._fragments()
        self._messages = MessageReader(self._incoming, acceptance.contexts)
        self._message_id = 0
        self._is_releasing = False
        self.is_open = True

    @property
    def contexts(self) -> Mapping[int, AnsweredContext]:
        """The accepted presentation contexts by their ID."""
        return self.acceptance.contexts

    @property
    def bytes_sent(self) -> int:
        """Of data sets."""
        return self._writer.bytes_sent

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Release after success, abort after any error."""
        if kind is None:
            self.release()
        else:
            self.abort()

    def context_for(
        self, abstract_syntax: str, transfer_syntax: str = ""
    ) -> AnsweredContext | None:
        """The first accepted context of these, of any transfer syntax if none is given."""
        return next(
            (
                context
                for context in self.contexts.values()
                if context.abstract_syntax == abstract_syntax
                and transfer_syntax in {"", context.transfer_syntax}
            ),
            None,
        )

    def next_message_id(self) -> int:
        """A message ID that is not in use: 1 to 65535, then from 1 again."""
        self._message_id = self._message_id % _MESSAGE_ID_MAX + 1
        return self._message_id

    def echo(self) -> Response:
        """Ask whether the peer is there. It must have accepted Verification."""
        context = self.context_for(VERIFICATION_SOP_CLASS_UID)
        assert context is not None, "whoever echoes looks for the context first"
        message_id = self.next_message_id()
        command = encode_request(
            CommandField.C_ECHO_RQ,
            message_id=message_id,
            sop_class_uid=VERIFICATION_SOP_CLASS_UID,
        )
        self.send(command, context_id=context.context_id)
        return self.receive_response(message_id).command

    def store(
        self,
        instance: OutgoingInstance,
        *,
        context_id: int,
        priority: int = 0,
        move_originator: tuple[str, int] | None = None,
    ) -> Response:
        """Send an instance as it is, and wait for what the peer says to it.

        The context must be of its SOP Class and transfer syntax. Raises `ObjectMissing` and
        others of the object store when nothing was sent yet; the association then goes on.
        """
        message_id = self.next_message_id()
        command = encode_request(
            CommandField.C_STORE_RQ,
            message_id=message_id,
            sop_class_uid=instance.sop_class_uid,
            sop_instance_uid=instance.sop_instance_uid,
            has_data_set=True,
            priority=priority,
            move_originator=move_originator,
        )
        with opened_data_set(instance) as data_set:
            self._count(CommandField.C_STORE_RQ)
            self._send(command, context_id=context_id, data_set=data_set)
        response = self.receive_response(message_id).command
        self._journal.tally.instances_sent += 1
        return response

    def send(self, command_set: bytes, *, context_id: int, data_set: Pieces = ()) -> None:
        """Send a message; see `MessageWriter.send` for the errors of a data set."""
        command = decode_command(command_set)
        if isinstance(command, Request):
            self._count(CommandField(command.command_field))
        self._send(command_set, context_id=context_id, data_set=data_set)

    def receive(self) -> Received:
        """The next message of the peer, which must be there in time."""
        try:
            self._reader.limit_time(self._timeout_seconds)
            return self._receive()
        except AssociationEnded as end:
            self._end(end, abort_for(end))
            raise

    def receive_response(self, message_id: int) -> "ReceivedResponse":
        """The next message, which must answer this one."""
        received = self.receive()
        command = received.command
        if isinstance(command, Response) and command.message_id == message_id:
            return ReceivedResponse(command, received.data_set)
        violation = ProtocolViolation(Abort.BY_SERVICE_USER, "a message that is not the answer due")
        self._end(violation, violation.abort)
        raise violation

    def has_input(self, *, within_seconds: float) -> bool:
        """Whether the peer says something by then, be it that it leaves."""
        return self.is_open and self._reader.has_input(within_seconds=within_seconds)

    def is_idle(self) -> bool:
        """Whether it is open and the peer has sent nothing, neither an end nor anything else."""
        return self.is_open and not self._reader.has_input()

    def release(self) -> None:
        """End it in order; whether the peer hears that or not, it is over."""
        if not self.is_open:
            return
        self._is_releasing = True
        end = None
        try:
            send(self._connection, encode_release_request())
            self._reader.limit_time(min(self._timeout_seconds, _RELEASE_SECONDS_MAX))
            for _ in self._incoming:
                pass  # what comes before the A-RELEASE-RP is of no use any more
        except AssociationEnded as error:
            end = error
        self._end(end)

    def abort(self) -> None:
        """End it at once."""
        if self.is_open:
            self._end(ServiceStopping("we aborted it"), Abort.BY_SERVICE_USER)

    def stop(self) -> None:
        """End it without a word, though it waits for the peer. May come from any thread."""
        self._reader.stop_reading()
        with contextlib.suppress(OSError):  # it is closed already
            # Not of the TLS socket, which would send something while another thread may do so.
            socket.socket.shutdown(self._connection, socket.SHUT_RDWR)

    def _count(self, operation: CommandField) -> None:
        """Count a request by its name, C-STORE of C_STORE_RQ."""
        self._journal.tally.operations[operation.name.removesuffix("_RQ").replace("_", "-")] += 1

    def _send(self, command_set: bytes, *, context_id: int, data_set: Pieces) -> None:
        try:
            self._writer.send(command_set, context_id=context_id, data_set=data_set)
        except (MessageCutOff, ProtocolViolation) as end:  # between two PDUs
            self._end(end, abort_for(end))
            raise
        except PeerVanished as end:
            told = self._last_words() or end
            self._end(told)
            raise told from None
        except AssociationEnded as end:  # perhaps inside a PDU, where nothing can be told
            self._end(end)
            raise

    def _receive(self) -> Received:
        command, context_id = self._messages.read_command()
        data_set = bytearray()

        def write(view: memoryview) -> None:
            if len(data_set) + len(view) > self._limits.data_set_bytes_max:
                raise ProtocolViolation(Abort.BY_SERVICE_USER, "data set above its limit")
            data_set.extend(view)

        if command.has_data_set:
            self._messages.read_data_set(context_id, write)
        return Received(context_id, command, bytes(data_set))

    def _fragments(self) -> Iterator[Fragment]:
        """Everything the peer sends as data, until an A-RELEASE-RP that we wait for."""
        while True:
            pdu_type, length = self._reader.read_header()
            if pdu_type == PduType.P_DATA_TF:
                if length > self._limits.pdu_bytes_max:
                    raise ProtocolViolation(
                        Abort.INVALID_PDU_PARAMETER, "PDU above the maximum length"
                    )
                yield from self._reader.fragments(length)
            elif length != _SHORT_PDU_BYTES:
                raise unexpected_pdu(pdu_type)
            elif self._is_release_response(pdu_type, self._reader.read_body(length)):
                return

    def _is_release_response(self, pdu_type: int, body: bytes) -> bool:
        """False when the association goes on (PS3.8 9.2, AR-8 and AR-9: both release)."""
        if pdu_type == PduType.A_ABORT:
            raise abort_of_peer(body)
        if pdu_type == PduType.A_RELEASE_RQ:
            send(self._connection, encode_release_response())
            if not self._is_releasing:
                raise ReleasedByPeer("the peer released the association before we were done")
            return False
        if pdu_type == PduType.A_RELEASE_RP and self._is_releasing:
            return True
        raise unexpected_pdu(pdu_type)

    def _last_words(self) -> AssociationEnded | None:
        """What the peer said before it closed, if it said something."""
        self._reader.limit_time(_LAST_WORDS_SECONDS)
        try:
            for _ in self._incoming:
                pass
        except PeerVanished:
            return None
        except AssociationEnded as told:
            return told
        return None

    def _end(self, end: AssociationEnded | None, abort: Abort | None = None) -> None:
        self.is_open = False
        end_connection(self._connection, self._reader, abort)
        self._journal.tally.bytes_sent = self._writer.bytes_sent
        self._journal.close(end)


@dataclass(frozen=True, slots=True)
class ReceivedResponse:
    """A response of the peer; the data set is empty when it has none."""

    command: Response
    data_set: bytes


def abort_for(end: AssociationEnded) -> Abort | None:
    """What the peer is told when an association ends so; None when it knows, or is gone."""
    return end.abort if isinstance(end, ProtocolViolation) else _ABORTS.get(type(end))


def end_connection(connection: socket.socket, reader: PduReader, abort: Abort | None) -> None:
    """Close the connection; before that tell the peer, and let it read that (PS3.8 9.2, Sta13)."""
    with contextlib.suppress(AssociationEnded, OSError):
        if abort is not None:
            connection.settimeout(_GOODBYE_SECONDS)
            send(connection, encode_abort(abort))
            connection.shutdown(socket.SHUT_WR)
            reader.limit_time(_GOODBYE_SECONDS)
            reader.discard_until_closed()
    connection.close()
