"""Joins the protocol to the use cases: AE tables, room, and the one way in for objects."""

import ipaddress
from collections import defaultdict
from collections.abc import Callable

from django.db import close_old_connections
from django.db.models import Prefetch

from ingestion.database import database_answers
from ingestion.dimse.protocol.association_rules import Rules
from ingestion.dimse.security.association_policy import (
    EntityTables,
    IdentityRule,
    LocalEntity,
    RemoteEntity,
)
from ingestion.dimse.services.store import Arrival
from ingestion.models import (
    LocalApplicationEntity,
    RemoteApplicationEntity,
    SenderKind,
    StorageSpace,
)
from ingestion.use_cases.group_commit import GroupCommit
from ingestion.use_cases.storage_spaces import open_space_store, require_room
from ingestion.use_cases.store_instance import IncomingInstance, Sender, receive_data_set


def load_entity_tables() -> EntityTables:
    """Read the enabled application entities. Raises `DatabaseUnavailable`."""
    close_old_connections()
    with database_answers():
        return EntityTables(local_entities=_local_entities(), remote_entities=_remote_entities())


def require_room_for(space: StorageSpace) -> None:
    """Raise `OutOfSpace` when the spool's disk is below the limit, or what keeps it shut."""
    require_room(open_space_store(space).spool_folder())


def custody(group_commit: GroupCommit) -> Callable[[Arrival], "IncomingObject"]:
    """The way into custody, with receipts committed in groups."""

    def take(arrival: Arrival) -> IncomingObject:
        return IncomingObject(_receive(arrival), group_commit)

    return take


class IncomingObject:
    """One data set on its way in; kept means stored and its receipt committed."""

    def __init__(self, instance: IncomingInstance, group_commit: GroupCommit) -> None:
        self._instance = instance.__enter__()
        self._group_commit = group_commit

    def write(self, view: memoryview) -> None:
        """Copy the next bytes. Raises `LimitExceeded`, `OutOfSpace`."""
        self._instance.write(view)

    def keep(self) -> None:
        """Check, store durably, commit the receipt. Raises `IngestionError`."""
        stored = self._instance.store(borrow_database=self._group_commit.borrow)
        self._group_commit.commit(stored)

    def discard(self) -> None:
        """Remove what is still spooled. A repeat is fine."""
        self._instance.__exit__(None, None, None)


def _receive(arrival: Arrival) -> IncomingInstance:
    conversation = arrival.conversation
    return receive_data_set(
        conversation.storage_space,
        Sender(
            kind=SenderKind.DIMSE,
            conversation_id=conversation.association_id,
            calling_ae_title=conversation.calling_ae_title,
            called_ae_title=conversation.called_ae_title,
            peer_address=conversation.peer_address,
        ),
        sop_class_uid=arrival.sop_class_uid,
        sop_instance_uid=arrival.sop_instance_uid,
        transfer_syntax_uid=arrival.transfer_syntax_uid,
    )


def _local_entities() -> dict[str, LocalEntity]:
    rows = LocalApplicationEntity.objects.filter(is_enabled=True).select_related("storage_space")
    return {
        row.ae_title: LocalEntity(
            row.ae_title,
            row.storage_space,
            row.storage_space.accepts_new_objects,
            rules=_rules(row),
            identity_rule=IdentityRule(row.user_identity),
        )
        for row in rows
    }


def _remote_entities() -> dict[str, tuple[RemoteEntity, ...]]:
    """By title; those that name their addresses before those that may call from anywhere.

    A title whose entities are all disabled is there without any.
    """
    titles = Prefetch("may_call", LocalApplicationEntity.objects.only("ae_title"))
    rows = RemoteApplicationEntity.objects.order_by("id").prefetch_related(titles)
    entities: defaultdict[str, tuple[RemoteEntity, ...]] = defaultdict(tuple)
    for row in sorted(rows, key=lambda row: not row.addresses.strip()):
        entities[row.ae_title] += (_remote_entity(row),) if row.is_enabled else ()
    return dict(entities)


def _remote_entity(row: RemoteApplicationEntity) -> RemoteEntity:
    return RemoteEntity(
        row.ae_title,
        networks=tuple(
            ipaddress.ip_network(part.strip(), strict=False)
            for part in row.addresses.split(",")
            if part.strip()
        ),
        may_call=frozenset(local.ae_title for local in row.may_call.all()),
        may_call_all=row.may_call_all,
        must_use_tls=row.must_use_tls,
        rules=_rules(row),
    )


def _rules(row: LocalApplicationEntity | RemoteApplicationEntity) -> Rules:
    """Nothing chosen: everything that we support."""
    return Rules(
        services=frozenset(row.services) or None,
        sop_classes=frozenset(row.sop_class_uids) or None,
        transfer_syntaxes=frozenset(row.transfer_syntax_uids) or None,
    )
