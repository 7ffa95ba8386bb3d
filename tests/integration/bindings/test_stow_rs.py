"""STOW-RS forwarding against scripted archives: bytes, requests and per-instance outcomes."""

import email
import json
import threading
from collections.abc import Callable
from email.message import Message
from io import BytesIO
from pathlib import Path

import pytest
from django.db.models.functions import Now
from pydicom import dcmread

from bindings.fan_out import fan_out_events
from bindings.models import Attempt, Delivery, Subscription
from ingestion.models import Event, Instance, SenderKind, StorageSpace
from ingestion.use_cases.commit_receipts import commit_receipts
from ingestion.use_cases.register_receipts import register_receipts
from ingestion.use_cases.storage_spaces import open_space_store
from ingestion.use_cases.store_instance import Sender, receive_file
from tests.builders import build_ct, new_uid, part10_bytes
from tests.http_receiver import Answer, HttpReceiver, Received
from tests.integration.bindings.stored_instances import hold, states
from tests.receipts import make_space
from tests.subscriptions import attempt_due_deliveries, make_due, make_subscription

pytestmark = pytest.mark.django_db

JSON = {"Content-Type": "application/dicom+json"}
Verdict = Callable[[str], int | None]


@pytest.fixture
def space(tmp_path: Path) -> StorageSpace:
    """A space with a store that keeps bytes."""
    return make_space(backend="filesystem", options={"root": str(tmp_path / "objects")})


def parts_of(request: Received) -> list[bytes]:
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + request.body)
    assert message.is_multipart()
    assert message.get_param("type") == "application/dicom"
    parts: list[Message] = list(message.get_payload())  # type: ignore[arg-type]
    assert {part.get_content_type() for part in parts} == {"application/dicom"}
    boundary = str(message.get_boundary()).encode()
    return [
        chunk.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")
        for chunk in request.body.split(b"--" + boundary)[1:-1]
    ]


def uids_of(request: Received) -> list[str]:
    return [str(dcmread(BytesIO(part)).SOPInstanceUID) for part in parts_of(request)]


def archive(verdict: Verdict) -> Callable[[Received], Answer]:
    """Answers as PS3.18 10.5.3 says: each instance stored, or with its failure reason."""

    def script(request: Received) -> Answer:
        verdicts = {uid: verdict(uid) for uid in uids_of(request)}
        stored = [
            {"00081155": {"vr": "UI", "Value": [uid]}} for uid, why in verdicts.items() if not why
        ]
        failed = [
            {"00081155": {"vr": "UI", "Value": [uid]}, "00081197": {"vr": "US", "Value": [why]}}
            for uid, why in verdicts.items()
            if why
        ]
        body = {
            tag: {"vr": "SQ", "Value": items}
            for tag, items in (("00081199", stored), ("00081198", failed))
            if items
        }
        status = 200 if not failed else 202 if stored else 409
        return Answer(status, headers=JSON, body=json.dumps(body).encode())

    return script


def deliver(receiver: HttpReceiver) -> None:
    make_subscription(receiver.url, kind="stow_rs", signing_secret="")
    fan_out_events()
    attempt_due_deliveries()


def test_study_goes_in_one_request_byte_for_byte(
    space: StorageSpace, receiver: HttpReceiver
) -> None:
    receiver.script = archive(lambda _: None)
    contents = [hold(space, study="1.2.3") for _ in range(3)]
    other = hold(space, study="1.2.4")
    deliver(receiver)
    first, second = receiver.received
    assert parts_of(first) == contents
    assert parts_of(second) == [other]
    assert first.headers["accept"].startswith("application/dicom+json")
    assert "transfer-encoding" not in first.headers
    assert set(states().values()) == {"delivered"}


def test_only_failed_instances_are_sent_again(space: StorageSpace, receiver: HttpReceiver) -> None:
    uids = [new_uid() for _ in range(4)]
    reasons = {uids[1]: 0xA700, uids[2]: 0xA900, uids[3]: 0x0110}
    for uid in uids:
        hold(space, study="1.2.3", sop=uid)
    receiver.script = archive(reasons.get)
    deliver(receiver)
    assert states() == dict(zip(uids, ("delivered", "pending", "dead", "pending"), strict=True))
    dead = Delivery.objects.get(state="dead")
    assert "A900" in dead.problem

    receiver.script = archive(lambda _: None)
    make_due()
    attempt_due_deliveries()
    assert sorted(uids_of(receiver.received[1])) == sorted([uids[1], uids[3]])
    assert states()[uids[1]] == states()[uids[3]] == "delivered"


def test_warning_is_stored_and_xml_is_understood(
    space: StorageSpace, receiver: HttpReceiver
) -> None:
    uid = new_uid()
    hold(space, study="1.2.3", sop=uid)
    body = f"""<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">
      <DicomAttribute tag="00081199" vr="SQ"><Item number="1">
      <DicomAttribute tag="00081155" vr="UI"><Value number="1">{uid}</Value></DicomAttribute>
      <DicomAttribute tag="00081196" vr="US"><Value number="1">45056</Value></DicomAttribute>
      </Item></DicomAttribute></NativeDicomModel>"""
    receiver.script = lambda _: Answer(
        202, headers={"Content-Type": "application/dicom+xml"}, body=body.encode()
    )
    deliver(receiver)
    assert states() == {uid: "delivered"}


def test_peer_that_says_only_the_status_is_believed(
    space: StorageSpace, receiver: HttpReceiver
) -> None:
    hold(space, study="1.2.3")
    deliver(receiver)
    assert set(states().values()) == {"delivered"}


def test_partial_answer_that_names_nobody_is_asked_again(
    space: StorageSpace, receiver: HttpReceiver
) -> None:
    hold(space, study="1.2.3")
    receiver.script = lambda _: Answer(202)
    deliver(receiver)
    assert set(states().values()) == {"pending"}


@pytest.mark.parametrize("status", [400, 409, 413, 415])
def test_instance_that_spoils_a_request_costs_its_neighbours_only_a_repeat(
    space: StorageSpace, receiver: HttpReceiver, status: int
) -> None:
    uids = [new_uid() for _ in range(5)]
    for uid in uids:
        hold(space, study="1.2.3", sop=uid)
    receiver.script = lambda request: Answer(status if uids[3] in uids_of(request) else 200)
    deliver(receiver)
    assert [states()[uid] for uid in uids] == [
        "delivered",
        "delivered",
        "delivered",
        "dead",
        "delivered",
    ]


def test_object_that_is_missing_costs_its_neighbours_only_a_repeat(
    space: StorageSpace, receiver: HttpReceiver
) -> None:
    uids = [new_uid() for _ in range(3)]
    for uid in uids:
        hold(space, study="1.2.3", sop=uid)
    lost = Instance.objects.get(sop_instance_uid=uids[1])
    open_space_store(space).delete(lost.location)
    receiver.script = archive(lambda _: None)
    deliver(receiver)
    assert [states()[uid] for uid in uids] == ["delivered", "pending", "delivered"]
    assert "object-missing" in Delivery.objects.get(state="pending").problem


def test_deleted_instance_is_settled_without_a_request(
    space: StorageSpace, receiver: HttpReceiver
) -> None:
    hold(space, study="1.2.3")
    Instance.objects.update(deleted_at=Now())
    deliver(receiver)
    assert receiver.received == []
    assert set(states().values()) == {"delivered"}
    assert Attempt.objects.get().detail == "deleted meanwhile"


def test_replaced_instance_is_sent_as_it_is_now(
    space: StorageSpace, receiver: HttpReceiver
) -> None:
    uid = new_uid()
    series = new_uid()
    contents = []
    for name in ("Doe^Jane", "Doe^Janet"):
        content = part10_bytes(
            build_ct(
                study_instance_uid="1.2.3",
                series_instance_uid=series,
                sop_instance_uid=uid,
                patient_name=name,
            )
        )
        with receive_file(space, Sender(kind=SenderKind.STOW, conversation_id="r1")) as incoming:
            incoming.write(content)
            stored = incoming.store()
        commit_receipts([stored])
        register_receipts([stored.receipt_id])
        contents.append(content)
    assert Event.objects.count() == 2
    receiver.script = archive(lambda _: None)
    deliver(receiver)
    assert [parts_of(request) for request in receiver.received] == [[contents[1]]] * 2
    assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}


def test_peer_that_is_down_puts_all_off(space: StorageSpace) -> None:
    hold(space, study="1.2.3")
    make_subscription("http://127.0.0.1:1/studies", kind="stow_rs")
    fan_out_events()
    attempt_due_deliveries()
    assert set(states().values()) == {"pending"}


def test_peer_that_does_not_answer_is_given_up(space: StorageSpace, receiver: HttpReceiver) -> None:
    go_on = threading.Event()
    receiver.script = lambda _: Answer(200, held_until=go_on)
    hold(space, study="1.2.3")
    make_subscription(receiver.url, kind="stow_rs", timeout_seconds=0.3)
    fan_out_events()
    attempt_due_deliveries()
    go_on.set()
    assert "0.3 s" in Delivery.objects.get().problem
    assert Subscription.objects.get().consecutive_failures == 1


def test_object_of_another_size_than_recorded_costs_its_neighbours_nothing(
    space: StorageSpace, receiver: HttpReceiver
) -> None:
    hold(space, study="1.2.3")
    hold(space, study="1.2.3")
    Instance.objects.filter(pk=Instance.objects.order_by("pk")[0].pk).update(size_bytes=1 << 30)
    deliver(receiver)
    # The first lies about its size, so its own request is given up; the other is its own request.
    assert sorted(states().values()) == ["delivered", "pending"]
