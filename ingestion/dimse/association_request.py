"""Reads A-ASSOCIATE-RQ PDUs.

By ourselves, since items that are not known must be skipped (PS3.8 9.3.1) and a hostile
request must end in one kind of error. Source: PS3.8 9.3.2, D.1; PS3.7 D.3.3.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from ingestion.dimse.upper_layer import Abort, ProtocolViolation

ASSOCIATE_RQ_BYTES_MAX = 1024 * 1024  # 128 contexts with 60 transfer syntaxes need half of it
CONTEXTS_MAX = 128

_FIXED = struct.Struct(">H2x16s16s32x")  # PS3.8 Table 9-11
_ITEM = struct.Struct(">BxH")

# PS3.8 9.3.2.1 to 9.3.2.3, D.1; PS3.7 D.3.3.2, D.3.3.3.
_APPLICATION_CONTEXT = 0x10
_PRESENTATION_CONTEXT_RQ = 0x20
_ABSTRACT_SYNTAX = 0x30
_TRANSFER_SYNTAX = 0x40
_USER_INFORMATION = 0x50
_MAXIMUM_LENGTH = 0x51
_ASYNCHRONOUS_OPERATIONS_WINDOW = 0x53
_IMPLEMENTATION_VERSION_NAME = 0x55


@dataclass(frozen=True, slots=True)
class ProposedContext:
    """A presentation context as proposed: the transfer syntaxes in the peer's order."""

    context_id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AssociationRequest:
    """What an A-ASSOCIATE-RQ says, as far as it matters here."""

    protocol_version: int
    called_ae_title: str
    calling_ae_title: str
    application_context_name: str
    contexts: tuple[ProposedContext, ...]
    pdu_bytes_max: int  # of the peer; 0 means no limit
    proposes_asynchronous_operations: bool
    implementation_version_name: str


def decode_association_request(body: bytes) -> AssociationRequest:
    """Read the body (all after the PDU's length). Raises `ProtocolViolation`."""
    if len(body) < _FIXED.size:
        raise _malformed("A-ASSOCIATE-RQ is too short")
    version, called, calling = _FIXED.unpack_from(body)
    items = list(_items(body[_FIXED.size :]))
    user = dict(_items(_first(items, _USER_INFORMATION)))
    maximum_length = user.get(_MAXIMUM_LENGTH, bytes(4))
    if len(maximum_length) != 4:
        raise _malformed("Maximum Length of other than four bytes")
    return AssociationRequest(
        protocol_version=version,
        called_ae_title=_text(called),
        calling_ae_title=_text(calling),
        application_context_name=_text(_first(items, _APPLICATION_CONTEXT)),
        contexts=_contexts(items),
        pdu_bytes_max=int.from_bytes(maximum_length, "big"),
        proposes_asynchronous_operations=_ASYNCHRONOUS_OPERATIONS_WINDOW in user,
        implementation_version_name=_text(user.get(_IMPLEMENTATION_VERSION_NAME, b""))[:16],
    )


def _contexts(items: list[tuple[int, bytes]]) -> tuple[ProposedContext, ...]:
    contexts = tuple(_context(body) for kind, body in items if kind == _PRESENTATION_CONTEXT_RQ)
    if len({context.context_id for context in contexts}) != len(contexts):
        raise _malformed("two presentation contexts with one ID")
    if not 0 < len(contexts) <= CONTEXTS_MAX:
        raise _malformed("no presentation context, or too many")
    return contexts


def _context(body: bytes) -> ProposedContext:
    """PS3.8 9.3.2.2: an odd ID, one abstract syntax, one or more transfer syntaxes."""
    if len(body) < 4 or body[0] % 2 == 0:
        raise _malformed("presentation context with an invalid ID")
    items = list(_items(body[4:]))
    return ProposedContext(
        context_id=body[0],
        abstract_syntax=_text(_first(items, _ABSTRACT_SYNTAX)),
        transfer_syntaxes=tuple(_text(uid) for kind, uid in items if kind == _TRANSFER_SYNTAX),
    )


def _items(encoded: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset < len(encoded):
        if len(encoded) - offset < _ITEM.size:
            raise _malformed("item without a header")
        kind, length = _ITEM.unpack_from(encoded, offset)
        offset += _ITEM.size
        if length > len(encoded) - offset:
            raise _malformed("item longer than what holds it")
        yield kind, encoded[offset : offset + length]
        offset += length


def _first(items: list[tuple[int, bytes]], wanted: int) -> bytes:
    return next((body for kind, body in items if kind == wanted), b"")


def _text(value: bytes) -> str:
    """AE titles and UIDs without their padding (PS3.8 Table 9-11, Annex F)."""
    return value.decode("ascii", errors="replace").strip(" \0")


def _malformed(rule: str) -> ProtocolViolation:
    return ProtocolViolation(Abort.INVALID_PDU_PARAMETER, rule)
