"""Roles, extended negotiation and user identity: what peers ask for beyond presentation contexts.

Source: PS3.7 D.3.3.4 (role selection), D.3.3.5 (SOP Class extended negotiation), D.3.3.7 (user
identity); PS3.4 C.5.1.1, C.5.2.1 and C.5.3.1 (what it says for queries and retrievals).
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ingestion.dimse.protocol.supported_services import SERVICES_OF_QUERY_RETRIEVE, Service
from ingestion.dimse.protocol.variable_items import ItemType, item, malformed, text

_LENGTH = struct.Struct(">H")

# PS3.4 C.5.1.1.1: relational queries, date-time matching, fuzzy matching of person names,
# timezone adjustment, empty value and multiple value matching; not: enhanced multi-frame images.
# PS3.4 C.5.2.1.1 and C.5.3.1.1: relational retrieval; not: enhanced multi-frame conversion.
_SUPPORTED_EXTENSIONS = {
    Service.FIND: bytes([1, 1, 1, 1, 0, 1, 1]),
    Service.MOVE: bytes([1, 0]),
    Service.GET: bytes([1, 0]),
}


@dataclass(frozen=True, slots=True)
class Roles:
    """What the peer is, or wants to be, for a SOP Class."""

    is_scu: bool = True
    is_scp: bool = False


@dataclass(frozen=True, slots=True)
class OfferedIdentity:
    """Who the peer says it is (PS3.7 Table D.3-14). Its fields are never shown."""

    kind: int
    wants_response: bool
    primary: bytes = field(repr=False)
    secondary: bytes = field(repr=False)


def decode_roles(user_items: Iterable[tuple[int, bytes]]) -> Mapping[str, Roles]:
    """The proposed roles by SOP Class UID. Raises `ProtocolViolation`."""
    roles = {}
    for sop_class_uid, rest in _by_sop_class(user_items, ItemType.ROLE_SELECTION):
        if len(rest) < 2:
            raise malformed("role selection without roles")
        roles[sop_class_uid] = Roles(is_scu=rest[0] == 1, is_scp=rest[1] == 1)
    return roles


def decode_extended_negotiation(user_items: Iterable[tuple[int, bytes]]) -> Mapping[str, bytes]:
    """Service class application information by SOP Class UID. Raises `ProtocolViolation`."""
    return dict(_by_sop_class(user_items, ItemType.EXTENDED_NEGOTIATION))


def decode_user_identity(user_items: Iterable[tuple[int, bytes]]) -> OfferedIdentity | None:
    """The identity that is offered, if one is. Raises `ProtocolViolation`."""
    value = next((value for kind, value in user_items if kind == ItemType.USER_IDENTITY), None)
    if value is None:
        return None
    if len(value) < 2:
        raise malformed("user identity without a type")
    primary, rest = _counted(value[2:])
    secondary, _ = _counted(rest)
    return OfferedIdentity(value[0], value[1] == 1, primary=primary, secondary=secondary)


def answer_extended_negotiation(
    proposed: Mapping[str, bytes], *, accepted_sop_classes: Iterable[str]
) -> Mapping[str, bytes]:
    """Of what is proposed for accepted SOP Classes, what we do. No answer: nothing extended."""
    return {
        uid: bytes(mine & theirs for mine, theirs in zip(supported, proposed[uid], strict=False))
        for uid in sorted(set(accepted_sop_classes) & proposed.keys())
        if (supported := _supported_extensions(uid))
    }


def encode_roles(roles: Mapping[str, Roles]) -> bytes:
    """SCP/SCU Role Selection sub-items (PS3.7 Table D.3-10)."""
    return b"".join(
        item(ItemType.ROLE_SELECTION, _with_uid(uid, bytes([role.is_scu, role.is_scp])))
        for uid, role in roles.items()
    )


def encode_extended_negotiation(extended: Mapping[str, bytes]) -> bytes:
    """SOP Class Extended Negotiation sub-items (PS3.7 Table D.3-11)."""
    return b"".join(
        item(ItemType.EXTENDED_NEGOTIATION, _with_uid(uid, information))
        for uid, information in extended.items()
    )


def encode_user_identity_response() -> bytes:
    """A positive response; empty, as for all but Kerberos and SAML (PS3.7 Table D.3-15)."""
    return item(ItemType.USER_IDENTITY_RESPONSE, _LENGTH.pack(0))


def _supported_extensions(sop_class_uid: str) -> bytes:
    service = SERVICES_OF_QUERY_RETRIEVE.get(sop_class_uid)
    return _SUPPORTED_EXTENSIONS[service] if service else b""


def _by_sop_class(
    user_items: Iterable[tuple[int, bytes]], wanted: ItemType
) -> Iterable[tuple[str, bytes]]:
    for kind, value in user_items:
        if kind == wanted:
            uid, rest = _counted(value)
            yield text(uid), rest


def _counted(value: bytes) -> tuple[bytes, bytes]:
    """A field behind its length, and the rest. Raises `ProtocolViolation`."""
    end = _LENGTH.size + int.from_bytes(value[: _LENGTH.size], "big")
    if not _LENGTH.size <= end <= len(value):
        raise malformed("user information shorter than it says")
    return value[_LENGTH.size : end], value[end:]


def _with_uid(sop_class_uid: str, rest: bytes) -> bytes:
    encoded = sop_class_uid.encode("ascii", errors="replace")
    return _LENGTH.pack(len(encoded)) + encoded + rest
