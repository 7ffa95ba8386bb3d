"""What sub-operations add up to: PS3.4 C.4.2.3.1 and PS3.7 9.1.4.1, restated."""

import threading

import pytest

from ingestion.dimse.protocol.commands import SubOperations
from ingestion.dimse.services.retrieval_progress import Pace, Progress


def progress_of(*statuses: int) -> Progress:
    progress = Progress(len(statuses))
    for number, status in enumerate(statuses):
        progress.sent(status, f"1.2.{number}")
    return progress


# Statuses of the C-STORE-RSPs → status of the retrieval, completed, failed, warning.
OUTCOMES = {
    (): (0x0000, 0, 0, 0),
    (0x0000, 0x0000): (0x0000, 2, 0, 0),
    (0x0000, 0xA700): (0xB000, 1, 1, 0),
    (0x0000, 0xB000): (0xB000, 1, 0, 1),
    (0xB000, 0xB006, 0xB007): (0xB000, 0, 0, 3),
    (0xB000, 0x0110): (0xB000, 0, 1, 1),
    (0xA700, 0xA900, 0xC000, 0x0122, 0xFFFF): (0xA702, 0, 5, 0),
}


@pytest.mark.parametrize("statuses", OUTCOMES)
def test_statuses_of_the_peer_add_up(statuses: tuple[int, ...]) -> None:
    progress = progress_of(*statuses)
    status, completed, failed, warning = OUTCOMES[statuses]
    assert progress.final_status() == status
    assert progress.final() == SubOperations(None, completed, failed, warning)
    assert progress.pending() == SubOperations(0, completed, failed, warning)


def test_failed_instances_are_named_and_others_are_not() -> None:
    progress = progress_of(0x0000, 0xA700, 0xB000, 0xC001)
    progress.failed("1.2.9", "no object")
    assert progress.failed_uids == ("1.2.1", "1.2.3", "1.2.9")
    assert progress.last_failure == "no object"


def test_failed_list_stays_below_what_an_element_can_hold() -> None:
    progress = Progress(5000)
    for number in range(5000):
        progress.failed(f"2.25.{number:038}", "gone")
    assert progress.final().failed == 5000
    assert 65_000 < len("\\".join(progress.failed_uids)) <= 65_534


def test_what_was_deleted_meanwhile_does_not_remain() -> None:
    progress = Progress(3)
    progress.sent(0, "1.2.1")
    progress.withdrawn(1)
    assert progress.pending() == SubOperations(1, 1, 0, 0)
    progress.failed_unnamed(1, "the database did not answer")
    assert progress.final_status() == 0xB000
    assert progress.failed_uids == ()


def test_several_threads_lose_no_count() -> None:
    progress = Progress(4000)

    def send() -> None:
        for number in range(1000):
            progress.sent(0 if number % 2 else 0xB000, "1.2")

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert progress.pending() == SubOperations(0, 2000, 0, 2000)


def test_pending_responses_come_at_first_and_ten_times_a_second_at_most() -> None:
    now = [100.0]
    pace = Pace(lambda: now[0])
    assert [pace.is_due(), pace.is_due()] == [True, False]
    now[0] += 0.09
    assert not pace.is_due()
    now[0] += 0.02
    assert [pace.is_due(), pace.is_due()] == [True, False]
