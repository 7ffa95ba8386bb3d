"""The small PDUs of the DICOM Upper Layer, and the reasons in them, as tables.

Source: PS3.8 9.3 (encoding), 9.2 (state machine), Annex E (message control header).
"""

import enum
import struct
from collections.abc import Iterator

from ingestion.errors import AssociationRefused, IngestionError

PDU_HEADER_BYTES = 6
PDV_HEADER_BYTES = 6
APPLICATION_CONTEXT_NAME = "1.2.840.10008.3.1.1.1"  # PS3.7 A.2.1

_P_DATA_WITH_ONE_PDV = struct.Struct(">BxIIBB")
_COMMAND, _LAST = 0x01, 0x02  # PS3.8 E.2


class PduType(enum.IntEnum):
    """PS3.8 9.3.1."""

    A_ASSOCIATE_RQ = 0x01
    A_ASSOCIATE_AC = 0x02
    A_ASSOCIATE_RJ = 0x03
    P_DATA_TF = 0x04
    A_RELEASE_RQ = 0x05
    A_RELEASE_RP = 0x06
    A_ABORT = 0x07


class Rejection(enum.Enum):
    """Result, source and reason of an A-ASSOCIATE-RJ (PS3.8 Table 9-21)."""

    NOT_ACCEPTING = (2, 1, 1)
    NO_REASON_GIVEN = (1, 1, 1)
    APPLICATION_CONTEXT_NOT_SUPPORTED = (1, 1, 2)
    CALLING_AE_NOT_RECOGNIZED = (1, 1, 3)
    CALLED_AE_NOT_RECOGNIZED = (1, 1, 7)
    IDENTITY_NOT_ACCEPTED = (1, 2, 1)  # PS3.7 D.3.3.7: by the ACSE, no reason given
    PROTOCOL_VERSION_NOT_SUPPORTED = (1, 2, 2)
    TEMPORARY_CONGESTION = (2, 3, 1)
    LOCAL_LIMIT_EXCEEDED = (2, 3, 2)


class Abort(enum.Enum):
    """Source and reason of an A-ABORT (PS3.8 Table 9-26)."""

    BY_SERVICE_USER = (0, 0)
    NOT_SPECIFIED = (2, 0)
    UNRECOGNIZED_PDU = (2, 1)
    UNEXPECTED_PDU = (2, 2)
    UNEXPECTED_PDU_PARAMETER = (2, 5)
    INVALID_PDU_PARAMETER = (2, 6)


class Refusal(AssociationRefused):
    """An association turned away, with what the peer is told."""

    def __init__(self, rejection: Rejection, rule: str) -> None:
        super().__init__(rule)
        self.rejection = rejection


class AssociationEnded(IngestionError):
    """An association that ends without a release; not our fault, not an emergency."""

    code = "association-ended"


class AbortedByPeer(AssociationEnded):
    """The peer sent an A-ABORT."""

    code = "aborted-by-peer"


class PeerVanished(AssociationEnded):
    """The connection closed or broke where it should not."""

    code = "peer-vanished"


class PeerSilent(AssociationEnded):
    """The peer said nothing, or took nothing, for longer than its timeout."""

    code = "peer-silent"


class ReleasedByPeer(AssociationEnded):
    """The peer released the association; where we still had something to say, too early."""

    code = "released-by-peer"


class MessageCutOff(AssociationEnded):
    """We could not send a message to its end: only an A-ABORT keeps the peer from waiting."""

    code = "message-cut-off"


class NotAssociated(AssociationEnded):
    """An association that we asked for never came about."""

    code = "not-associated"


class PeerUnreachable(NotAssociated):
    """There is no connection to the peer, or none that is secure."""

    code = "peer-unreachable"


class ServiceStopping(AssociationEnded):
    """We end, and the association did not end in time."""

    code = "service-stopping"


class ProtocolViolation(AssociationEnded):
    """The peer broke a rule of PS3.7 or PS3.8; it is told by an A-ABORT."""

    code = "protocol-violation"

    def __init__(self, abort: Abort, rule: str) -> None:
        super().__init__(rule)
        self.abort = abort


def unexpected_pdu(pdu_type: int) -> ProtocolViolation:
    """PS3.8 Table 9-26: a PDU unknown, or known and out of place."""
    if pdu_type in set(PduType):
        return ProtocolViolation(Abort.UNEXPECTED_PDU, "PDU where it may not be")
    return ProtocolViolation(Abort.UNRECOGNIZED_PDU, "bytes that are no DICOM PDU")


def encode_rejection(rejection: Rejection) -> bytes:
    """An A-ASSOCIATE-RJ (PS3.8 9.3.4)."""
    return struct.pack(">BxIxBBB", PduType.A_ASSOCIATE_RJ, 4, *rejection.value)


def encode_abort(abort: Abort) -> bytes:
    """An A-ABORT (PS3.8 9.3.8)."""
    return struct.pack(">BxIxxBB", PduType.A_ABORT, 4, *abort.value)


def encode_release_request() -> bytes:
    """An A-RELEASE-RQ (PS3.8 9.3.6)."""
    return struct.pack(">BxIxxxx", PduType.A_RELEASE_RQ, 4)


def encode_release_response() -> bytes:
    """An A-RELEASE-RP (PS3.8 9.3.7)."""
    return struct.pack(">BxIxxxx", PduType.A_RELEASE_RP, 4)


def encode_command(command_set: bytes, *, context_id: int, pdu_bytes_max: int) -> bytes:
    """P-DATA-TF PDUs that carry a command set, none longer than the peer takes."""
    return b"".join(
        _P_DATA_WITH_ONE_PDV.pack(
            PduType.P_DATA_TF, len(fragment) + 6, len(fragment) + 2, context_id, control
        )
        + fragment
        for control, fragment in command_fragments(command_set, pdu_bytes_max)
    )


def command_fragments(command_set: bytes, pdu_bytes_max: int) -> Iterator[tuple[int, bytes]]:
    """A command set in pieces, each with its message control header (PS3.8 E.2).

    `pdu_bytes_max` is the peer's Maximum Length Received; 0 means no limit (PS3.8 D.1).
    """
    room = len(command_set)
    if pdu_bytes_max:
        # PS3.8 E.1: fragments have an even length; one byte where nothing else fits.
        room = max(1, min(room, (pdu_bytes_max - PDV_HEADER_BYTES) & ~1))
    for start in range(0, len(command_set), room):
        is_last = start + room >= len(command_set)
        yield _COMMAND | (_LAST if is_last else 0), command_set[start : start + room]
