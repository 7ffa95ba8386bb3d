"""Reads A-ASSOCIATE-RQ PDUs.

By ourselves, since items that are not known must be skipped (PS3.8 9.3.1) and a hostile
request must end in one kind of error. Source: PS3.8 9.3.2, D.1; PS3.7 D.3.3.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from ingestion.dimse.protocol.extended_negotiation import (
    OfferedIdentity,
    Roles,
    decode_extended_negotiation,
    decode_roles,
    decode_user_identity,
)
from ingestion.dimse.protocol.variable_items import ItemType, first, items, malformed, text

ASSOCIATE_RQ_BYTES_MAX = 1024 * 1024  # 128 contexts with 60 transfer syntaxes need half of it
CONTEXTS_MAX = 128

_FIXED = struct.Struct(">H2x16s16s32x")  # PS3.8 Table 9-11
_NAMES = slice(4, _FIXED.size)  # bytes 11 to 74 of the PDU


@dataclass(frozen=True, slots=True)
class ProposedContext:
    """A presentation context as proposed: the transfer syntaxes in the peer's order."""

    context_id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AssociationRequest:
    """What an A-ASSOCIATE-RQ says, as far as it matters here.

    `names` are both AE titles, with what is reserved behind them, byte for byte: an acceptance
    has to send them back (PS3.8 Table 9-17).
    """

    protocol_version: int
    called_ae_title: str
    calling_ae_title: str
    application_context_name: str
    contexts: tuple[ProposedContext, ...]
    pdu_bytes_max: int  # of the peer; 0 means no limit
    proposes_asynchronous_operations: bool
    implementation_version_name: str
    roles: Mapping[str, Roles] = field(default_factory=dict)  # by SOP Class UID
    extended: Mapping[str, bytes] = field(default_factory=dict)  # by SOP Class UID
    user_identity: OfferedIdentity | None = None
    names: bytes = field(default=b"", repr=False, compare=False)


def decode_association_request(body: bytes) -> AssociationRequest:
    """Read the body (all after the PDU's length). Raises `ProtocolViolation`."""
    if len(body) < _FIXED.size:
        raise malformed("A-ASSOCIATE-RQ is too short")
    version, called, calling = _FIXED.unpack_from(body)
    found = list(items(body[_FIXED.size :]))
    user = list(items(first(found, ItemType.USER_INFORMATION)))
    maximum_length = first(user, ItemType.MAXIMUM_LENGTH) or bytes(4)
    if len(maximum_length) != 4:
        raise malformed("Maximum Length of other than four bytes")
    return AssociationRequest(
        protocol_version=version,
        called_ae_title=text(called),
        calling_ae_title=text(calling),
        application_context_name=text(first(found, ItemType.APPLICATION_CONTEXT)),
        contexts=_contexts(found),
        pdu_bytes_max=int.from_bytes(maximum_length, "big"),
        proposes_asynchronous_operations=any(
            kind == ItemType.ASYNCHRONOUS_OPERATIONS_WINDOW for kind, _ in user
        ),
        implementation_version_name=text(first(user, ItemType.IMPLEMENTATION_VERSION_NAME))[:16],
        roles=decode_roles(user),
        extended=decode_extended_negotiation(user),
        user_identity=decode_user_identity(user),
        names=body[_NAMES],
    )


def _contexts(found: list[tuple[int, bytes]]) -> tuple[ProposedContext, ...]:
    contexts = tuple(
        _context(body) for kind, body in found if kind == ItemType.PRESENTATION_CONTEXT_RQ
    )
    if len({context.context_id for context in contexts}) != len(contexts):
        raise malformed("two presentation contexts with one ID")
    if not 0 < len(contexts) <= CONTEXTS_MAX:
        raise malformed("no presentation context, or too many")
    return contexts


def _context(body: bytes) -> ProposedContext:
    """PS3.8 9.3.2.2: an odd ID, one abstract syntax, one or more transfer syntaxes."""
    if len(body) < 4 or body[0] % 2 == 0:
        raise malformed("presentation context with an invalid ID")
    found = list(items(body[4:]))
    return ProposedContext(
        context_id=body[0],
        abstract_syntax=text(first(found, ItemType.ABSTRACT_SYNTAX)),
        transfer_syntaxes=tuple(
            text(uid) for kind, uid in found if kind == ItemType.TRANSFER_SYNTAX
        ),
    )
