"""Takes lists of SOP Classes and transfer syntaxes over into an application entity.

Source: the files IMAGE_CUIDS and IMAGE_TSUIDS of the original.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction

from ingestion.errors import InvalidDocument
from ingestion.models import LocalApplicationEntity, RemoteApplicationEntity

ApplicationEntity = LocalApplicationEntity | RemoteApplicationEntity


@dataclass(frozen=True, slots=True)
class UidListChange:
    """What a list of an entity gains and loses; it allowed everything if it was empty."""

    column: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    allowed_everything: bool


def import_uid_lists(
    entity: ApplicationEntity, lists: Mapping[str, Sequence[str]], *, is_dry_run: bool
) -> list[UidListChange]:
    """Replace the entity's lists, by column; the changes, of which a repeat has none.

    Raises `InvalidDocument` for an empty list: in an entity it would allow everything.
    """
    for column, uids in lists.items():
        if not uids:
            raise InvalidDocument(f"no UID for {column}: an empty list would allow all of them")
    with transaction.atomic():
        held = type(entity).objects.select_for_update().get(pk=entity.pk)
        changes = [_change(held, column, uids) for column, uids in lists.items()]
        if not is_dry_run:
            for column, uids in lists.items():
                setattr(held, column, list(uids))
            held.save(update_fields=list(lists))
    return changes


def _change(entity: ApplicationEntity, column: str, uids: Sequence[str]) -> UidListChange:
    before: list[str] = getattr(entity, column)
    return UidListChange(
        column=column,
        added=tuple(uid for uid in uids if uid not in before),
        removed=tuple(uid for uid in before if uid not in uids),
        allowed_everything=not before,
    )
