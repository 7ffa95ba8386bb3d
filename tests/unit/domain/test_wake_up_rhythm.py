"""When wake-ups may be sent: at once, and in a burst after pauses that grow up to a limit."""

from itertools import pairwise

from ingestion.domain.wake_up_rhythm import WakeUpRhythm


def sent_in_a_burst(rhythm: WakeUpRhythm, *, until: float) -> list[float]:
    """When wake-ups go that are asked for all the time."""
    now, sent = 0.0, []
    while now <= until:
        now = rhythm.due_at(now)
        rhythm.note_sent(now)
        sent.append(now)
    return sent


def test_the_first_goes_at_once_and_pauses_grow_by_half_up_to_the_longest() -> None:
    sent = sent_in_a_burst(WakeUpRhythm(64.0, 300.0), until=1000.0)
    pauses = [after - before for before, after in pairwise(sent)]
    assert sent[0] == 0.0
    assert pauses == [64.0, 96.0, 144.0, 216.0, 300.0, 300.0]


def test_pauses_stay_where_none_is_longer() -> None:
    assert sent_in_a_burst(WakeUpRhythm(1.0, 1.0), until=3.0) == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_after_the_end_of_a_burst_the_next_goes_at_once_again() -> None:
    rhythm = WakeUpRhythm(64.0, 100.0)
    assert sent_in_a_burst(rhythm, until=200.0)[-1] == 260.0
    assert rhythm.due_at(359.0) == 360.0  # too soon: the burst goes on
    rhythm.note_sent(360.0)
    assert rhythm.due_at(460.0) == 460.0
    rhythm.note_sent(460.0)
    assert rhythm.due_at(461.0) == 524.0
