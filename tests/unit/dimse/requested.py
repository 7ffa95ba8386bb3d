"""An association that we asked a scripted acceptor for."""

from ingestion.dimse.protocol.association_proposal import Proposal
from ingestion.dimse.requestor.requested_association import ReceiveLimits, RequestedAssociation
from ingestion.dimse.requestor.requesting import associate
from tests.scripted_acceptor import (
    ScriptedAcceptor,
)
from tests.scripted_peer import (
    CT_IMAGE_STORAGE,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    VERIFICATION,
)
from tests.unit.dimse.outgoing import destination

PROPOSALS = (
    Proposal(VERIFICATION, (IMPLICIT_LITTLE,)),
    Proposal(CT_IMAGE_STORAGE, (EXPLICIT_LITTLE,)),
)
CT_CONTEXT = 3
LIMITS = ReceiveLimits()


def associated(
    acceptor: ScriptedAcceptor, *, seconds: float = 60.0, limits: ReceiveLimits = LIMITS
) -> RequestedAssociation:
    return associate(
        destination(acceptor.port, response_timeout_seconds=seconds),
        calling_ae_title="US",
        proposals=PROPOSALS,
        limits=limits,
    )
