"""The stock data path: pynetdicom reads everything; policy, services and custody are ours.

Slower than `association`, and an object passes through memory. Four things differ for
peers: unknown command fields and UIDs that break PS3.5 9.1 end the association, aborts
carry pynetdicom's reasons, the protocol version is not looked at, and that a passcode was
right is not confirmed.
Overrides what pynetdicom 3.0 calls private, each for a reason given here.
"""

import contextlib
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn

import structlog
from pydicom.uid import UID
from pynetdicom import AE, evt
from pynetdicom import _config as pynetdicom_config
from pynetdicom._globals import MODE_ACCEPTOR
from pynetdicom.association import Association as Reactor
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_primitives import C_STORE, DIMSEPrimitive
from pynetdicom.pdu_primitives import P_DATA, UserIdentityNegotiation
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.transport import AddressInformation, AssociationSocket

from ingestion.dicom.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from ingestion.dimse.acceptor.house import House
from ingestion.dimse.acceptor.served_association import ServedAssociation
from ingestion.dimse.journal.association_end import Outcome
from ingestion.dimse.protocol.association_request import (
    ASSOCIATE_RQ_BYTES_MAX,
    AssociationRequest,
    ProposedContext,
)
from ingestion.dimse.protocol.association_rules import Rules
from ingestion.dimse.protocol.commands import CommandField, Request
from ingestion.dimse.protocol.data_path import prepare_connection
from ingestion.dimse.protocol.extended_negotiation import OfferedIdentity
from ingestion.dimse.protocol.negotiation import AnsweredContext, ContextResult, accepted, negotiate
from ingestion.dimse.protocol.supported_services import Service
from ingestion.dimse.protocol.upper_layer import Refusal, Rejection, command_fragments
from ingestion.dimse.services.operations import Begin, Desk, Message

if TYPE_CHECKING:  # the protocol hands the space through and needs nothing of Django
    pass

log = structlog.get_logger(__name__)

pynetdicom_config.LOG_HANDLER_LEVEL = "none"  # it formats every PDU, logged or not

# pynetdicom tells these apart by what it finds of the transfer syntaxes.
_ANSWERED_BY_SYNTAX = {ContextResult.ACCEPTANCE, ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED}


class StockAssociation(ServedAssociation):
    """An accepted connection that pynetdicom serves. The same promises as `Association`."""

    def __init__(
        self,
        connection: socket.socket,
        peer_address: str,
        *,
        house: House,
        turned_away: Rejection | None = None,
    ) -> None:
        super().__init__(connection, peer_address, house=house, turned_away=turned_away)
        self._refusal = ""
        self._has_begun = False
        self._reactor = _build_reactor(connection, peer_address, house=house)
        self._reactor.bind(evt.EVT_REQUESTED, self._decide)
        self._reactor.bind(evt.EVT_ASYNC_OPS, _one_operation_at_a_time)

    def stop(self) -> None:
        """Abort the association now."""
        if self._has_begun:
            self._abort()
        else:
            with contextlib.suppress(OSError):  # it is closed already
                self._connection.shutdown(socket.SHUT_RD)

    def _abort(self) -> None:
        self._reactor.abort(block=False)

    def _close(self) -> None:
        self._reactor.dul.kill_dul()
        super()._close()

    def _serve_to_end(self) -> tuple[Outcome, str]:
        """Wait for the first byte ourselves: pynetdicom does not notice that a peer left."""
        try:
            prepare_connection(self._connection, timeout_seconds=self._house.artim_timeout_seconds)
            # Of the base class: with TLS it peeks at what is still encrypted, which will do.
            if not socket.socket.recv(self._connection, 1, socket.MSG_PEEK):
                return Outcome.PROBED, ""
        except OSError:
            return Outcome.PROBED, ""
        prepare_connection(self._connection, timeout_seconds=self._house.network_timeout_seconds)
        self._has_begun = True
        self._reactor.run_reactor()
        return self._outcome(), self._refusal

    def _decide(self, event: evt.Event) -> None:
        """Our policy, before pynetdicom negotiates: what it checks by itself is too little."""
        request = _as_request(event.assoc)
        try:
            admitted = self._admit(request)
        except Refusal as refusal:
            self._refusal = f"{refusal.rejection.name}: {refusal}"
            event.assoc.is_rejected = True
            event.assoc.acse.send_reject(*refusal.rejection.value)
            event.assoc.kill()
            return
        if admitted.confirms_identity:
            event.assoc.acceptor.add_negotiation_item(_confirmation())
        self._contexts = answered = negotiate(
            request, self._house.openness, _for_storage_alone(admitted.entity.rules)
        )
        event.assoc.acceptor.supported_contexts = _supported(answered)
        self._reactor.serve_with(
            self._desk(request, admitted, extended={}),
            contexts=accepted(answered),
            begin=self._house.begin,
        )

    def _outcome(self) -> Outcome:
        reactor = self._reactor
        if reactor.is_released:
            return Outcome.RELEASED
        if reactor.is_rejected:
            return Outcome.REFUSED
        if self._request is None:
            return Outcome.VIOLATED
        return Outcome.VIOLATED if reactor.has_sent_abort() else Outcome.ABORTED_BY_PEER


class _Reactor(Reactor):
    """Serves requests by our operations, where pynetdicom aborts for what it does not know."""

    def serve_with(
        self, desk: Desk, *, contexts: Mapping[int, AnsweredContext], begin: Begin
    ) -> None:
        """What requests are served with; set once, when the association is admitted."""
        self._desk = desk
        self._begin = begin
        self._contexts = contexts

    def has_sent_abort(self) -> bool:
        """Whether the association ended by an A-ABORT of ours."""
        return bool(self._sent_abort)

    def _serve_request(self, msg: DIMSEPrimitive, context_id: int) -> None:
        context = self._accepted_cx.get(context_id)
        if context is None or not msg.is_valid_request:
            self.abort()
            return
        data_set = _data_set(msg)
        # pynetdicom may have chosen another of the transfer syntaxes that we allow.
        answered = replace(
            self._contexts[context_id], transfer_syntax=str(context.transfer_syntax[0])
        )
        request = _as_service_request(msg, has_data_set=bool(data_set))
        operation = self._begin(request, answered, self._desk)
        try:
            operation.write(data_set)
            link = _ResponsesOnly(self._contexts, lambda message: self._send(message, context_id))
            for message in operation.answers(link):
                link.send(message)
        finally:
            operation.discard()

    def _send(self, message: Message, context_id: int) -> None:
        assert message.data_set == (), "no response of these services has a data set"
        for control, fragment in command_fragments(
            message.command_set, self.requestor.maximum_length or 0
        ):
            primitive = P_DATA()
            # A list, though annotated as a tuple: pynetdicom's own setter insists on it.
            primitive.presentation_data_value_list = [
                [context_id, bytes([control]) + fragment]  # type: ignore[list-item]
            ]
            self.dul.send_pdu(primitive)


@dataclass(frozen=True, slots=True)
class _ResponsesOnly:
    """The link of operations that only answer, as those of Verification and Storage do."""

    contexts: Mapping[int, AnsweredContext]
    send: Callable[[Message], None]

    def receive_response(self) -> NoReturn:
        """Nothing was asked of the peer."""
        raise AssertionError("the stock data path sends no requests")

    def notify(self, _message_of: object, _settle: object) -> NoReturn:
        """Nobody is told anything."""
        raise AssertionError("the stock data path sends no requests")

    def is_cancelled(self) -> bool:
        """These services know no C-CANCEL."""
        return False


class _Messages(DIMSEServiceProvider):
    """Ends the association for a command set that cannot be read; pynetdicom's thread dies."""

    def receive_primitive(self, primitive: P_DATA) -> None:
        try:
            super().receive_primitive(primitive)
        except (KeyError, AttributeError, ValueError, TypeError, OSError):
            self.dul.event_queue.put("Evt19")  # PS3.8 Table 9-10: invalid PDU


class _BoundedSocket(AssociationSocket):
    """Reads no PDU above the limits; pynetdicom reads any length that a peer states."""

    pdu_bytes_max = ASSOCIATE_RQ_BYTES_MAX

    def recv(self, nr_bytes: int) -> bytearray:
        if nr_bytes > self.pdu_bytes_max:
            raise OSError("PDU above the maximum length")
        received: bytearray = super().recv(nr_bytes)
        return received


def _build_reactor(connection: socket.socket, peer_address: str, *, house: House) -> _Reactor:
    entity = AE()
    entity.acse_timeout = house.artim_timeout_seconds
    entity.network_timeout = house.network_timeout_seconds
    reactor = _Reactor(entity, MODE_ACCEPTOR)
    reactor.dimse = _Messages(reactor)
    bounded = _BoundedSocket(reactor, client_socket=connection)
    bounded.pdu_bytes_max = max(ASSOCIATE_RQ_BYTES_MAX, house.pdu_bytes_max)
    reactor.set_socket(bounded)
    reactor.requestor.address_info = AddressInformation(peer_address, 0)
    reactor.acceptor.maximum_length = house.pdu_bytes_max
    reactor.acceptor.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
    reactor.acceptor.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    return reactor


def _as_request(reactor: Reactor) -> AssociationRequest:
    primitive = reactor.requestor.primitive
    assert primitive is not None  # the event that brings us here carries it
    return AssociationRequest(
        protocol_version=1,  # pynetdicom does not hand it on
        called_ae_title=primitive.called_ae_title,
        calling_ae_title=primitive.calling_ae_title,
        application_context_name=str(primitive.application_context_name),
        contexts=tuple(
            ProposedContext(
                int(context.context_id or 0),
                str(context.abstract_syntax),
                tuple(str(uid) for uid in context.transfer_syntax),
            )
            for context in primitive.presentation_context_definition_list
        ),
        pdu_bytes_max=reactor.requestor.maximum_length or 0,
        proposes_asynchronous_operations=reactor.requestor.asynchronous_operations != (1, 1),
        implementation_version_name=reactor.requestor.implementation_version_name or "",
        user_identity=_offered_identity(reactor),
    )


def _offered_identity(reactor: Reactor) -> OfferedIdentity | None:
    offered = reactor.requestor.user_identity
    if offered is None:
        return None
    return OfferedIdentity(
        int(offered.user_identity_type or 0),
        bool(offered.positive_response_requested),
        primary=offered.primary_field or b"",
        secondary=offered.secondary_field or b"",
    )


def _supported(answered: tuple[AnsweredContext, ...]) -> list[PresentationContext]:
    """What pynetdicom shall accept: per abstract syntax the transfer syntaxes that we chose.

    Where none was proposed that we can keep, the one put here was not proposed either.
    """
    chosen: dict[str, list[str]] = {}
    for context in answered:
        if context.result in _ANSWERED_BY_SYNTAX:
            chosen.setdefault(context.abstract_syntax, []).append(context.transfer_syntax)
    return [build_context(abstract, syntaxes) for abstract, syntaxes in chosen.items()]


def _as_service_request(msg: DIMSEPrimitive, *, has_data_set: bool) -> Request:
    return Request(
        command_field=CommandField[f"{msg.msg_type}_RQ".replace("-", "_")],
        message_id=int(msg.MessageID or 0),
        sop_class_uid=_uid(msg, "AffectedSOPClassUID", "RequestedSOPClassUID"),
        sop_instance_uid=_uid(msg, "AffectedSOPInstanceUID", "RequestedSOPInstanceUID"),
        has_data_set=has_data_set,
    )


def _uid(msg: DIMSEPrimitive, *keywords: str) -> str:
    return next((str(value) for value in (getattr(msg, k, None) for k in keywords) if value), "")


def _data_set(msg: DIMSEPrimitive) -> memoryview:
    if isinstance(msg, C_STORE) and msg.DataSet is not None:
        return memoryview(msg.DataSet.getvalue())
    return memoryview(b"")


def _for_storage_alone(rules: Rules) -> Rules:
    """The rules without the services that have our own data path alone."""
    may_store = rules.services is None or Service.STORE in rules.services
    return replace(rules, services=frozenset({Service.STORE} if may_store else ()))


def _confirmation() -> UserIdentityNegotiation:
    """A positive response, empty as for all but Kerberos and SAML (PS3.7 Table D.3-15)."""
    confirmation = UserIdentityNegotiation()
    confirmation.server_response = b""
    return confirmation


def _one_operation_at_a_time(_event: evt.Event) -> tuple[int, int]:
    return 1, 1
