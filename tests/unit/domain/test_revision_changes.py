"""What changes of one instance amount to, against a model that keeps the states."""

from hypothesis import given
from hypothesis import strategies as st

from ingestion.domain.revision_changes import Change, ChangeSet, Kind, change_set


def test_lists_hold_each_instance_once_in_order_of_first_change() -> None:
    changes = [
        Change("s/2", Kind.ADDITION),
        Change("s/1", Kind.ADDITION),
        Change("s/2", Kind.MODIFICATION),
        Change("s/3", Kind.MODIFICATION),
        Change("s/4", Kind.DELETION),
    ]
    assert change_set(changes) == ChangeSet(("s/2", "s/1"), ("s/3",), ("s/4",))


def test_what_came_and_went_was_never_there() -> None:
    assert not change_set([Change("s/1", Kind.ADDITION), Change("s/1", Kind.DELETION)])


def test_what_went_and_came_back_is_modified() -> None:
    net = change_set([Change("s/1", Kind.DELETION), Change("s/1", Kind.ADDITION)])
    assert net == ChangeSet((), ("s/1",), ())


@given(st.booleans(), st.lists(st.sampled_from(Kind), min_size=1, max_size=12))
def test_net_change_is_the_difference_of_the_states(present: bool, attempts: list[Kind]) -> None:
    """Only changes that a manifest can make: nothing absent is modified or deleted."""
    before, now, touched, changes = present, present, False, []
    for kind in attempts:
        if (kind == Kind.ADDITION) == now:
            continue
        now = kind != Kind.DELETION
        touched = True
        changes.append(Change("s/1", kind))
    net = change_set(changes)
    expected: dict[tuple[bool, bool], ChangeSet] = {
        (False, True): ChangeSet(("s/1",), (), ()),
        (True, False): ChangeSet((), (), ("s/1",)),
        (False, False): ChangeSet((), (), ()),
        (True, True): ChangeSet((), ("s/1",) if touched else (), ()),
    }
    assert net == expected[before, now]
