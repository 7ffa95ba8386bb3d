"""When wake-ups may be sent: at once, and in a burst after pauses that grow up to a limit."""

from ingestion.domain.wake_up_rhythm import WakeUpRhythm


def sent_in_a_burst(rhythm: WakeUpRhythm, *, until: float) -> list[float]:
    """When wake-ups go that are asked for all the time."""
    now, sent = 0.0, []
    while now <= until:
        now = rhythm.due_at(now)
        rhythm.note_sent(now)
        sent.append(now)
    return sent


def test_the_first_goes_at_once_and_pauses_double_up_to_the_longest() -> None:
    rhythm = WakeUpRhythm(1.0, 4.0)
    assert sent_in_a_burst(rhythm, until=12.0) == [0.0, 1.0, 3.0, 7.0, 11.0, 15.0]


def test_pauses_stay_where_none_is_longer() -> None:
    assert sent_in_a_burst(WakeUpRhythm(1.0, 1.0), until=3.0) == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_after_the_end_of_a_burst_the_next_goes_at_once_again() -> None:
    rhythm = WakeUpRhythm(1.0, 4.0)
    assert sent_in_a_burst(rhythm, until=10.0)[-1] == 11.0
    assert rhythm.due_at(14.0) == 15.0  # too soon: the burst goes on
    rhythm.note_sent(15.0)
    assert rhythm.due_at(19.0) == 19.0
    rhythm.note_sent(19.0)
    assert rhythm.due_at(19.5) == 20.0
