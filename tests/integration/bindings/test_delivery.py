"""What follows from answers of subscribers: retries, dead letters, the circuit, operators."""

import hashlib
import threading
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from bindings.attempt_deliveries import attempt_deliveries
from bindings.claims import claim_deliveries, release
from bindings.fan_out import fan_out_events
from bindings.models import Attempt, Delivery, DeliveryState, OutcomeClass, Subscription
from bindings.redrive import cancel, redrive, retry_now, trim_deliveries
from ingestion.models import Event
from tests.http_receiver import Answer, HttpReceiver, Received, answers
from tests.receipts import make_space
from tests.subscriptions import (
    attempt_due_deliveries,
    make_due,
    make_event,
    make_subscription,
    owe,
    the_delivery,
)

pytestmark = pytest.mark.django_db


def test_failure_is_tried_again_under_the_same_id_with_a_fresh_signature(
    receiver: HttpReceiver,
) -> None:
    receiver.script = answers(500, 503, 200)
    owe(receiver.url)
    attempt_due_deliveries()
    delivery = the_delivery()
    assert (delivery.state, delivery.attempts) == ("pending", 1)
    assert 3.5 < (delivery.next_attempt_at - delivery.created_at).total_seconds() < 15
    assert attempt_due_deliveries() == 0  # not yet

    make_due()
    attempt_due_deliveries()
    make_due()
    attempt_due_deliveries()

    assert the_delivery().state == "delivered"
    assert len(set(receiver.ids())) == 1
    assert list(Attempt.objects.order_by("pk").values_list("peer_status", flat=True)) == [
        "500",
        "503",
        "200",
    ]


@pytest.mark.parametrize("status", [301, 400, 404, 422])
def test_refusal_is_a_dead_letter_at_once(receiver: HttpReceiver, status: int) -> None:
    receiver.script = lambda _: Answer(status, headers={"Location": receiver.url})
    owe(receiver.url)
    attempt_due_deliveries()
    delivery = the_delivery()
    assert (delivery.state, delivery.attempts) == ("dead", 1)
    assert str(status) in delivery.problem
    assert len(receiver.received) == 1  # no redirect is followed


def test_expired_credentials_kill_no_delivery(receiver: HttpReceiver) -> None:
    receiver.script = answers(401)
    owe(receiver.url)
    attempt_due_deliveries()
    assert the_delivery().state == "pending"


def test_gone_subscriber_is_disabled_and_what_it_was_owed_stays(receiver: HttpReceiver) -> None:
    receiver.script = answers(410)
    owe(receiver.url, events=30)
    attempt_due_deliveries()
    subscription = Subscription.objects.get()
    assert not subscription.is_enabled
    assert "410" in subscription.disabled_reason
    states = list(Delivery.objects.values_list("state", flat=True))
    assert 1 <= states.count("dead") <= 8
    assert states.count("pending") == 30 - states.count("dead")
    assert attempt_due_deliveries() == 0


def test_throttling_subscriber_is_left_alone_as_long_as_it_asks(receiver: HttpReceiver) -> None:
    receiver.script = lambda _: Answer(429, headers={"Retry-After": "100"})
    owe(receiver.url)
    attempt_due_deliveries()
    delivery, subscription = the_delivery(), Subscription.objects.get()
    assert delivery.state == "pending"
    assert 95 < (delivery.next_attempt_at - delivery.created_at).total_seconds() < 115
    assert subscription.opened_until is not None
    assert subscription.consecutive_failures == 0
    assert Attempt.objects.get().outcome == OutcomeClass.THROTTLED

    receiver.script = answers(200)
    make_due()
    attempt_due_deliveries()
    assert the_delivery().state == "delivered"
    assert Subscription.objects.get().opened_until is None


def test_last_try_ends_as_a_dead_letter_and_a_redrive_begins_anew(receiver: HttpReceiver) -> None:
    receiver.script = answers(500, 500, 200)
    owe(receiver.url, attempts_max=2)
    attempt_due_deliveries()
    make_due()
    attempt_due_deliveries()
    assert the_delivery().state == "dead"
    make_due()
    assert attempt_due_deliveries() == 0

    assert redrive(Delivery.objects.filter(state=DeliveryState.DEAD)) == 1
    assert the_delivery().attempts == 0
    attempt_due_deliveries()
    assert the_delivery().state == "delivered"
    assert len(set(receiver.ids())) == 1
    assert Attempt.objects.count() == 3


def test_poisoned_delivery_does_not_hold_up_its_neighbours(receiver: HttpReceiver) -> None:
    subscription = owe(receiver.url, events=40)
    poisoned = str(Delivery.objects.order_by("pk")[0].uuid)
    hold = threading.Event()

    def script(received: Received) -> Answer:
        is_poisoned = received.headers["webhook-id"] == poisoned
        return Answer(500, held_until=hold) if is_poisoned else Answer()

    receiver.script = script
    Subscription.objects.update(timeout_seconds=4.5)
    attempt_deliveries(subscription.pk)
    hold.set()
    assert Delivery.objects.filter(state="delivered").count() == 39
    assert Delivery.objects.get(uuid=poisoned).state == "pending"
    assert "4.5 s" in Delivery.objects.get(uuid=poisoned).problem


@pytest.mark.parametrize("broken", [{"type": "StudyRevisionEvent"}, {"data": []}])
def test_event_that_cannot_be_told_does_not_hold_up_its_neighbours(
    receiver: HttpReceiver, broken: dict[str, object]
) -> None:
    owe(receiver.url, events=3, event_types=["DicomAvailableEvent", "StudyRevisionEvent"])
    event = Event.objects.order_by("pk")[0]
    Event.objects.filter(pk=event.pk).update(**broken)
    attempt_due_deliveries()
    assert Delivery.objects.filter(state="delivered").count() == 2
    delivery = Delivery.objects.get(event=event)
    assert delivery.state == "pending"
    assert "untellable-event" in delivery.problem


def test_circuit_opens_and_one_probe_closes_it(receiver: HttpReceiver) -> None:
    receiver.script = answers(500)
    owe(receiver.url, events=40)
    attempt_due_deliveries()
    tried = len(receiver.received)
    subscription = Subscription.objects.get()
    assert subscription.consecutive_failures >= 5
    assert subscription.opened_until is not None
    assert tried < 30  # the rest of the batch was given back
    assert Delivery.objects.filter(claim_id__isnull=False).count() == 0
    assert attempt_due_deliveries() == 0

    make_due()
    assert attempt_due_deliveries() == 1  # the probe fails
    assert len(receiver.received) == tried + 1
    assert attempt_due_deliveries() == 0

    make_due()
    receiver.script = answers(200)
    assert attempt_due_deliveries() == 1
    assert Subscription.objects.get().consecutive_failures == 0
    assert attempt_due_deliveries() == 39
    assert Delivery.objects.filter(state="delivered").count() == 40


def test_one_dead_subscriber_does_not_hold_up_another(receiver: HttpReceiver) -> None:
    space = make_space()
    make_subscription("http://127.0.0.1:1/")
    alive = make_subscription(receiver.url)
    for _ in range(5):
        make_event(space)
    fan_out_events()
    attempt_due_deliveries()
    assert alive.deliveries.filter(state="delivered").count() == 5
    assert "refused" in Delivery.objects.filter(state="pending")[0].problem


def test_disabled_subscription_keeps_what_it_is_owed(receiver: HttpReceiver) -> None:
    owe(receiver.url, events=2)
    Subscription.objects.update(is_enabled=False)
    assert attempt_due_deliveries() == 0
    Subscription.objects.update(is_enabled=True)
    assert attempt_due_deliveries() == 2


def test_cancelled_deliveries_are_not_sent_and_can_be_owed_again(receiver: HttpReceiver) -> None:
    owe(receiver.url)
    assert cancel(Delivery.objects.all()) == 1
    assert attempt_due_deliveries() == 0
    assert redrive(Delivery.objects.all()) == 1
    assert attempt_due_deliveries() == 1


def test_retry_now_does_not_wait_for_the_schedule(receiver: HttpReceiver) -> None:
    receiver.script = answers(500, 200)
    owe(receiver.url)
    attempt_due_deliveries()
    assert retry_now(Delivery.objects.all()) == 1
    assert attempt_due_deliveries() == 1
    assert the_delivery().state == "delivered"


def test_claimed_deliveries_are_not_claimed_twice_until_the_claim_lapses(
    receiver: HttpReceiver,
) -> None:
    subscription = owe(receiver.url, events=3)
    claim = claim_deliveries(subscription.pk)
    assert claim is not None
    assert len(claim.rows) == 3
    assert claim_deliveries(subscription.pk) is None

    Delivery.objects.update(claimed_until="2000-01-01T00:00Z")  # as if its worker had died
    assert attempt_due_deliveries() == 3
    assert sorted(receiver.ids()) == sorted(str(row.uuid) for row in claim.rows)
    release(claim)
    assert Delivery.objects.filter(state="delivered").count() == 3


@pytest.mark.parametrize("joins_left_out", [(), ("hashjoin", "mergejoin", "material")])
def test_batch_has_a_limit_however_it_is_claimed(
    receiver: HttpReceiver, settings: Settings, joins_left_out: tuple[str, ...]
) -> None:
    """A nested loop over a table that is believed to be tiny must not claim again and again."""
    settings.LIMITS = settings.LIMITS.model_copy(update={"delivery_batch_max": 4})
    owe(receiver.url)
    attempt_due_deliveries()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE bindings_delivery")
        for join in joins_left_out:
            cursor.execute(f"SET LOCAL enable_{join} = off")
    space = the_delivery().event.storage_space
    for _ in range(10):
        make_event(space)
    fan_out_events()
    assert [attempt_due_deliveries() for _ in range(4)] == [4, 4, 2, 0]


def test_private_address_is_refused_unless_allowed(
    receiver: HttpReceiver, settings: Settings
) -> None:
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(
        update={"outbound_allow_private_addresses": False}
    )
    owe(receiver.url.replace("127.0.0.1", "localhost"))
    attempt_due_deliveries()
    assert receiver.received == []
    delivery = the_delivery()
    assert delivery.state == "pending"
    assert "not-permitted" in delivery.problem
    assert "127.0.0.1" not in delivery.problem


def test_nothing_secret_and_no_word_of_the_peer_is_kept(
    receiver: HttpReceiver, capfd: pytest.CaptureFixture[str]
) -> None:
    receiver.script = lambda _: Answer(500, body=b"Doe^Jane t0ken")
    owe(receiver.url, auth_kind="bearer", auth_secret="t0ken", headers={"X-Key": "k3y"})
    attempt_due_deliveries()
    kept = f"{the_delivery().problem} {Attempt.objects.get().detail} {capfd.readouterr()}"
    assert not any(word in kept for word in ("Doe", "t0ken", "k3y", "whsec_", receiver.url))
    with connection.cursor() as cursor:
        cursor.execute("SELECT bindings_subscription::text FROM bindings_subscription")
        row = cursor.fetchone()[0]
    assert not any(word in row for word in ("t0ken", "k3y", "whsec_"))


def test_unreadable_secret_puts_off_only_its_own_subscription(receiver: HttpReceiver) -> None:
    space = make_space()
    broken, alive = make_subscription(receiver.url), make_subscription(receiver.url)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE bindings_subscription SET signing_secret = 'garbage' WHERE id = %s", [broken.pk]
        )
    make_event(space)
    assert fan_out_events() == 1
    attempt_due_deliveries()
    assert alive.deliveries.get().state == "delivered"
    assert broken.deliveries.get().state == "pending"
    assert "misconfigured" in broken.deliveries.get().problem


@pytest.mark.parametrize("broken", [{"url": "gopher://host/"}, {"ca_certificates": "nothing"}])
def test_subscription_broken_past_validation_waits_as_if_the_peer_had_failed(
    receiver: HttpReceiver, broken: dict[str, str]
) -> None:
    owe(receiver.url, events=2)
    Subscription.objects.update(**broken)
    assert attempt_due_deliveries() == 2
    assert attempt_due_deliveries() == 0
    assert list(Delivery.objects.values_list("state", "attempts")) == [("pending", 1)] * 2
    assert "misconfigured" in Delivery.objects.all()[0].problem


def test_fault_of_ours_counts_as_a_failed_try_and_is_not_repeated_for_ever(
    receiver: HttpReceiver,
) -> None:
    subscription = owe(receiver.url, events=3)
    subscription.signing_secret = "whsec_"  # nothing to sign with
    subscription.save()
    assert attempt_due_deliveries() == 3
    assert attempt_due_deliveries() == 0
    assert list(Delivery.objects.values_list("state", "attempts")) == [("pending", 1)] * 3
    assert receiver.received == []


def test_number_of_statements_does_not_grow_with_the_batch(receiver: HttpReceiver) -> None:
    subscription = owe(receiver.url, events=1)
    receiver.script = answers(200)

    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            attempt_deliveries(subscription.pk)
        return len([item for item in captured if "SAVEPOINT" not in item["sql"]])

    # lock, in flight, claim; subscription, events, spaces; attempts, deliveries; release
    assert statements() == 9


def test_trimming_removes_what_is_settled_and_keeps_dead_letters(receiver: HttpReceiver) -> None:
    receiver.script = answers(200, 404)
    owe(receiver.url, events=2)
    attempt_due_deliveries()
    make_event(make_space("other"))
    fan_out_events()
    Delivery.objects.exclude(state="pending").update(settled_at="2020-01-01T00:00Z")
    moment = Event.objects.order_by("pk")[0].created_at
    assert trim_deliveries(settled_before=moment) == 1
    assert sorted(Delivery.objects.values_list("state", flat=True)) == ["dead", "pending"]


def test_delivery_ids_follow_from_subscription_and_event(receiver: HttpReceiver) -> None:
    """RFC 9562 5.8: version 8, variant 10; what is left is free, here of a SHA-256."""
    subscription = owe(receiver.url, events=2)
    attempt_due_deliveries()
    for received in receiver.received:
        told = uuid.UUID(received.headers["webhook-id"])
        assert (told.version, told.variant) == (8, uuid.RFC_4122)
        event = uuid.UUID(received.headers["ce-id"])
        digest = hashlib.sha256(subscription.uuid.bytes + event.bytes).hexdigest()
        assert told.hex == f"{digest[:12]}8{digest[13:16]}8{digest[17:32]}"
