"""What every association of a process shares: who may come, who keeps objects, how long to wait."""

from collections.abc import Callable
from dataclasses import dataclass

from ingestion.dimse.journal.association_end import RecordEnding, keep_no_record
from ingestion.dimse.protocol.association_request import AssociationRequest
from ingestion.dimse.protocol.supported_services import Openness
from ingestion.dimse.security.association_policy import LocalEntity
from ingestion.dimse.services.operations import Begin
from ingestion.dimse.services.store import TakeCustody
from ingestion.dimse.services.table import begin_operation

IDENTIFIER_BYTES_MAX = 1024 * 1024

# The entity that a request from this address may associate with. Raises `Refusal`.
Admit = Callable[[AssociationRequest, str], LocalEntity]
# Who the peer proved to be; None when that is not looked at. Raises `Refusal`.
CheckIdentity = Callable[[AssociationRequest, LocalEntity, str], str | None]


def ignore_identity(_request: AssociationRequest, _entity: LocalEntity, _peer: str) -> None:
    """For a house that does not ask who is there."""


@dataclass(frozen=True, slots=True)
class House:
    """The ports and the limits of the associations that we accept."""

    admit: Admit
    take_custody: TakeCustody
    openness: Openness
    pdu_bytes_max: int
    artim_timeout_seconds: float
    network_timeout_seconds: float
    record: RecordEnding = keep_no_record
    check_identity: CheckIdentity = ignore_identity
    dimse_timeout_seconds: float | None = None  # else as long as between messages
    identifier_bytes_max: int = IDENTIFIER_BYTES_MAX
    begin: Begin = begin_operation
