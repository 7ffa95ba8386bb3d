"""What we hold. One entity, or one family of entities, per module."""

from ingestion.models.access_token import AccessToken
from ingestion.models.application_entity import (
    LocalApplicationEntity,
    RemoteApplicationEntity,
)
from ingestion.models.event import Event, EventType
from ingestion.models.manifest import (
    AttributeConflict,
    Instance,
    RetiredObject,
    Series,
    Study,
)
from ingestion.models.receipt import HeaderDocument, Outcome, Receipt, SenderKind
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
    "AttributeConflict",
    "Backend",
    "ChangeKind",
    "DuplicatePolicy",
    "Event",
    "EventType",
    "HeaderDocument",
    "Instance",
    "InstanceChange",
    "LocalApplicationEntity",
    "Outcome",
    "Receipt",
    "RemoteApplicationEntity",
    "RetiredObject",
    "SenderKind",
    "Series",
    "StorageSpace",
    "Study",
    "StudyRevision",
    "Workitem",
    "WorkitemState",
    "WorkitemSubscription",
    "WorklistSubscription",
]
