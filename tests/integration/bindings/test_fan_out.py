"""Events become deliveries: once per subscription that selects them, and only those."""

import threading
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bindings.fan_out import fan_out_events
from bindings.models import Delivery, DeliveryState, Subscription
from bindings.redrive import trim_deliveries
from bindings.replay_events import Replay, replay_events
from ingestion.models import Event
from tests.receipts import make_space
from tests.subscriptions import CT, make_event, make_subscription

URL = "https://subscriber.example/hook"


def owed(subscription: Subscription) -> set[int]:
    return set(subscription.deliveries.values_list("event_id", flat=True))


@pytest.mark.django_db
def test_each_event_is_owed_once_to_each_subscription() -> None:
    space = make_space()
    first, second = make_subscription(URL), make_subscription(URL)
    events = {make_event(space).pk for _ in range(3)}

    assert fan_out_events() == 3
    assert fan_out_events() == 0
    Event.objects.update(fanned_out_at=None)  # as if the mark had been lost
    assert fan_out_events() == 3

    assert owed(first) == owed(second) == events
    assert Delivery.objects.count() == 6


@pytest.mark.django_db
def test_events_are_taken_in_batches() -> None:
    space = make_space()
    make_subscription(URL)
    for _ in range(5):
        make_event(space)
    assert [fan_out_events(limit=2) for _ in range(4)] == [2, 2, 1, 0]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("selector", "selects"),
    [
        ({}, True),
        ({"modalities": ["MR", "CT"]}, True),
        ({"modalities": ["MR"]}, False),
        ({"calling_ae_titles": ["MODALITY"]}, True),
        ({"calling_ae_titles": ["OTHER"]}, False),
        ({"sop_classes": [CT]}, True),
        ({"sop_classes": ["1.2"]}, False),
        ({"provider_pattern": "other,^Ma"}, True),
        ({"provider_pattern": "^ain"}, False),
        ({"provider_pattern": "("}, False),  # past validation: selects nothing, stops nobody
        ({"event_types": ["StudyRevisionEvent"]}, False),
        ({"event_types": ["StudyRevisionEvent", "DicomAvailableEvent"]}, True),
        ({"is_enabled": False}, False),
    ],
)
def test_selector_decides(selector: dict[str, object], selects: bool) -> None:
    space = make_space()
    chosen, everything = make_subscription(URL, **selector), make_subscription(URL)
    event = make_event(space)
    fan_out_events()
    assert owed(chosen) == ({event.pk} if selects else set())
    assert owed(everything) == {event.pk}


@pytest.mark.django_db
def test_subscription_to_one_space_gets_no_event_of_another() -> None:
    first, second = make_space("first"), make_space("second")
    subscription = make_subscription(URL, all_spaces=False)
    subscription.spaces.add(first)
    mine, _ = make_event(first), make_event(second)
    fan_out_events()
    assert owed(subscription) == {mine.pk}


@pytest.mark.django_db
def test_subscription_whose_list_of_spaces_ran_empty_is_owed_nothing() -> None:
    subscription = make_subscription(URL, all_spaces=False)
    subscription.spaces.add(make_space("first"))
    subscription.spaces.clear()
    make_event(make_space("second"))
    assert fan_out_events() == 1
    assert owed(subscription) == set()


@pytest.mark.django_db
def test_subscription_is_owed_only_what_happened_after_it() -> None:
    space = make_space()
    event = make_event(space)
    subscription = make_subscription(URL)
    Subscription.objects.update(created_at=timezone.now() + timedelta(seconds=1))
    assert fan_out_events() == 1
    assert owed(subscription) == set()

    now = timezone.now()
    since, until = now - timedelta(days=1), now + timedelta(days=1)
    assert replay_events(subscription, since=since, until=until) == 1
    assert replay_events(subscription, since=since, until=until) == 0
    assert owed(subscription) == {event.pk}


@pytest.mark.django_db
def test_replay_of_everything_tells_again_under_the_same_id() -> None:
    space = make_space()
    subscription = make_subscription(URL)
    make_event(space)
    fan_out_events()
    delivery = Delivery.objects.get()
    now = timezone.now()
    since, until = now - timedelta(days=1), now + timedelta(days=1)
    Delivery.objects.update(state=DeliveryState.DELIVERED, settled_at=now, attempts=3)

    assert replay_events(subscription, since=since, until=until) == 0
    assert replay_events(subscription, since=since, until=until, replay=Replay.EVERYTHING) == 1

    again = Delivery.objects.get()
    assert (again.uuid, again.state, again.attempts) == (delivery.uuid, DeliveryState.PENDING, 0)


@pytest.mark.django_db
def test_replay_of_what_was_trimmed_tells_it_under_the_same_ids() -> None:
    space = make_space()
    subscriptions = [make_subscription(URL), make_subscription(URL)]
    for _ in range(3):
        make_event(space)
    fan_out_events()
    now = timezone.now()
    before = set(Delivery.objects.values_list("subscription", "event", "uuid"))
    assert len({told for _, _, told in before}) == 6
    Delivery.objects.update(state=DeliveryState.DELIVERED, settled_at=now)
    assert trim_deliveries(settled_before=now + timedelta(days=1)) == 6

    for subscription in subscriptions:
        since, until = now - timedelta(days=1), now + timedelta(days=1)
        assert replay_events(subscription, since=since, until=until) == 3
    assert set(Delivery.objects.values_list("subscription", "event", "uuid")) == before


@pytest.mark.django_db
def test_replay_keeps_to_its_range() -> None:
    space = make_space()
    subscription = make_subscription(URL)
    make_event(space)
    now = timezone.now()
    since, until = now - timedelta(days=2), now - timedelta(days=1)
    assert replay_events(subscription, since=since, until=until) == 0


@pytest.mark.django_db
def test_number_of_statements_does_not_grow() -> None:
    spaces = [make_space("a"), make_space("b")]
    for _ in range(10):
        make_subscription(URL).spaces.set(spaces)
    for _ in range(50):
        make_event(spaces[0])
    with CaptureQueriesContext(
        connection,
    ) as statements:
        fan_out_events()
    # savepoint, claim, subscriptions, their spaces, names, owe, settle, release
    assert len(statements) == 8
    assert Delivery.objects.count() == 500


@pytest.mark.django_db
def test_without_subscriptions_only_the_mark_is_written() -> None:
    make_event(make_space())
    with CaptureQueriesContext(connection) as statements:
        assert fan_out_events() == 1
    assert len(statements) == 6
    assert not any("bindings_delivery" in item["sql"] for item in statements)


@pytest.mark.django_db(transaction=True)
def test_workers_beside_each_other_owe_everything_once() -> None:
    space = make_space()
    make_subscription(URL)
    for _ in range(60):
        make_event(space)

    def work() -> None:
        while fan_out_events(limit=7):
            pass
        connection.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert Delivery.objects.count() == 60
    assert not Event.objects.filter(fanned_out_at=None).exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "pigeon"},
        {"event_types": []},
        {"kind": "stow_rs", "event_types": ["StudyRevisionEvent"]},
        {"calling_ae_titles": ["A"], "event_types": ["StudyRevisionEvent"]},
        {"attempts_max": 0},
        {"timeout_seconds": 0.0},
        {"timeout_seconds": 301.0},
    ],
)
def test_database_refuses_subscriptions_that_cannot_work(fields: dict[str, object]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        make_subscription(URL, **fields)
