"""Which events a subscription selects, as SQL over event columns.

Spaces are matched in Python, since the original's patterns are not PostgreSQL's and one
that is wrong must not stop everybody's deliveries; the rest is one statement per batch.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bindings.models import Subscription
from ingestion.models import StorageSpace

# Event `e` of a space that was selected, against subscription `s`; an empty selector selects all.
SELECTS = """
    e.type = ANY (s.event_types)
    AND (s.modalities = '{}' OR s.modalities && e.modalities)
    AND (s.sop_classes = '{}' OR s.sop_classes && e.sop_classes)
    AND (s.calling_ae_titles = '{}' OR e.calling_ae_title = ANY (s.calling_ae_titles))
"""


@dataclass(frozen=True, slots=True)
class SelectedSpaces:
    """Pairs of a subscription and a space whose events it takes, as two parallel columns."""

    subscription_ids: list[int]
    space_ids: list[int]


def selected_spaces(subscriptions: Iterable[Subscription]) -> SelectedSpaces:
    """The spaces that each subscription takes events of; two queries and the caller's one.

    `subscriptions` need `spaces` prefetched.
    """
    names = dict(StorageSpace.objects.values_list("pk", "name"))
    pairs = [
        (subscription.pk, space_id)
        for subscription in subscriptions
        for space_id in _spaces_of(subscription, names)
    ]
    return SelectedSpaces([pair[0] for pair in pairs], [pair[1] for pair in pairs])


def takes_provider(pattern: str, provider: str) -> bool:
    """Whether one of the comma-separated regular expressions is found in the name; empty: all."""
    expressions = [part for part in pattern.split(",") if part]
    return not expressions or any(re.search(part, provider) for part in expressions)


def _spaces_of(subscription: Subscription, names: dict[int, str]) -> list[int]:
    listed = {space.pk for space in subscription.spaces.all()}
    return [
        space_id
        for space_id, name in names.items()
        if (subscription.all_spaces or space_id in listed) and _takes(subscription, name)
    ]


def _takes(subscription: Subscription, name: str) -> bool:
    try:
        return takes_provider(subscription.provider_pattern, name)
    except re.error:  # written past the form's validation: selects nothing, stops nobody
        return False
