"""Asks peers for associations: connects, proposes, and hears what the peer says to that.

Source: PS3.8 7.1 (A-ASSOCIATE), 9.2 (state machine, states 4 and 5).
"""

import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestion.dimse.journal.association_end import Parties, RecordEnding, keep_no_record
from ingestion.dimse.journal.association_journal import AssociationJournal
from ingestion.dimse.protocol.association_acceptance import (
    ACCEPTANCE_BYTES_MAX,
    Acceptance,
    abort_of_peer,
    decode_acceptance,
    rejection,
)
from ingestion.dimse.protocol.association_proposal import Proposal, encode_association_request
from ingestion.dimse.protocol.data_path import PduReader, prepare_connection, send
from ingestion.dimse.protocol.upper_layer import (
    AssociationEnded,
    PduType,
    PeerUnreachable,
    unexpected_pdu,
)
from ingestion.dimse.requestor.requested_association import (
    RECEIVE_LIMITS,
    ReceiveLimits,
    RequestedAssociation,
    abort_for,
    end_connection,
)
from ingestion.dimse.security.secure_socket import tls_failure
from ingestion.dimse.security.tls import client_context
from ingestion.errors import Misconfigured

if TYPE_CHECKING:  # whoever only talks to a peer needs nothing of Django
    from ingestion.models import RemoteApplicationEntity

_SHORT_PDU_BYTES = 4  # A-ASSOCIATE-RJ, A-ABORT (PS3.8 9.3.4, 9.3.8)
_READ_BUFFER_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Destination:
    """A peer that we call. `tls` is None for plain text.

    The connection, with its handshake, must stand within `connect_timeout_seconds`; each answer
    must be there, and something of what we send be taken, within `response_timeout_seconds`.
    """

    ae_title: str
    host: str
    port: int
    tls: ssl.SSLContext | None = None
    connect_timeout_seconds: float = 10.0
    response_timeout_seconds: float = 60.0
    associations_max: int = 1


def destination_of(remote: "RemoteApplicationEntity") -> Destination:
    """Where an application entity that we know is reached. Raises `Misconfigured`."""
    if not remote.host or remote.port is None:
        raise Misconfigured(f"application entity {remote.ae_title}: no host and port to call")
    return Destination(
        ae_title=remote.ae_title,
        host=remote.host,
        port=remote.port,
        tls=client_context() if remote.uses_tls else None,
        connect_timeout_seconds=remote.connect_timeout_seconds,
        response_timeout_seconds=remote.response_timeout_seconds,
        associations_max=remote.associations_max,
    )


def associate(
    destination: Destination,
    *,
    calling_ae_title: str,
    proposals: Sequence[Proposal],
    limits: ReceiveLimits = RECEIVE_LIMITS,
    record: RecordEnding = keep_no_record,
) -> RequestedAssociation:
    """Ask for an association; the caller releases or aborts it, best by `with`.

    `record` is told how it ended, also when it never came about.

    Raises `PeerUnreachable`, `AssociationRejected` and other kinds of `AssociationEnded`; then
    nothing is left open. An association of which no context was accepted is one nevertheless.
    """
    journal = AssociationJournal(
        record,
        Parties(calling_ae_title, destination.ae_title),
        peer_address=destination.host,
        is_encrypted=destination.tls is not None,
    )
    request = encode_association_request(
        proposals,
        calling_ae_title=calling_ae_title,
        called_ae_title=destination.ae_title,
        pdu_bytes_max=limits.pdu_bytes_max,
    )
    try:
        connection = _connected(destination)
        reader = PduReader(connection, buffer_bytes=_READ_BUFFER_BYTES)
        acceptance = _negotiated(
            destination, connection, reader, request=request, proposals=proposals
        )
    except AssociationEnded as end:
        journal.close(end)
        raise
    journal.note_acceptance(acceptance)
    return RequestedAssociation(
        connection,
        reader,
        acceptance=acceptance,
        journal=journal,
        limits=limits,
        response_timeout_seconds=destination.response_timeout_seconds,
    )


def _negotiated(
    destination: Destination,
    connection: socket.socket,
    reader: PduReader,
    *,
    request: bytes,
    proposals: Sequence[Proposal],
) -> Acceptance:
    """States 4 and 5: ask, and hear the answer. The connection is closed after an error."""
    try:
        prepare_connection(connection, timeout_seconds=destination.response_timeout_seconds)
        send(connection, request)
        reader.limit_time(destination.response_timeout_seconds)
        return _answer(reader, proposals)
    except AssociationEnded as end:
        end_connection(connection, reader, abort_for(end))
        raise
    except OSError as error:
        connection.close()
        raise PeerUnreachable(f"{_named(destination)}: the connection broke") from error


def _connected(destination: Destination) -> socket.socket:
    """A connection, secured if need be. Raises `PeerUnreachable`."""
    address = destination.host, destination.port
    try:
        connection = socket.create_connection(address, timeout=destination.connect_timeout_seconds)
    except (OSError, ValueError, OverflowError) as error:  # the latter for odd names and ports
        reason = getattr(error, "strerror", "") or str(error) or type(error).__name__
        raise PeerUnreachable(f"{_named(destination)}: {reason}") from error
    if destination.tls is None:
        return connection
    try:
        return destination.tls.wrap_socket(connection, server_hostname=destination.host)
    except (OSError, ValueError) as error:
        connection.close()
        reason = tls_failure(error) if isinstance(error, OSError) else str(error)
        raise PeerUnreachable(f"{_named(destination)}: TLS: {reason}") from error


def _answer(reader: PduReader, proposals: Sequence[Proposal]) -> Acceptance:
    """What the peer says."""
    pdu_type, length = reader.read_header()
    if pdu_type == PduType.A_ASSOCIATE_AC and length <= ACCEPTANCE_BYTES_MAX:
        return decode_acceptance(reader.read_body(length), proposals)
    if pdu_type == PduType.A_ASSOCIATE_RJ and length == _SHORT_PDU_BYTES:
        raise rejection(reader.read_body(length))
    if pdu_type == PduType.A_ABORT and length == _SHORT_PDU_BYTES:
        raise abort_of_peer(reader.read_body(length))
    raise unexpected_pdu(pdu_type)


def _named(destination: Destination) -> str:
    return f"{destination.ae_title} at {destination.host}:{destination.port}"
