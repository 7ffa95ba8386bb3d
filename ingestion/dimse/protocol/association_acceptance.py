"""Reads what a peer answers to our A-ASSOCIATE-RQ: its A-ASSOCIATE-AC, -RJ and A-ABORT.

Source: PS3.8 9.3.3, 9.3.4, 9.3.8, Table 9-18 (results), Table 9-21 (rejections), Table 9-26
(aborts); PS3.7 D.3.3.4 (roles), D.3.3.5 (extended negotiation).
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ingestion.dimse.protocol.association_proposal import Proposal, proposed_context_id
from ingestion.dimse.protocol.extended_negotiation import (
    Roles,
    decode_extended_negotiation,
    decode_roles,
)
from ingestion.dimse.protocol.negotiation import AnsweredContext, ContextResult, accepted
from ingestion.dimse.protocol.upper_layer import AbortedByPeer, NotAssociated
from ingestion.dimse.protocol.variable_items import ItemType, first, items, malformed, text

ACCEPTANCE_BYTES_MAX = 256 * 1024

_FIXED_BYTES = 68  # PS3.8 Table 9-17
_SHORT = struct.Struct(">xBBB")  # PS3.8 Tables 9-21 and 9-26, behind the length

# Result and source are numbers of their own; a reason means what it does for its source.
_RESULTS = {1: "for good", 2: "for now"}
_REJECTIONS = {
    (1, 1): "no reason given",
    (1, 2): "application context name not supported",
    (1, 3): "calling AE title not recognized",
    (1, 7): "called AE title not recognized",
    (2, 1): "no reason given by its ACSE",
    (2, 2): "protocol version not supported",
    (3, 1): "temporary congestion",
    (3, 2): "local limit exceeded",
}
_ABORTS = {
    0: "reason not specified",
    1: "unrecognized PDU",
    2: "unexpected PDU",
    4: "unrecognized PDU parameter",
    5: "unexpected PDU parameter",
    6: "invalid PDU parameter value",
}
_BY_SERVICE_PROVIDER = 2
_DEFAULT_ROLES = Roles(is_scu=True, is_scp=False)  # of ours (PS3.7 D.3.3.4)

# PS3.8 Table 9-18, what is not acceptance.
_REFUSALS = {
    1: "refused by the user",
    2: "refused without a reason",
    3: "SOP Class not supported",
    4: "transfer syntaxes not supported",
}


class AssociationRejected(NotAssociated):
    """The peer answered with an A-ASSOCIATE-RJ."""

    code = "association-rejected"

    def __init__(self, result: int, source: int, reason: int) -> None:
        how = _RESULTS.get(result, f"with result {result}")
        why = _REJECTIONS.get((source, reason), f"source {source}, reason {reason}")
        super().__init__(f"the peer rejected the association {how}: {why}")
        self.result = result
        self.source = source
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What an A-ASSOCIATE-AC says, as far as it matters here.

    `answered` are all contexts, `contexts` the accepted ones by their ID; `refusals` says in
    words, by ID too, why the others were not. `pdu_bytes_max` is what the peer takes; 0 means no
    limit.
    """

    answered: tuple[AnsweredContext, ...]
    contexts: Mapping[int, AnsweredContext]
    refusals: Mapping[int, str]
    pdu_bytes_max: int
    extended: Mapping[str, bytes]  # by SOP Class UID
    implementation_version_name: str


def decode_acceptance(body: bytes, proposals: Sequence[Proposal]) -> Acceptance:
    """Read the body of an A-ASSOCIATE-AC that answers these. Raises `ProtocolViolation`.

    A context with a transfer syntax that was not proposed counts as refused.
    """
    if len(body) < _FIXED_BYTES:
        raise malformed("A-ASSOCIATE-AC is too short")
    found = list(items(body[_FIXED_BYTES:]))
    user = list(items(first(found, ItemType.USER_INFORMATION)))
    maximum_length = first(user, ItemType.MAXIMUM_LENGTH) or bytes(4)
    if len(maximum_length) != 4:
        raise malformed("Maximum Length of other than four bytes")
    answered, refusals = _contexts(found, proposals, roles=decode_roles(user))
    return Acceptance(
        answered=answered,
        contexts=accepted(answered),
        refusals=refusals,
        pdu_bytes_max=int.from_bytes(maximum_length, "big"),
        extended=decode_extended_negotiation(user),
        implementation_version_name=text(first(user, ItemType.IMPLEMENTATION_VERSION_NAME))[:16],
    )


def rejection(body: bytes) -> AssociationRejected:
    """What an A-ASSOCIATE-RJ with this body says. Raises `ProtocolViolation`."""
    return AssociationRejected(*_short(body))


def abort_of_peer(body: bytes) -> AbortedByPeer:
    """What an A-ABORT with this body says. Raises `ProtocolViolation`."""
    _, source, reason = _short(body)
    if source == _BY_SERVICE_PROVIDER:
        return AbortedByPeer(f"the peer aborted: {_ABORTS.get(reason, f'reason {reason}')}")
    return AbortedByPeer("the peer aborted")


def _short(body: bytes) -> tuple[int, int, int]:
    if len(body) != _SHORT.size:
        raise malformed("A-ASSOCIATE-RJ or A-ABORT of another length than four")
    result: tuple[int, int, int] = _SHORT.unpack(body)
    return result


def _contexts(
    found: Sequence[tuple[int, bytes]],
    proposals: Sequence[Proposal],
    *,
    roles: Mapping[str, Roles],
) -> tuple[tuple[AnsweredContext, ...], dict[int, str]]:
    """Every answer, and by context ID in words why some are refusals."""
    proposed = {proposed_context_id(index): item for index, item in enumerate(proposals)}
    answered: list[AnsweredContext] = []
    refusals: dict[int, str] = {}
    for kind, body in found:
        if kind != ItemType.PRESENTATION_CONTEXT_AC:
            continue
        if len(body) < 4 or body[0] not in proposed:
            raise malformed("an answer to a presentation context that was not proposed")
        proposal = proposed[body[0]]
        ours = roles.get(proposal.abstract_syntax, _DEFAULT_ROLES)
        result, refusal = _judged(body, proposal)
        if refusal:
            refusals[body[0]] = refusal
        answered.append(
            AnsweredContext(
                context_id=body[0],
                abstract_syntax=proposal.abstract_syntax,
                transfer_syntax=_transfer_syntax(body),
                result=result,
                peer_is_scu=ours.is_scp,
                peer_is_scp=ours.is_scu,
            )
        )
    return tuple(answered), refusals


def _judged(body: bytes, proposal: Proposal) -> tuple[ContextResult, str]:
    """The result of a context, and why it cannot be used; empty if it can be."""
    result = body[2]
    if result != ContextResult.ACCEPTANCE:
        known = result if result in set(ContextResult) else ContextResult.USER_REJECTION
        return ContextResult(known), _REFUSALS.get(result, f"refused with result {result}")
    if _transfer_syntax(body) not in proposal.transfer_syntaxes:
        refusal = "accepted in a transfer syntax that was not proposed"
        return ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED, refusal
    return ContextResult.ACCEPTANCE, ""


def _transfer_syntax(body: bytes) -> str:
    return text(first(items(body[4:]), ItemType.TRANSFER_SYNTAX))
