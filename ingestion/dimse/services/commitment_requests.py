"""Asks peers to commit themselves to instances that they were sent.

The result comes on the same association, or on one of the peer's, to `service_commitment`.
Source: PS3.4 J.3.2 (N-ACTION), J.3.3.1.3 (behaviour of the SCU).
"""

import contextlib
from collections.abc import Sequence
from functools import partial

from django.conf import settings

from ingestion.dimse.journal.association_log import record_at_once
from ingestion.dimse.protocol.association_proposal import Proposal
from ingestion.dimse.protocol.commands import CommandField, Request, encode_request
from ingestion.dimse.protocol.identifiers import encode_identifier
from ingestion.dimse.protocol.upper_layer import AssociationEnded
from ingestion.dimse.requestor.requested_association import ReceiveLimits, RequestedAssociation
from ingestion.dimse.requestor.requesting import associate, destination_of
from ingestion.dimse.services.commitment import take_result
from ingestion.dimse.services.commitment_reports import TRANSFER_SYNTAXES
from ingestion.dimse.services.normalized_operations import serve_encoded
from ingestion.domain.commitment_information import (
    PUSH_MODEL_SOP_CLASS,
    PUSH_MODEL_SOP_INSTANCE,
    REQUEST_COMMITMENT,
    ActionInformation,
    Reference,
    write_action,
)
from ingestion.errors import IngestionError, OperationRefused
from ingestion.models import CommitmentRequest, RemoteApplicationEntity
from ingestion.use_cases.request_commitments import begin_request, forget_request

WAIT_SECONDS = 5.0


def request_commitment(
    remote: RemoteApplicationEntity,
    references: Sequence[Reference],
    *,
    calling_ae_title: str,
    wait_seconds: float = WAIT_SECONDS,
) -> CommitmentRequest:
    """Ask a peer, and wait so long for its result on the same association.

    `answered_at` of what is returned is None while there is no result: the peer may tell it on
    an association of its own, later. Raises `Misconfigured`, `AssociationEnded`, and
    `OperationRefused` with the peer's status, when the peer did not take the request; then
    nothing is kept.
    """
    request, action = begin_request(remote, references)
    try:
        association = associate(
            destination_of(remote),
            calling_ae_title=calling_ae_title,
            proposals=[Proposal(PUSH_MODEL_SOP_CLASS, TRANSFER_SYNTAXES)],
            limits=ReceiveLimits(data_set_bytes_max=settings.LIMITS.report_bytes_max),
            record=record_at_once,
        )
        _ask(association, action)
    except IngestionError:
        forget_request(request)
        raise
    with contextlib.suppress(AssociationEnded), association:
        _hear(association, remote.ae_title, wait_seconds=wait_seconds)
    request.refresh_from_db()
    return request


def _ask(association: RequestedAssociation, action: ActionInformation) -> None:
    """Raises `AssociationEnded`, `OperationRefused`; then the association is over."""
    context = association.context_for(PUSH_MODEL_SOP_CLASS)
    if context is None:
        association.release()
        raise AssociationEnded("the peer does not accept Storage Commitment")
    message_id = association.next_message_id()
    command_set = encode_request(
        CommandField.N_ACTION_RQ,
        message_id=message_id,
        sop_class_uid=PUSH_MODEL_SOP_CLASS,
        sop_instance_uid=PUSH_MODEL_SOP_INSTANCE,
        has_data_set=True,
        action_type_id=REQUEST_COMMITMENT,
    )
    encoded = encode_identifier(write_action(action), context.transfer_syntax)
    association.send(command_set, context_id=context.context_id, data_set=(encoded,))
    response = association.receive_response(message_id).command
    if response.status != 0:
        association.release()
        raise OperationRefused(
            f"the peer answered {response.status:04X} {response.error_comment}".rstrip(),
            response.status,
        )


def _hear(association: RequestedAssociation, ae_title: str, *, wait_seconds: float) -> None:
    """Take the result if the peer tells it in time. Raises `AssociationEnded`."""
    if not association.has_input(within_seconds=wait_seconds):
        return
    received = association.receive()
    request, context = received.command, association.contexts[received.context_id]
    if isinstance(request, Request) and request.command_field == CommandField.N_EVENT_REPORT_RQ:
        served = serve_encoded(
            request,
            context,
            received.data_set,
            serve=partial(take_result, request=request, ae_title=ae_title),
        )
        association.send(served.response.command_set, context_id=context.context_id)
