"""Claims: who may write what when a worker was too slow, and that a living one keeps its claim."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from django.db import connection, transaction

from bindings.attempt_deliveries import attempt_deliveries
from bindings.binding import DeliveryOutcome
from bindings.claims import Claim, claim_deliveries, due_subscriptions, kept_alive
from bindings.fan_out import fan_out_events
from bindings.models import Attempt, Delivery, OutcomeClass, Subscription
from bindings.record_outcomes import record_outcomes
from tests.eventually import eventually
from tests.receipts import make_space
from tests.subscriptions import make_event, make_subscription

URL = "https://subscriber.example/hook"


def owe() -> Subscription:
    subscription = make_subscription(URL)
    make_event(make_space())
    fan_out_events()
    return subscription


def claimed(subscription: Subscription) -> Claim:
    claim = claim_deliveries(subscription.pk)
    assert claim is not None
    return claim


def lapse() -> None:
    Delivery.objects.update(claimed_until="2000-01-01T00:00Z")


def record(subscription: Subscription, claim: Claim, outcome: OutcomeClass) -> None:
    told = DeliveryOutcome(claim.rows[0].id, outcome, datetime.now(UTC), 1)
    record_outcomes(subscription, claim, [told])


@pytest.mark.django_db
@pytest.mark.parametrize("late", [OutcomeClass.TRANSIENT, OutcomeClass.PERMANENT])
def test_late_failure_does_not_disturb_the_one_who_sends_now(late: OutcomeClass) -> None:
    subscription = owe()
    slow = claimed(subscription)
    lapse()
    quick = claimed(subscription)
    record(subscription, slow, late)
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.claim_id, delivery.attempts) == ("pending", quick.id, 0)
    assert Attempt.objects.count() == 1  # what was tried is on record
    record(subscription, quick, OutcomeClass.DELIVERED)
    assert Delivery.objects.get().state == "delivered"


@pytest.mark.django_db
def test_late_success_counts_and_a_failure_after_it_does_not() -> None:
    subscription = owe()
    slow = claimed(subscription)
    lapse()
    quick = claimed(subscription)
    record(subscription, slow, OutcomeClass.DELIVERED)
    record(subscription, quick, OutcomeClass.PERMANENT)
    assert Delivery.objects.get().state == "delivered"


@pytest.mark.django_db
def test_success_after_the_operator_cancelled_leaves_it_cancelled() -> None:
    subscription = owe()
    claim = claimed(subscription)
    Delivery.objects.update(
        state="cancelled", settled_at=datetime.now(UTC), claim_id=None, claimed_until=None
    )
    record(subscription, claim, OutcomeClass.DELIVERED)
    assert Delivery.objects.get().state == "cancelled"


@pytest.mark.django_db
def test_claimed_delivery_is_not_due_and_a_lapsed_one_is() -> None:
    subscription = owe()
    assert due_subscriptions() == [subscription.pk]
    claimed(subscription)
    assert due_subscriptions() == []
    lapse()
    assert due_subscriptions() == [subscription.pk]


@pytest.mark.django_db(transaction=True)
def test_claim_is_renewed_as_long_as_its_pass_lives() -> None:
    claim = claimed(owe())
    lapse()
    with kept_alive(claim, renew_seconds=0.02):
        eventually(lambda: not due_subscriptions())
    lapse()
    assert due_subscriptions()


@pytest.mark.django_db(transaction=True)
def test_workers_beside_each_other_claim_each_delivery_once() -> None:
    subscription = make_subscription(URL)
    space = make_space()
    for _ in range(50):
        make_event(space)
    fan_out_events()
    claims: list[Claim] = []

    def work() -> None:
        while claim := claim_deliveries(subscription.pk):
            claims.append(claim)
        connection.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    ids = [row.id for claim in claims for row in claim.rows]
    assert len(ids) == len(set(ids)) == 50


def is_waited_for(table: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = %s::regclass", [table]
        )
        return cursor.fetchone() is not None


def remove_the_subscription() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE bindings_subscription IN ACCESS EXCLUSIVE MODE")
        cursor.execute("DELETE FROM bindings_delivery; DELETE FROM bindings_subscription")
    connection.close()


def attempt(subscription_id: int) -> int:
    try:
        return attempt_deliveries(subscription_id)
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_subscription_removed_between_claim_and_send_leaves_nothing_to_do() -> None:
    """The pass is held in its claim until the removal is next in line."""
    subscription = owe()
    with ThreadPoolExecutor(2) as threads:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE bindings_delivery IN ACCESS EXCLUSIVE MODE")
            attempted = threads.submit(attempt, subscription.pk)
            eventually(lambda: is_waited_for("bindings_delivery"))
            removed = threads.submit(remove_the_subscription)
            eventually(lambda: is_waited_for("bindings_subscription"))
        removed.result(10)
        assert attempted.result(10) == 0
