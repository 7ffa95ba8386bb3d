"""A crew of senders: nothing is lost, counted twice or left without an answer, whatever breaks."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ingestion.dimse.protocol.commands import SubOperations
from ingestion.dimse.protocol.upper_layer import AbortedByPeer, PeerSilent, PeerUnreachable
from ingestion.dimse.requestor.endurance import BREAKS_MAX, SENT_AFTER_SILENCE_MIN
from ingestion.dimse.services.retrieval_progress import Progress
from ingestion.dimse.services.sending_crew import SendingCrew
from ingestion.errors import NotAcceptable, ObjectMissing
from ingestion.use_cases.retrieve_instances import HeldInstance
from tests.eventually import eventually

UIDS = [f"1.2.{number}" for number in range(12)]


def instance(sop_instance_uid: str) -> HeldInstance:
    fields: list[Any] = [0, "main", "1", "1", sop_instance_uid, "1", "1", b"", 1, 0, None, None, ""]
    return HeldInstance(*fields, store=None)  # type: ignore[arg-type, misc]


class Supply:
    """Instances in memory."""

    def __init__(self, uids: list[str]) -> None:
        self.progress = Progress(len(uids))
        self._left = deque(instance(uid) for uid in uids)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._left)

    def take(self, _check: Callable[[], None] = lambda: None) -> HeldInstance | None:
        with self._lock:
            return self._left.popleft() if self._left else None

    def put_back(self, instance: HeldInstance) -> None:
        self._left.appendleft(instance)

    def fail_rest(self, reason: str) -> None:
        while (left := self.take()) is not None:
            self.progress.failed(left.sop_instance_uid, reason)
        self.progress.fail_remaining(reason)


class Sender:
    """Plays one outcome after the other: a status, or an error to raise; then success."""

    def __init__(self, *outcomes: int | Exception, opening: Exception | None = None) -> None:
        self._outcomes: Iterator[int | Exception] = iter(outcomes)
        self._opening = opening
        self.sent: list[str] = []
        self.closed = 0

    def open(self) -> None:
        if self._opening is not None:
            raise self._opening

    def send(self, instance: HeldInstance) -> int:
        self.sent.append(instance.sop_instance_uid)
        outcome = next(self._outcomes, 0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def stop(self) -> None:
        """Nothing lasts."""

    def close(self) -> None:
        self.closed += 1


class StuckSender(Sender):
    """Hangs in the first instance until it is stopped, if it listens at all."""

    def __init__(self) -> None:
        super().__init__()
        self.is_sending, self.let_go = threading.Event(), threading.Event()

    def send(self, instance: HeldInstance) -> int:
        self.sent.append(instance.sop_instance_uid)
        self.is_sending.set()
        assert self.let_go.wait(60)
        raise AbortedByPeer("it was stopped")

    def stop(self) -> None:
        self.let_go.set()


class SlowSender(Sender):
    """Is associated late."""

    def __init__(self) -> None:
        super().__init__()
        self.may_open = threading.Event()

    def open(self) -> None:
        assert self.may_open.wait(60)


def run(*senders: Sender, uids: list[str] = UIDS) -> Progress:
    supply = Supply(uids)
    crew = SendingCrew(supply, senders)
    crew.start()
    assert crew.wait(60)
    crew.stop()
    assert all(sender.closed == 1 for sender in senders)
    assert supply.progress.pending().remaining == 0
    return supply.progress


def aborted() -> Exception:
    return AbortedByPeer("the peer aborted")


def test_every_instance_is_sent_once() -> None:
    senders = [Sender() for _ in range(4)]
    assert run(*senders).final() == SubOperations(completed=12)
    assert sorted(uid for sender in senders for uid in sender.sent) == sorted(UIDS)


def test_errors_of_an_instance_cost_that_one_alone() -> None:
    sender = Sender(0, ObjectMissing("gone"), 0xA700, NotAcceptable("no context"), 0xB000)
    progress = run(sender)
    assert progress.final() == SubOperations(completed=8, failed=3, warning=1)
    assert progress.failed_uids == (UIDS[1], UIDS[2], UIDS[3])
    assert sender.sent == UIDS


def test_broken_association_costs_a_second_try() -> None:
    sender = Sender(0, aborted(), 0)
    assert run(sender).final() == SubOperations(completed=12)
    assert sender.sent == [UIDS[0], UIDS[1], *UIDS[1:]]


def test_silent_destination_is_not_waited_for_twice() -> None:
    sender = Sender(0, PeerSilent("no answer"), 0)
    assert run(sender).final() == SubOperations(completed=11, failed=1)
    assert sender.sent == UIDS


def test_destination_that_takes_a_few_and_falls_silent_again_and_again_is_given_up() -> None:
    few_then_silence: list[int | Exception] = [0, 0, PeerSilent("no answer")]
    sender = Sender(*few_then_silence * 100)
    progress = run(sender, uids=[f"1.2.{number}" for number in range(300)])
    assert progress.final() == SubOperations(completed=2 * BREAKS_MAX, failed=300 - 2 * BREAKS_MAX)
    assert progress.last_failure == "the destination breaks associations"


def test_silence_is_forgotten_after_many_instances_sent() -> None:
    some: list[int | Exception] = [*[0] * SENT_AFTER_SILENCE_MIN, PeerSilent("no answer")]
    sender = Sender(*some * (BREAKS_MAX + 1))
    uids = [f"1.2.{number}" for number in range(len(some) * (BREAKS_MAX + 1))]
    progress = run(sender, uids=uids)
    assert progress.final().failed == BREAKS_MAX + 1
    assert sender.sent == uids


def test_instances_that_abort_now_and_then_fail_alone() -> None:
    one_of_two: list[int | Exception] = [aborted(), aborted(), 0]
    sender = Sender(*one_of_two * 12)
    progress = run(sender, uids=[f"1.2.{number}" for number in range(24)])
    assert progress.final() == SubOperations(completed=12, failed=12)


def test_destination_that_breaks_everything_is_given_up() -> None:
    sender = Sender(*(aborted() for _ in range(100)))
    progress = run(sender)
    assert progress.final() == SubOperations(failed=12)
    assert sender.sent == [uid for uid in UIDS[:BREAKS_MAX] for _ in range(2)]
    assert progress.last_failure == "the destination breaks associations"


@pytest.mark.parametrize("error", [PeerUnreachable("refused"), aborted(), PeerSilent("no answer")])
def test_destination_that_cannot_be_associated_fails_all(error: Exception) -> None:
    progress = run(Sender(opening=error), Sender(opening=error))
    assert progress.final() == SubOperations(failed=12)
    assert progress.last_failure == str(error)
    assert progress.failed_uids == tuple(UIDS)


def test_others_send_what_one_could_not() -> None:
    unwanted = Sender(opening=PeerUnreachable("one association is enough"))
    assert run(unwanted, Sender()).final() == SubOperations(completed=12)


def test_instance_in_the_hands_of_a_lost_destination_is_accounted_for() -> None:
    lost = Sender(0, PeerUnreachable("no new association"))
    counts = run(lost, Sender()).final()
    assert counts.completed + counts.failed == 12
    assert counts.failed <= 1, "only if nobody was left to take it over"


def test_failure_of_ours_is_no_success(caplog: pytest.LogCaptureFixture) -> None:
    progress = run(Sender(ValueError("a mistake")), uids=UIDS[:1])
    assert progress.final() == SubOperations(failed=1)
    assert progress.final_status() == 0xA702
    caplog.clear()


def test_stop_breaks_off_what_hangs() -> None:
    supply, sender = Supply(UIDS), StuckSender()
    crew = SendingCrew(supply, [sender])
    crew.start()
    assert sender.is_sending.wait(60)
    crew.stop()
    assert crew.wait(60)
    assert supply.progress.pending() == SubOperations(remaining=11, failed=1)
    assert sender.closed == 1


def test_nobody_waits_for_an_association_that_is_not_needed_any_more() -> None:
    supply, slow = Supply(UIDS), SlowSender()
    crew = SendingCrew(supply, [slow, Sender()])
    crew.start()
    assert crew.wait(60)
    assert supply.progress.final() == SubOperations(completed=12)
    slow.may_open.set()
    crew.stop()
    assert slow.sent == []


def test_late_association_takes_over_from_one_that_is_lost() -> None:
    supply, slow = Supply(UIDS), SlowSender()
    lost = Sender(0, PeerUnreachable("no new association"))
    crew = SendingCrew(supply, [slow, lost])
    crew.start()
    eventually(lambda: lost.closed)
    assert not crew.wait(0)
    slow.may_open.set()
    assert crew.wait(60)
    crew.stop()
    assert supply.progress.final() == SubOperations(completed=12)
    assert slow.sent == UIDS[1:]
