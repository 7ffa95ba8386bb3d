"""Wake-ups, sweeps and deaths with real workers and a real broker."""

import signal
import threading
from pathlib import Path

import pytest
from django.db import transaction
from django.db.models.functions import Now
from redis import Redis

from bindings.models import Attempt, Delivery
from ingestion.embedded.processes import send_signal
from ingestion.errors import BrokerUnavailable
from ingestion.models import Event
from ingestion.wakeups import Work, wake
from tests.eventually import eventually
from tests.http_receiver import Answer, HttpReceiver, Received
from tests.integration.workers.conftest import StartCelery, private_broker
from tests.receipts import make_receipt, make_space
from tests.subscriptions import make_event, make_subscription
from workers.queues import MESSAGES_MAX
from workers.wake_ups import send_wake_up

pytestmark = pytest.mark.django_db(transaction=True)


def delivered() -> int:
    return Delivery.objects.filter(state="delivered").count()


def test_event_reaches_the_subscriber_by_wake_ups_alone(
    start_worker: StartCelery, broker_url: str, receiver: HttpReceiver
) -> None:
    start_worker(broker_url=broker_url)
    make_subscription(receiver.url)
    with transaction.atomic():
        make_event(make_space())
        transaction.on_commit(lambda: wake(Work.FAN_OUT))
    eventually(delivered)
    assert receiver.ids() == [str(Delivery.objects.get().uuid)]


@pytest.mark.parametrize("quiet_seconds", [0, 1])
def test_receipt_becomes_an_instance_a_revision_and_two_webhooks(
    start_worker: StartCelery,
    start_celery: StartCelery,
    broker_url: str,
    receiver: HttpReceiver,
    quiet_seconds: int,
) -> None:
    """Wake-ups carry it all the way; only what settles by time alone is left to the sweep."""
    start_worker(broker_url=broker_url)
    if quiet_seconds:
        start_celery("beat", broker_url=broker_url)
    make_subscription(receiver.url, event_types=["DicomAvailableEvent", "StudyRevisionEvent"])
    make_receipt(make_space(quiet_seconds=quiet_seconds))
    wake(Work.REGISTER_RECEIPTS)
    eventually(lambda: delivered() == 2, within_seconds=60)
    kinds = [item.headers["ce-type"] for item in receiver.received]
    assert sorted(kinds) == ["DicomAvailableEvent", "StudyRevisionEvent"]


def test_broker_that_dies_and_forgets_everything_loses_nothing(
    start_worker: StartCelery, start_celery: StartCelery, tmp_path: Path, receiver: HttpReceiver
) -> None:
    space, _ = make_space(), make_subscription(receiver.url)
    with private_broker(tmp_path / "first") as broker:
        start_worker(broker_url=broker.url)
        start_celery("beat", broker_url=broker.url)
        make_event(space)
        eventually(lambda: delivered() == 1, within_seconds=60)
        send_signal(broker.pid, signal.SIGKILL)
        eventually(lambda: not broker.is_running())
    make_event(space)
    # The same address and password, no data.
    password = (tmp_path / "first" / "password").read_text()
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / "password").write_text(password)
    with private_broker(tmp_path / "second", port=broker.port):
        eventually(lambda: delivered() == 2, within_seconds=60)
    assert not Event.objects.filter(fanned_out_at=None).exists()


def test_worker_killed_while_sending_is_followed_by_one_that_sends_again_under_the_same_id(
    start_worker: StartCelery, start_celery: StartCelery, broker_url: str, receiver: HttpReceiver
) -> None:
    hold = threading.Event()

    def script(_: Received) -> Answer:
        is_first = len(receiver.received) == 1
        return Answer(200, held_until=hold if is_first else None)

    receiver.script = script
    victim = start_worker(broker_url=broker_url)
    make_subscription(receiver.url, timeout_seconds=30.0)
    make_event(make_space())
    wake(Work.FAN_OUT)
    eventually(lambda: receiver.received)
    victim.kill()
    hold.set()
    assert delivered() == 0
    assert Attempt.objects.count() == 0  # it died before it could write anything

    Delivery.objects.update(claimed_until=Now())  # as if the lease had run out
    start_celery("beat", broker_url=broker_url)
    start_worker(broker_url=broker_url)
    eventually(delivered, within_seconds=60)
    assert len(receiver.received) == 2
    assert len(set(receiver.ids())) == 1


def test_many_deliveries_to_several_subscribers_all_arrive_once(
    start_worker: StartCelery, start_celery: StartCelery, broker_url: str, receiver: HttpReceiver
) -> None:
    start_worker(broker_url=broker_url)
    start_celery("beat", broker_url=broker_url)
    space = make_space()
    for _ in range(3):
        make_subscription(receiver.url)
    make_subscription("http://127.0.0.1:1/")  # and one that is dead
    for _ in range(150):
        make_event(space)
    wake(Work.FAN_OUT)
    eventually(lambda: delivered() == 450, within_seconds=60)
    assert len(receiver.received) == len(set(receiver.ids())) == 450


def test_wake_up_without_a_broker_is_told(tmp_path: Path) -> None:
    with private_broker(tmp_path / "broker") as broker:
        send_wake_up(Work.FAN_OUT, broker_url=broker.url)
        send_signal(broker.pid, signal.SIGSTOP)  # silent, not gone
        assert not is_taken(broker.url)
        send_signal(broker.pid, signal.SIGKILL)
        eventually(lambda: not broker.is_running())
        assert not is_taken(broker.url)


def test_wake_ups_go_on_when_the_broker_is_back(tmp_path: Path) -> None:
    with private_broker(tmp_path / "broker") as broker:
        send_wake_up(Work.FAN_OUT, broker_url=broker.url)
    assert not is_taken(broker.url)
    with private_broker(tmp_path / "broker", port=broker.port):
        eventually(lambda: is_taken(broker.url))


def test_queue_of_wake_ups_does_not_grow_without_workers(tmp_path: Path) -> None:
    with private_broker(tmp_path / "broker") as broker:
        for _ in range(MESSAGES_MAX + 50):
            send_wake_up(Work.FAN_OUT, broker_url=broker.url)
        with Redis.from_url(broker.url) as client:
            assert client.llen("deliver") == MESSAGES_MAX


def is_taken(broker_url: str) -> bool:
    try:
        send_wake_up(Work.FAN_OUT, broker_url=broker_url)
    except BrokerUnavailable:
        return False
    return True
