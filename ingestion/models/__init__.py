"""What we hold. One entity, or one family of entities, per module."""

from ingestion.models.access_token import AccessToken
from ingestion.models.application_entity import (
    DimseService,
    LocalApplicationEntity,
    RemoteApplicationEntity,
    ReportAssociation,
    UserIdentity,
)
from ingestion.models.association_record import AssociationRecord, Direction
from ingestion.models.event import Event, EventType
from ingestion.models.manifest import (
    AttributeConflict,
    Instance,
    RetiredObject,
    Series,
    Study,
)
from ingestion.models.procedure_step import (
    CompletenessHint,
    HintSource,
    PerformedProcedureStep,
    ProcedureStepStatus,
)
from ingestion.models.receipt import HeaderDocument, Outcome, Receipt, SenderKind
from ingestion.models.storage_commitment import (
    CommitmentRequest,
    CommitmentState,
    StorageCommitment,
)
from ingestion.models.storage_space import Backend, DuplicatePolicy, StorageSpace
from ingestion.models.study_revision import ChangeKind, InstanceChange, StudyRevision
from ingestion.models.workitem import (
    Workitem,
    WorkitemState,
    WorkitemSubscription,
    WorklistSubscription,
)

__all__ = [
    "AccessToken",
    "AssociationRecord",
    "AttributeConflict",
    "Backend",
    "ChangeKind",
    "CommitmentRequest",
    "CommitmentState",
    "CompletenessHint",
    "DimseService",
    "Direction",
    "DuplicatePolicy",
    "Event",
    "EventType",
    "HeaderDocument",
    "HintSource",
    "Instance",
    "InstanceChange",
    "LocalApplicationEntity",
    "Outcome",
    "PerformedProcedureStep",
    "ProcedureStepStatus",
    "Receipt",
    "RemoteApplicationEntity",
    "ReportAssociation",
    "RetiredObject",
    "SenderKind",
    "Series",
    "StorageCommitment",
    "StorageSpace",
    "Study",
    "StudyRevision",
    "UserIdentity",
    "Workitem",
    "WorkitemState",
    "WorkitemSubscription",
    "WorklistSubscription",
]
