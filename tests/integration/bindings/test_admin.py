"""The screens of subscriptions and deliveries: they open fast, act, and show no secret."""

import re
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bindings.fan_out import fan_out_events
from bindings.models import Delivery, Subscription
from ingestion.models import Event
from tests.http_receiver import HttpReceiver, answers
from tests.receipts import make_space
from tests.subscriptions import attempt_due_deliveries, make_event, make_subscription

SECRET = "s3cr3t-that-no-page-shows"
FORM = {
    "name": "viewer",
    "kind": "webhook",
    "is_enabled": "on",
    "event_types": ["DicomAvailableEvent"],
    "all_spaces": "on",
    "url": "https://subscriber.example/hook",
    "auth_kind": "bearer",
    "new_auth_secret": SECRET,
    "new_headers": '{"X-Key": "' + SECRET + '"}',
    "content_mode": "binary",
    "attempts_max": "20",
    "age_max_hours": "72",
}


@pytest.fixture
def browser(db: None, client: Client) -> Client:
    """With an administrator's session."""
    client.force_login(
        get_user_model().objects.create_superuser("root", password="x"),
        backend="django.contrib.auth.backends.ModelBackend",
    )
    return client


@pytest.fixture
def owing(browser: Client, receiver: HttpReceiver) -> Subscription:
    """A subscription with a delivered, a dead and a pending delivery."""
    receiver.script = answers(200, 404)
    space = make_space()
    subscription = make_subscription(
        receiver.url, name="viewer", auth_secret=SECRET, headers={"X-Key": SECRET}
    )
    for _ in range(2):
        make_event(space)
    fan_out_events()
    attempt_due_deliveries()
    make_event(space)
    fan_out_events()
    return subscription


def url(model: str, view: str, *arguments: object) -> str:
    return reverse(f"admin:bindings_{model}_{view}", args=arguments)


def act(browser: Client, model: str, action: str, *keys: object) -> str:
    chosen = {"action": action, "_selected_action": [str(key) for key in keys]}
    response = browser.post(url(model, "changelist"), chosen, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def test_new_webhook_shows_its_signing_secret_once(browser: Client) -> None:
    response = browser.post(url("subscription", "add"), FORM, follow=True)
    shown = re.search(r"whsec_[A-Za-z0-9+/=]+", response.content.decode())
    subscription = Subscription.objects.get()
    assert shown is not None
    assert shown[0] == subscription.signing_secret
    assert (subscription.auth_secret, subscription.headers) == (SECRET, {"X-Key": SECRET})
    for view in (url("subscription", "change", subscription.pk), url("subscription", "changelist")):
        page = browser.get(view).content.decode()
        assert SECRET not in page
        assert "whsec_" not in page


def test_state_is_shown_in_words_once_there_is_one(browser: Client, owing: Subscription) -> None:
    page = browser.get(url("subscription", "add")).content.decode()
    assert "Disabled reason" not in page
    assert "DatabaseDefault" not in page
    page = browser.get(url("subscription", "change", owing.pk)).content.decode()
    assert "1 failures in a row" in page or "works" in page
    assert "(&#x27;works&#x27;" not in page


def test_saving_without_secrets_keeps_them(browser: Client, owing: Subscription) -> None:
    before = Subscription.objects.get()
    changed = {**FORM, "name": "renamed", "new_auth_secret": "", "new_headers": ""}
    browser.post(url("subscription", "change", owing.pk), changed, follow=True)
    after = Subscription.objects.get()
    assert after.name == "renamed"
    assert after.auth_kind == "bearer"
    assert (after.auth_secret, after.headers) == (before.auth_secret, before.headers)
    assert after.signing_secret == before.signing_secret


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", "ftp://host/"),
        ("url", "https://user:pw@host/"),
        ("event_types", []),
        ("all_spaces", ""),
        ("new_headers", "[1]"),
        ("new_headers", '{"Host": "x"}'),
        ("new_headers", "{"),
        ("new_auth_secret", "a\nb"),
        ("new_auth_secret", ""),
        ("provider_pattern", "("),
        ("ca_certificates", "no certificate"),
        ("timeout_seconds", "0"),
        ("attempts_max", "0"),
    ],
)
def test_form_refuses_what_cannot_work(browser: Client, field: str, value: Any) -> None:
    response = browser.post(url("subscription", "add"), {**FORM, field: value})
    assert response.status_code == 200
    assert not Subscription.objects.exists()


@pytest.mark.parametrize("event_type", ["StudyRevisionEvent", "DicomDeletedEvent"])
def test_stow_rs_is_refused_for_what_are_no_instances(browser: Client, event_type: str) -> None:
    wrong = {**FORM, "kind": "stow_rs", "event_types": [event_type]}
    response = browser.post(url("subscription", "add"), wrong)
    assert "STOW-RS and C-STORE can only deliver instances." in response.content.decode()


def test_test_event_is_sent_and_says_how_it_went(
    browser: Client, owing: Subscription, receiver: HttpReceiver
) -> None:
    receiver.script = answers(200, 503)
    received = len(receiver.received)
    assert "Delivered 200" in act(browser, "subscription", "probe", owing.pk)
    assert "503" in act(browser, "subscription", "probe", owing.pk)
    assert receiver.received[received].headers["ce-type"] == "SubscriptionProbeEvent"
    assert Delivery.objects.count() == 3


def test_signing_secret_can_be_replaced(browser: Client, owing: Subscription) -> None:
    page = act(browser, "subscription", "replace_secret", owing.pk)
    now = Subscription.objects.get().signing_secret
    assert now != owing.signing_secret
    assert now in page.replace("&#x2B;", "+").replace("&#43;", "+")


def test_dead_letters_are_redriven_singly_and_in_bulk(browser: Client, owing: Subscription) -> None:
    dead = Delivery.objects.get(state="dead")
    act(browser, "delivery", "redrive", dead.pk)
    assert Delivery.objects.get(pk=dead.pk).state == "pending"
    Delivery.objects.filter(pk=dead.pk).update(state="dead", settled_at="2026-01-01T00:00Z")
    act(browser, "subscription", "redrive_dead", owing.pk)
    assert Delivery.objects.get(pk=dead.pk).state == "pending"


def test_owed_deliveries_are_cancelled_singly_and_in_bulk(
    browser: Client, owing: Subscription
) -> None:
    act(browser, "delivery", "cancel", *Delivery.objects.values_list("pk", flat=True))
    assert sorted(Delivery.objects.values_list("state", flat=True)) == [
        "cancelled",
        "dead",
        "delivered",
    ]
    act(browser, "subscription", "replay_last_day", owing.pk)
    act(browser, "subscription", "cancel_pending", owing.pk)


@pytest.mark.parametrize("query", [{}, {"state": "dead"}, {"subscription": "x"}, {"q": "1.2.3"}])
def test_list_of_deliveries_takes_few_statements_and_counts_nothing_whole(
    browser: Client, owing: Subscription, query: dict[str, str]
) -> None:
    with CaptureQueriesContext(connection) as statements:
        response = browser.get(url("delivery", "changelist"), query)
    assert response.status_code == 200
    assert len(statements) <= 9
    counts = [item["sql"] for item in statements if "COUNT(" in item["sql"]]
    assert all("LIMIT" in sql for sql in counts)
    assert SECRET not in response.content.decode()


def test_delivery_is_found_by_the_id_that_receivers_see(
    browser: Client, owing: Subscription
) -> None:
    dead = Delivery.objects.get(state="dead")
    page = browser.get(url("delivery", "changelist"), {"q": str(dead.uuid)}).content.decode()
    assert "404" in page
    page = browser.get(url("delivery", "change", dead.pk)).content.decode()
    assert "the subscriber answered 404" in page
    assert str(Event.objects.get(pk=dead.event_id).pk) in page


def test_screens_open_although_secrets_cannot_be_read(browser: Client, owing: Subscription) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE bindings_subscription SET auth_secret = 'garbage', signing_secret = 'g'"
        )
    dead = Delivery.objects.get(state="dead")
    for address in (
        url("subscription", "changelist"),
        url("subscription", "change", owing.pk),
        url("delivery", "changelist"),
        url("delivery", "change", dead.pk),
    ):
        assert browser.get(address).status_code == 200
    assert "cannot be read" in act(browser, "subscription", "probe", owing.pk)
    new = {**FORM, "new_auth_secret": "fresh"}
    browser.post(url("subscription", "change", owing.pk), new, follow=True)
    assert Subscription.objects.only("auth_secret").get().auth_secret == "fresh"


def test_subscription_that_was_owed_something_cannot_be_deleted(
    browser: Client, owing: Subscription
) -> None:
    assert browser.post(url("subscription", "delete", owing.pk), {"post": "yes"}).status_code == 403
