"""Ids of receipts are UUIDs of version 7 and never go back."""

import threading
import time

from ingestion.domain.receipt_ids import new_receipt_id


def test_ids_are_version_7_with_the_time_in_front() -> None:
    before = time.time_ns() // 1_000_000
    receipt_id = new_receipt_id()
    after = time.time_ns() // 1_000_000
    assert receipt_id.version == 7
    assert receipt_id.variant == "specified in RFC 4122"
    assert before <= receipt_id.int >> 80 <= after + 1


def test_ids_of_a_process_ascend_whatever_the_thread() -> None:
    made: list[int] = []
    lock = threading.Lock()

    def make() -> None:
        for _ in range(500):
            with lock:
                made.append(new_receipt_id().int)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == sorted(set(made))
