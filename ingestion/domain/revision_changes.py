"""From single changes of instances to the change set of a revision.

Several changes of one instance between two revisions count once, by what they amount to.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["addition", "modification", "deletion"]

# (what it amounted to so far, what happened next) → what it amounts to now.
_NET: dict[tuple[Kind | None, Kind], Kind | None] = {
    (None, "addition"): "addition",
    (None, "modification"): "modification",
    (None, "deletion"): "deletion",
    ("addition", "addition"): "addition",
    ("addition", "modification"): "addition",
    ("addition", "deletion"): None,
    ("modification", "addition"): "modification",
    ("modification", "modification"): "modification",
    ("modification", "deletion"): "deletion",
    ("deletion", "addition"): "modification",
    ("deletion", "modification"): "modification",
    ("deletion", "deletion"): "deletion",
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

    return ChangeSet(of("addition"), of("modification"), of("deletion"))
