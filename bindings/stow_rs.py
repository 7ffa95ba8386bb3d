"""STOW-RS: forwards instances, as they are stored, to another archive.

One request per study and batch, streamed from the object store. Source: PS3.18 10.5 (Store
transaction), RFC 2387 (multipart/related).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

import structlog

from bindings.binding import Batch, DeliveryOutcome, OwedDelivery
from bindings.models import OutcomeClass, Subscription
from bindings.owed_instances import Key, current_instances, gone, key_of, untried
from bindings.stow_response import InstanceAnswer, read_response
from bindings.subscriber_requests import Exchange, Headers, ask, upload
from ingestion.errors import IngestionError, ObjectMissing
from ingestion.models import Instance
from ingestion.object_stores.protocol import ObjectStore
from ingestion.use_cases.storage_spaces import open_space_store

log = structlog.get_logger(__name__)

REQUEST_BYTES_MAX = 512 * 1024 * 1024  # of instances in one request, unless one alone is larger
ACCEPT = "application/dicom+json, application/dicom+xml;q=0.8"


@dataclass(frozen=True, slots=True)
class Part:
    """One instance to send: what is owed, where its current bytes rest."""

    owed: OwedDelivery
    instance: Instance
    store: ObjectStore


class StowRs:
    """Stores instances at the subscriber; a warning counts as stored."""

    def deliver(self, batch: Batch) -> Iterator[list[DeliveryOutcome]]:
        """As `Binding`. An instance deleted meanwhile has nothing to deliver, and is settled."""
        current = current_instances(batch.deliveries, "location", "size_bytes")
        if settled := gone(batch.deliveries, current):
            yield settled
        parts, failed = _located(batch.deliveries, current)
        if failed:
            yield failed
        for request in _requests(parts):
            if batch.stopping.is_set():
                return
            yield from _send(batch.subscription, request)

    def probe(self, subscription: Subscription) -> DeliveryOutcome:
        """Post a request without a part: an origin server that takes us refuses only that."""
        boundary = uuid4().hex
        body = f"--{boundary}--\r\n".encode()
        result = ask(subscription, _headers(boundary, len(body)), body)
        is_heard = result.outcome == OutcomeClass.PERMANENT and result.peer_status in {"400", "409"}
        outcome = OutcomeClass.DELIVERED if is_heard else result.outcome
        return _outcome(0, result, InstanceAnswer(outcome))


def _located(
    deliveries: Sequence[OwedDelivery], current: dict[Key, Instance]
) -> tuple[list[Part], list[DeliveryOutcome]]:
    parts, failed = [], []
    for owed in deliveries:
        instance = current.get(key_of(owed))
        if instance is None:
            continue
        try:
            parts.append(Part(owed, instance, open_space_store(owed.event.storage_space)))
        except IngestionError as error:  # one space's trouble is not its neighbours'
            log.error("object cannot be forwarded", delivery_id=str(owed.uuid), code=error.code)
            failed.append(untried(owed, OutcomeClass.TRANSIENT, str(error), status=error.code))
    return parts, failed


def _requests(parts: Sequence[Part]) -> Iterator[list[Part]]:
    """Parts by study, in requests of bounded size; an instance owed twice goes in two requests."""
    by_study: dict[str, list[Part]] = {}
    for part in parts:
        by_study.setdefault(part.owed.event.study_instance_uid, []).append(part)
    for study in by_study.values():
        request: list[Part] = []
        for part in study:
            if request and not _fits(request, part):
                yield request
                request = []
            request.append(part)
        yield request


def _fits(request: Sequence[Part], part: Part) -> bool:
    size = sum(item.instance.size_bytes for item in request) + part.instance.size_bytes
    is_there = any(key_of(item.owed) == key_of(part.owed) for item in request)
    return size <= REQUEST_BYTES_MAX and not is_there


def _send(subscription: Subscription, parts: Sequence[Part]) -> Iterator[list[DeliveryOutcome]]:
    """Send one request. What it cannot say of one instance alone, halves of it are asked again.

    So one that the peer refuses, or that our store does not give, costs its neighbours a repeat.
    """
    outcomes, is_shared_fault = _try(subscription, parts)
    if is_shared_fault and len(parts) > 1:
        half = len(parts) // 2
        yield from _send(subscription, parts[:half])
        yield from _send(subscription, parts[half:])
    else:
        yield outcomes


def _try(subscription: Subscription, parts: Sequence[Part]) -> tuple[list[DeliveryOutcome], bool]:
    """Outcomes of one request, and whether they are one refusal of all of it."""
    boundary = uuid4().hex
    length = sum(len(_part_head(boundary)) + part.instance.size_bytes + 2 for part in parts)
    headers = _headers(boundary, length + len(_end(boundary)))
    try:
        result = upload(subscription, headers, _body(boundary, parts))
    except IngestionError as error:  # an object that its store did not give
        log.error("request given up", subscription_id=subscription.pk, code=error.code)
        outcomes = [
            untried(part.owed, OutcomeClass.TRANSIENT, str(error), status=error.code)
            for part in parts
        ]
        return outcomes, not error.retryable
    answers = _answers(result)
    is_refused = result.outcome == OutcomeClass.PERMANENT and not answers
    return _outcomes(parts, result, answers), is_refused


def _headers(boundary: str, length: int) -> Headers:
    return (
        ("Content-Type", f'multipart/related; type="application/dicom"; boundary={boundary}'),
        ("Content-Length", str(length)),
        ("Accept", ACCEPT),
    )


def _part_head(boundary: str) -> bytes:
    return f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()


def _end(boundary: str) -> bytes:
    return f"--{boundary}--\r\n".encode()


def _body(boundary: str, parts: Sequence[Part]) -> Iterator[bytes]:
    """The request's bytes. Raises `IngestionError` when an object is not as it was recorded."""
    for part in parts:
        yield _part_head(boundary)
        left = part.instance.size_bytes
        for chunk in part.store.iterate(part.instance.location):
            left -= len(chunk)
            if left < 0:
                raise ObjectMissing("the stored object is longer than was recorded")
            yield chunk
        if left:
            raise ObjectMissing("the stored object is shorter than was recorded")
        yield b"\r\n"
    yield _end(boundary)


def _answers(result: Exchange) -> dict[str, InstanceAnswer]:
    """What the peer says of each instance (PS3.18 10.5.3.2); empty when it says nothing."""
    if result.answer is None or result.answer.status not in {200, 202, 409}:
        return {}
    content_type = result.answer.headers.get("content-type", "")
    return read_response(content_type.lower(), result.answer.body)


def _outcomes(
    parts: Sequence[Part], result: Exchange, answers: Mapping[str, InstanceAnswer]
) -> list[DeliveryOutcome]:
    """Each instance's own answer where the peer gave one, else what the status says.

    A peer that accepted only some (202, 409) and does not say which is asked again.
    """
    is_partial = result.peer_status == "202" or (answers and result.peer_status == "409")
    unsaid = InstanceAnswer(OutcomeClass.TRANSIENT if is_partial else result.outcome)
    return [
        _outcome(part.owed.id, result, answers.get(part.owed.event.sop_instance_uid, unsaid))
        for part in parts
    ]


def _outcome(delivery_id: int, result: Exchange, answer: InstanceAnswer) -> DeliveryOutcome:
    detail = f"failure reason {answer.reason}" if answer.reason else result.detail
    return DeliveryOutcome(
        delivery_id,
        answer.outcome,
        result.started_at,
        result.duration_ms,
        " ".join(filter(None, (result.peer_status, answer.reason))),
        detail,
        result.retry_after_seconds,
    )
