"""Presentation contexts: which are accepted, and the A-ASSOCIATE-AC that says so.

Source: PS3.8 9.3.3 (A-ASSOCIATE-AC), Table 9-18 (results); PS3.7 D.3.3 (user information).
"""

import enum
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from ingestion.dicom.identifiers import is_valid_uid
from ingestion.dicom.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from ingestion.dicom.transfer_syntaxes import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    KNOWN_TRANSFER_SYNTAXES,
)
from ingestion.dimse.protocol.association_request import AssociationRequest, ProposedContext
from ingestion.dimse.protocol.association_rules import EVERYTHING, Rules
from ingestion.dimse.protocol.extended_negotiation import (
    Roles,
    answer_extended_negotiation,
    encode_extended_negotiation,
    encode_roles,
    encode_user_identity_response,
)
from ingestion.dimse.protocol.supported_services import VIDEO_SOP_CLASS_UIDS, Openness, Service
from ingestion.dimse.protocol.upper_layer import APPLICATION_CONTEXT_NAME, PduType
from ingestion.dimse.protocol.variable_items import ItemType, item

# What we read and write ourselves; objects rest in any syntax, as they come.
MESSAGE_TRANSFER_SYNTAXES = frozenset(
    {IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN}
)

_FIXED = struct.Struct(">H2x64s")  # PS3.8 Table 9-17
# Every object can be sent in one of these, whatever it rests in.
_NATIVE_TRANSFER_SYNTAXES = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)
# Services of which the peer may be the SCP, and what it must be allowed to do for that: in
# C-GET it takes objects (PS3.4 C.4.3), of a commitment that we asked for it tells (J.3.3).
_PEER_AS_SCP = {Service.STORE: Service.GET, Service.COMMITMENT: Service.COMMITMENT}


class ContextResult(enum.IntEnum):
    """Result of one presentation context (PS3.8 Table 9-18)."""

    ACCEPTANCE = 0
    USER_REJECTION = 1
    ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
    TRANSFER_SYNTAXES_NOT_SUPPORTED = 4


@dataclass(frozen=True, slots=True)
class AnsweredContext:
    """A proposed presentation context with the answer to it; the roles are the peer's."""

    context_id: int
    abstract_syntax: str
    transfer_syntax: str
    result: ContextResult
    service: Service | None = None
    peer_is_scu: bool = True
    peer_is_scp: bool = False


def negotiate(
    request: AssociationRequest, openness: Openness, rules: Rules = EVERYTHING
) -> tuple[AnsweredContext, ...]:
    """Answer every context, in the order proposed.

    Of each accepted context the first transfer syntax that we can keep is chosen: the
    peer's order is its preference, and objects rest as they come. Where the peer only
    retrieves, one that every object can be brought to goes before.
    """
    return tuple(
        _answer(
            context,
            openness,
            rules=rules,
            proposed_roles=request.roles.get(context.abstract_syntax, Roles()),
        )
        for context in request.contexts
    )


def accepted(contexts: tuple[AnsweredContext, ...]) -> Mapping[int, AnsweredContext]:
    """The accepted contexts by their ID."""
    return {
        context.context_id: context
        for context in contexts
        if context.result is ContextResult.ACCEPTANCE
    }


def negotiate_extensions(
    request: AssociationRequest, contexts: Mapping[int, AnsweredContext]
) -> Mapping[str, bytes]:
    """The service class application information that is agreed on, by accepted SOP Class."""
    return answer_extended_negotiation(
        request.extended,
        accepted_sop_classes=[context.abstract_syntax for context in contexts.values()],
    )


def encode_acceptance(
    request: AssociationRequest,
    contexts: tuple[AnsweredContext, ...],
    *,
    pdu_bytes_max: int,
    extended: Mapping[str, bytes],
    confirms_identity: bool,
) -> bytes:
    """The A-ASSOCIATE-AC PDU. What is not answered keeps its default."""
    user_information = b"".join(
        (
            item(ItemType.MAXIMUM_LENGTH, struct.pack(">I", pdu_bytes_max)),
            item(ItemType.IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_CLASS_UID.encode()),
            _operations_window(request),
            encode_roles(_agreed_roles(request, contexts)),
            item(ItemType.IMPLEMENTATION_VERSION_NAME, IMPLEMENTATION_VERSION_NAME.encode()),
            encode_extended_negotiation(extended),
            encode_user_identity_response() if confirms_identity else b"",
        )
    )
    body = b"".join(
        (
            _FIXED.pack(1, request.names),
            item(ItemType.APPLICATION_CONTEXT, APPLICATION_CONTEXT_NAME.encode()),
            *(_result_item(context) for context in contexts),
            item(ItemType.USER_INFORMATION, user_information),
        )
    )
    return struct.pack(">BxI", PduType.A_ASSOCIATE_AC, len(body)) + body


def _answer(
    context: ProposedContext, openness: Openness, *, rules: Rules, proposed_roles: Roles
) -> AnsweredContext:
    service = rules.service_of(context.abstract_syntax, openness)
    roles = _allowed_roles(context.abstract_syntax, service, rules=rules, proposed=proposed_roles)
    candidates = _usable_syntaxes(context, openness, service=service, rules=rules)
    if service is Service.STORE:
        candidates = _storage_syntaxes(context, candidates, roles=roles, rules=rules)
    if service is None:
        result = ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED
    elif not (roles.is_scu or roles.is_scp):
        result = ContextResult.USER_REJECTION
    elif not candidates:
        result = ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED
    else:
        result = ContextResult.ACCEPTANCE
    return AnsweredContext(
        context_id=context.context_id,
        abstract_syntax=context.abstract_syntax,
        # Of no meaning unless accepted.
        transfer_syntax=candidates[0] if candidates else IMPLICIT_VR_LITTLE_ENDIAN,
        result=result,
        service=service,
        peer_is_scu=roles.is_scu,
        peer_is_scp=roles.is_scp,
    )


def _allowed_roles(
    sop_class_uid: str, service: Service | None, *, rules: Rules, proposed: Roles
) -> Roles:
    """What the peer may be for a SOP Class: no more than it proposed (PS3.7 D.3.3.4.2)."""
    if service is None:
        return Roles(is_scu=False, is_scp=False)
    may_be_scu = service is Service.VERIFICATION or _is_among(service, rules.services)
    if service is Service.STORE:
        may_be_scu = may_be_scu and _is_among(sop_class_uid, rules.sop_classes)
    as_scp = _PEER_AS_SCP.get(service)
    return Roles(
        is_scu=proposed.is_scu and may_be_scu,
        is_scp=proposed.is_scp and as_scp is not None and _is_among(as_scp, rules.services),
    )


def _usable_syntaxes(
    context: ProposedContext, openness: Openness, *, service: Service | None, rules: Rules
) -> list[str]:
    """What is proposed and can be kept, or read if it is for messages of ours."""
    if service in {Service.STORE, Service.VERIFICATION}:
        return [
            uid
            for uid in context.transfer_syntaxes
            if _is_supported_syntax(uid, rules.openness_for(uid, openness))
        ]
    return [uid for uid in context.transfer_syntaxes if uid in MESSAGE_TRANSFER_SYNTAXES]


def _storage_syntaxes(
    context: ProposedContext, candidates: list[str], *, roles: Roles, rules: Rules
) -> list[str]:
    if roles.is_scu:
        return [uid for uid in candidates if _is_among(uid, rules.transfer_syntaxes)]
    native = [uid for uid in _NATIVE_TRANSFER_SYNTAXES if uid in candidates]
    if context.abstract_syntax in VIDEO_SOP_CLASS_UIDS:  # which cannot be brought to those
        return [uid for uid in candidates if uid not in native] or native
    return native or candidates


def _is_among(value: str, allowed: frozenset[str] | None) -> bool:
    return allowed is None or value in allowed


def _is_supported_syntax(uid: str, openness: Openness) -> bool:
    if uid in KNOWN_TRANSFER_SYNTAXES:
        return True
    return openness is Openness.ANY and is_valid_uid(uid)


def _agreed_roles(
    request: AssociationRequest, contexts: tuple[AnsweredContext, ...]
) -> Mapping[str, Roles]:
    """The answer to each role that was proposed for something that is accepted."""
    return {
        context.abstract_syntax: Roles(is_scu=context.peer_is_scu, is_scp=context.peer_is_scp)
        for context in accepted(contexts).values()
        if context.abstract_syntax in request.roles
    }


def _result_item(context: AnsweredContext) -> bytes:
    syntax = item(ItemType.TRANSFER_SYNTAX, context.transfer_syntax.encode("ascii", "replace"))
    header = bytes([context.context_id, 0, context.result, 0])
    return item(ItemType.PRESENTATION_CONTEXT_AC, header + syntax)


def _operations_window(request: AssociationRequest) -> bytes:
    """One operation at a time, said only to a peer that asked (PS3.7 D.3.3.3)."""
    if not request.proposes_asynchronous_operations:
        return b""
    return item(ItemType.ASYNCHRONOUS_OPERATIONS_WINDOW, struct.pack(">HH", 1, 1))
