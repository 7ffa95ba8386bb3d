"""Associations that we ask for: what is proposed, and the A-ASSOCIATE-RQ that says so.

Source: PS3.8 9.3.2 (A-ASSOCIATE-RQ), 7.1.1.13 (presentation context IDs); PS3.7 D.3.3.4 (roles),
D.3.3.5 (SOP Class extended negotiation).
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from ingestion.dicom.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from ingestion.dimse.protocol.extended_negotiation import (
    Roles,
    encode_extended_negotiation,
    encode_roles,
)
from ingestion.dimse.protocol.upper_layer import APPLICATION_CONTEXT_NAME, PduType
from ingestion.dimse.protocol.variable_items import ItemType, item

CONTEXTS_MAX = 128  # the odd numbers of a byte

_FIXED = struct.Struct(">H2x16s16s32x")  # PS3.8 Table 9-11
_OURS = Roles(is_scu=False, is_scp=True)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A presentation context to be proposed; the transfer syntaxes in the order of our wish.

    `as_scp`: we want to be the SCP of it and the peer the SCU. `extended` is the service class
    application information of extended negotiation, empty for none.
    """

    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]
    as_scp: bool = False
    extended: bytes = b""


def proposed_context_id(index: int) -> int:
    """The presentation context ID of the proposal at this place."""
    return 2 * index + 1


def encode_association_request(
    proposals: Sequence[Proposal],
    *,
    calling_ae_title: str,
    called_ae_title: str,
    pdu_bytes_max: int,
) -> bytes:
    """The A-ASSOCIATE-RQ PDU; `pdu_bytes_max` is what we take. There are 1 to 128 proposals."""
    assert 0 < len(proposals) <= CONTEXTS_MAX, "whoever proposes parts what is too much"
    user_information = b"".join(
        (
            item(ItemType.MAXIMUM_LENGTH, struct.pack(">I", pdu_bytes_max)),
            item(ItemType.IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_CLASS_UID.encode()),
            encode_roles({each.abstract_syntax: _OURS for each in proposals if each.as_scp}),
            item(ItemType.IMPLEMENTATION_VERSION_NAME, IMPLEMENTATION_VERSION_NAME.encode()),
            encode_extended_negotiation(
                {each.abstract_syntax: each.extended for each in proposals if each.extended}
            ),
        )
    )
    body = b"".join(
        (
            _FIXED.pack(1, _title(called_ae_title), _title(calling_ae_title)),
            item(ItemType.APPLICATION_CONTEXT, APPLICATION_CONTEXT_NAME.encode()),
            *(_context(index, proposal) for index, proposal in enumerate(proposals)),
            item(ItemType.USER_INFORMATION, user_information),
        )
    )
    return struct.pack(">BxI", PduType.A_ASSOCIATE_RQ, len(body)) + body


def _context(index: int, proposal: Proposal) -> bytes:
    return item(
        ItemType.PRESENTATION_CONTEXT_RQ,
        bytes([proposed_context_id(index), 0, 0, 0])
        + item(ItemType.ABSTRACT_SYNTAX, proposal.abstract_syntax.encode())
        + b"".join(
            item(ItemType.TRANSFER_SYNTAX, uid.encode()) for uid in proposal.transfer_syntaxes
        ),
    )


def _title(ae_title: str) -> bytes:
    return ae_title.encode("ascii", errors="replace").ljust(16)
