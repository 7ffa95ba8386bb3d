"""From single changes of instances to the change set of a revision.

Several changes of one instance between two revisions count once, by what they amount to.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What happened to an instance."""

    ADDITION = "addition"
    MODIFICATION = "modification"
    DELETION = "deletion"


# (what it amounted to so far, what happened next) → what it amounts to now.
_NET: dict[tuple[Kind | None, Kind], Kind | None] = {
    (None, Kind.ADDITION): Kind.ADDITION,
    (None, Kind.MODIFICATION): Kind.MODIFICATION,
    (None, Kind.DELETION): Kind.DELETION,
    (Kind.ADDITION, Kind.ADDITION): Kind.ADDITION,
    (Kind.ADDITION, Kind.MODIFICATION): Kind.ADDITION,
    (Kind.ADDITION, Kind.DELETION): None,
    (Kind.MODIFICATION, Kind.ADDITION): Kind.MODIFICATION,
    (Kind.MODIFICATION, Kind.MODIFICATION): Kind.MODIFICATION,
    (Kind.MODIFICATION, Kind.DELETION): Kind.DELETION,
    (Kind.DELETION, Kind.ADDITION): Kind.MODIFICATION,
    (Kind.DELETION, Kind.MODIFICATION): Kind.MODIFICATION,
    (Kind.DELETION, Kind.DELETION): Kind.DELETION,
}


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one instance. `reference` is `<series UID>/<SOP UID>`."""

    reference: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """References of instances, each in at most one list, in the order of their first change."""

    additions: tuple[str, ...]
    modifications: tuple[str, ...]
    deletions: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.additions or self.modifications or self.deletions)


def change_set(changes: Iterable[Change]) -> ChangeSet:
    """What changes, in the order they happened, amount to."""
    net: dict[str, Kind | None] = {}
    for change in changes:
        net[change.reference] = _NET[net.get(change.reference), change.kind]

    def of(kind: Kind) -> tuple[str, ...]:
        return tuple(reference for reference, amount in net.items() if amount == kind)

    return ChangeSet(of(Kind.ADDITION), of(Kind.MODIFICATION), of(Kind.DELETION))
