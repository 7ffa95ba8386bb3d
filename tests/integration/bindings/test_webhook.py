"""Webhooks against real receivers: what arrives, and that it can be verified."""

import json

import pytest
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from bindings.fan_out import fan_out_events
from bindings.models import Attempt
from ingestion.models import Event
from ingestion.use_cases.delete_entities import delete_entities
from ingestion.use_cases.register_receipts import register_pending_receipts
from ingestion.use_cases.retrieve_instances import Address
from ingestion.use_cases.search_manifest import Scope
from tests.http_receiver import HttpReceiver
from tests.receipts import make_receipt, make_space
from tests.subscriptions import (
    attempt_due_deliveries,
    make_event,
    make_subscription,
    owe,
    the_delivery,
)

pytestmark = pytest.mark.django_db


def test_receiver_gets_the_event_in_headers_and_a_signature_it_can_verify(
    receiver: HttpReceiver,
) -> None:
    subscription = owe(receiver.url)
    event = Event.objects.get()

    assert attempt_due_deliveries() == 1

    (received,) = receiver.received
    assert received.headers["ce-id"] == str(event.uuid)
    assert received.headers["ce-type"] == "DicomAvailableEvent"
    assert received.headers["ce-specversion"] == "1.0"
    assert received.headers["ce-source"] == "imaging-ingestion"
    assert received.headers["ce-time"] == event.created_at.isoformat()
    assert received.headers["ce-subject"] == (
        f"studies/1.2.3/series/1.2.3.4/instances/{event.sop_instance_uid}"
    )
    assert received.headers["content-type"] == "application/json"
    assert received.headers["webhook-id"] == str(the_delivery().uuid)
    body = Verifier(subscription.signing_secret).verify(received.body, dict(received.headers))
    assert body["provider"] == "Main"
    assert body["endpoint"].endswith(f"/instances/{event.sop_instance_uid}")
    assert body["sizeBytes"] == 10

    delivery = the_delivery()
    assert (delivery.state, delivery.attempts, delivery.problem) == ("delivered", 1, "")
    assert delivery.settled_at is not None
    attempt = Attempt.objects.get()
    assert (attempt.outcome, attempt.peer_status) == ("delivered", "200")


def test_signature_of_another_secret_does_not_verify(receiver: HttpReceiver) -> None:
    owe(receiver.url)
    attempt_due_deliveries()
    (received,) = receiver.received
    with pytest.raises(WebhookVerificationError):
        Verifier("whsec_" + "A" * 44).verify(received.body, dict(received.headers))


def test_structured_mode_puts_the_event_in_the_body(receiver: HttpReceiver) -> None:
    owe(receiver.url, content_mode="structured")
    attempt_due_deliveries()
    (received,) = receiver.received
    assert received.headers["content-type"].startswith("application/cloudevents+json")
    body = json.loads(received.body)
    assert body["type"] == "DicomAvailableEvent"
    assert body["data"]["provider"] == "Main"
    assert "ce-id" not in received.headers


def test_credentials_and_headers_are_sent(receiver: HttpReceiver) -> None:
    space = make_space()
    make_subscription(
        receiver.url, auth_kind="bearer", auth_secret="t0ken", headers={"X-Site": "4"}
    )
    make_subscription(
        receiver.url, auth_kind="basic", auth_user_name="Aladdin", auth_secret="open sesame"
    )
    make_event(space)
    fan_out_events()
    attempt_due_deliveries()
    first, second = receiver.received
    assert first.headers["authorization"] == "Bearer t0ken"
    assert first.headers["x-site"] == "4"
    # The example of RFC 7617 2.
    assert second.headers["authorization"] == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="


def test_deletion_is_told_to_whoever_asked_for_it(receiver: HttpReceiver) -> None:
    space = make_space()
    asked = make_subscription(receiver.url, event_types=["DicomDeletedEvent"], modalities=["CT"])
    make_subscription(receiver.url, event_types=["DicomDeletedEvent"], modalities=["MR"])
    make_subscription(receiver.url)  # of instances that became available
    for study in ("1.2.3", "1.2.4"):
        make_receipt(space, study=study, sop=study)
    register_pending_receipts()
    Event.objects.all().delete()
    delete_entities(Address(Scope((space.pk,)), "1.2.3"), principal="tester")
    fan_out_events()

    assert attempt_due_deliveries() == 1

    (received,) = receiver.received
    assert received.headers["ce-type"] == "DicomDeletedEvent"
    assert received.headers["ce-subject"] == "studies/1.2.3"
    body = Verifier(asked.signing_secret).verify(received.body, dict(received.headers))
    assert body == {
        "provider": "Main",
        "endpoint": body["endpoint"],
        "externalEndpoint": body["endpoint"],
        "studyInstanceUID": "1.2.3",
        "level": "study",
        "deletedSeries": 1,
        "deletedInstances": 1,
        "studyRemains": False,
    }
    assert body["endpoint"].endswith("/dicomweb/spaces/main/studies/1.2.3")
