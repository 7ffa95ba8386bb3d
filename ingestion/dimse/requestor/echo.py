"""Verification as SCU: whether a peer answers, in words for people. The port `settings.ECHO`.

Source: PS3.4 Annex A, PS3.7 9.1.5.
"""

import time

from ingestion.dicom.status_texts import status_text
from ingestion.dicom.statuses import Status
from ingestion.dicom.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from ingestion.dimse.journal.association_log import record_at_once
from ingestion.dimse.protocol.association_proposal import Proposal
from ingestion.dimse.protocol.supported_services import VERIFICATION_SOP_CLASS_UID
from ingestion.dimse.requestor.requested_association import RequestedAssociation
from ingestion.dimse.requestor.requesting import Destination, associate
from ingestion.dimse.security.tls import client_context
from ingestion.errors import IngestionError
from ingestion.use_cases.echo_application_entities import EchoReport, EchoTarget

VERIFICATION = Proposal(
    VERIFICATION_SOP_CLASS_UID, (IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN)
)


class NotVerified(IngestionError):
    """A peer that associates, but will not have Verification or answers it with a failure."""

    code = "not-verified"


def echo(target: EchoTarget) -> EchoReport:
    """Associate, ask, release. Ends within a few times the target's seconds; raises nothing."""
    started = time.monotonic()
    try:
        destination = Destination(
            target.called_ae_title,
            target.host,
            target.port,
            tls=client_context() if target.uses_tls else None,
            connect_timeout_seconds=target.seconds_max,
            response_timeout_seconds=target.seconds_max,
        )
        with associate(
            destination,
            calling_ae_title=target.calling_ae_title,
            proposals=[VERIFICATION],
            record=record_at_once,
        ) as association:
            verify(association)
            peer = association.acceptance.implementation_version_name
    except IngestionError as error:
        return EchoReport(is_well=False, text=str(error))
    milliseconds = (time.monotonic() - started) * 1000
    who = f" ({peer})" if peer else ""
    return EchoReport(is_well=True, text=f"it answers{who}, in {milliseconds:,.0f} ms")


def verify(association: RequestedAssociation) -> None:
    """One C-ECHO. Raises `NotVerified` when the peer will not have it, or refuses it.

    Then the association is released.
    """
    if association.context_for(VERIFICATION_SOP_CLASS_UID) is None:
        reasons = ", ".join(set(association.acceptance.refusals.values())) or "no reason given"
        association.release()
        raise NotVerified(f"the peer accepted the association, but not Verification: {reasons}")
    status = association.echo().status
    if status != Status.SUCCESS:
        association.release()
        raise NotVerified(f"the peer answered C-ECHO with status {status_text(status)}")
