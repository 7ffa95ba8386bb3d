"""Ten thousand refusals are a few records; whoever does something has each recorded."""

from collections import Counter

from ingestion.dimse.journal.association_end import Outcome
from ingestion.dimse.journal.repeated_endings import (
    PEERS_MAX,
    ROWS_PER_PEER_MAX,
    WINDOW_SECONDS,
    RepeatedEndings,
)
from ingestion.dimse.journal.tally import Tally
from tests.unit.dimse.endings import ending, working


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_flood_of_refusals_is_a_few_rows_and_one_for_the_rest() -> None:
    repeated = RepeatedEndings(clock=(clock := Clock()))
    admitted = [repeated.admits(ending()) for _ in range(10_000)]
    assert admitted == [True] * ROWS_PER_PEER_MAX + [False] * (10_000 - ROWS_PER_PEER_MAX)
    assert repeated.take_counted() == []
    assert repeated.seconds_left() == WINDOW_SECONDS
    clock.now += WINDOW_SECONDS
    (counted,) = repeated.take_counted()
    assert counted.repeats + 1 == 10_000 - ROWS_PER_PEER_MAX
    assert counted.ending.peer_address == "192.0.2.1"
    assert repeated.take_counted() == []
    assert repeated.seconds_left() is None


def test_next_window_admits_rows_again() -> None:
    repeated = RepeatedEndings(clock=(clock := Clock()))
    for _ in range(2):
        assert all(repeated.admits(ending()) for _ in range(ROWS_PER_PEER_MAX))
        clock.now += WINDOW_SECONDS


def test_associations_that_did_something_are_never_summed_up() -> None:
    repeated = RepeatedEndings()
    found = Tally(operations=Counter({"C-FIND": 1, "C-ECHO": 1}))
    sent = Tally(instances_sent=1)
    for _ in range(ROWS_PER_PEER_MAX * 3):
        assert repeated.admits(working())
        assert repeated.admits(ending(tally=found))
        assert repeated.admits(ending(tally=sent))
    assert repeated.take_counted(even_if_early=True) == []


def test_echoes_of_a_monitor_are_summed_up() -> None:
    repeated = RepeatedEndings()
    echo = Tally(operations=Counter({"C-ECHO": 1}))
    told = [
        repeated.admits(ending(outcome=Outcome.RELEASED, tally=echo))
        for _ in range(ROWS_PER_PEER_MAX + 1)
    ]
    assert told[-1] is False


def test_outcomes_of_a_peer_are_counted_apart() -> None:
    repeated = RepeatedEndings()
    for outcome in [Outcome.REFUSED] * ROWS_PER_PEER_MAX + [Outcome.VANISHED, Outcome.REFUSED]:
        repeated.admits(ending(outcome=outcome))
    counted = repeated.take_counted(even_if_early=True)
    assert {one.ending.outcome for one in counted} == {Outcome.REFUSED, Outcome.VANISHED}


def test_peers_beyond_the_limit_share_a_row_without_address() -> None:
    repeated = RepeatedEndings()
    peers = [f"198.51.{number // 250}.{number % 250}" for number in range(PEERS_MAX + 100)]
    admitted = sum(repeated.admits(ending(peer_address=peer)) for peer in peers)
    assert admitted == PEERS_MAX
    (counted,) = repeated.take_counted(even_if_early=True)
    assert (counted.ending.peer_address, counted.repeats) == ("", 99)
