"""C-STORE: forwards instances, as they are stored, to another application entity.

One association per storage space and batch. Where the subscription asks for it, an instance
counts as delivered only once the peer has committed itself to it. Source: PS3.4 Annex B
(Storage Service Class as SCU), Table B.2-1 (statuses).
"""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby

import structlog

from bindings.binding import Batch, DeliveryOutcome, OwedDelivery
from bindings.commitments import Verdict, ask_for_commitment, verdicts
from bindings.models import OutcomeClass, Subscription
from bindings.owed_instances import Key, current_instances, gone, key_of, untried
from ingestion.dimse.protocol.upper_layer import AssociationEnded, NotAssociated
from ingestion.dimse.requestor.presented_instances import instance_in
from ingestion.dimse.requestor.requesting import destination_of
from ingestion.dimse.requestor.sub_associations import InstanceSender
from ingestion.domain.commitment_information import Reference
from ingestion.errors import IngestionError, ObjectMissing
from ingestion.models import Instance, LocalApplicationEntity
from ingestion.use_cases.echo_application_entities import echo_remote, our_ae_title
from ingestion.use_cases.retrieve_instances import HeldInstance, held_in
from ingestion.use_cases.select_instances import Kind

log = structlog.get_logger(__name__)

SENT_TOGETHER = 25  # then outcomes are recorded: a worker that dies sends so many again at most

# PS3.4 Table B.2-1 and PS3.7 C.5, by the whole status, its first two digits, or its first one.
# What is not listed is the object's fault.
_OUTCOMES: Mapping[str, OutcomeClass] = {
    "0000": OutcomeClass.DELIVERED,
    "B": OutcomeClass.DELIVERED,  # a warning: stored nevertheless
    "A7": OutcomeClass.TRANSIENT,  # out of resources
    "0110": OutcomeClass.TRANSIENT,  # processing failure
    "0124": OutcomeClass.TRANSIENT,  # not authorized: the peer's settings, not this delivery
    "0213": OutcomeClass.TRANSIENT,  # resource limitation
}
_COMMITMENT: Mapping[Verdict, tuple[OutcomeClass, str]] = {
    Verdict.COMMITTED: (OutcomeClass.DELIVERED, "committed"),
    Verdict.AWAITED: (OutcomeClass.THROTTLED, "sent; storage commitment is awaited"),
    Verdict.REFUSED: (OutcomeClass.TRANSIENT, "sent, but the peer does not commit itself to it"),
}


class CStore:
    """Stores instances at an application entity; a warning counts as stored."""

    def deliver(self, batch: Batch) -> Iterator[list[DeliveryOutcome]]:
        """As `Binding`. An instance deleted meanwhile has nothing to deliver, and is settled."""
        current = current_instances(batch.deliveries)
        if settled := gone(batch.deliveries, current):
            yield settled
        owed = [item for item in batch.deliveries if key_of(item) in current]
        if batch.subscription.asks_for_commitment:
            answered = _answered(batch.subscription, owed)
            if answered:
                yield list(answered.values())
            owed = [item for item in owed if item.id not in answered]
        owed.sort(key=lambda item: (item.event.storage_space_id, item.id))
        for _, of_space in groupby(owed, key=lambda item: item.event.storage_space_id):
            yield from _deliver_of_space(batch, list(of_space), current)

    def probe(self, subscription: Subscription) -> DeliveryOutcome:
        """Ask for Verification (C-ECHO)."""
        assert subscription.application_entity is not None  # by constraint
        started = _Watch()
        report = echo_remote(subscription.application_entity)
        outcome = OutcomeClass.DELIVERED if report.is_well else OutcomeClass.TRANSIENT
        return started.outcome(0, outcome, detail=report.text)


class _Watch:
    """Times one try."""

    def __init__(self) -> None:
        self._started_at = datetime.now(UTC)
        self._started = time.monotonic()

    def outcome(
        self, delivery_id: int, outcome: OutcomeClass, *, status: str = "", detail: str = ""
    ) -> DeliveryOutcome:
        milliseconds = int((time.monotonic() - self._started) * 1000)
        return DeliveryOutcome(delivery_id, outcome, self._started_at, milliseconds, status, detail)


@dataclass(frozen=True, slots=True)
class _Shipment:
    """What goes from one space to one peer: where each instance rests, and who sends it."""

    subscription: Subscription
    calling_ae_title: str
    held: Mapping[int, HeldInstance]
    sender: InstanceSender[HeldInstance]


def _answered(
    subscription: Subscription, owed: Sequence[OwedDelivery]
) -> dict[int, DeliveryOutcome]:
    """Outcomes of what was sent before and is committed now, or may still be."""
    known = verdicts(subscription, owed)
    return {
        item.id: untried(item, *_COMMITMENT[known[item.id]])
        for item in owed
        if known.get(item.id, Verdict.REFUSED) is not Verdict.REFUSED
    }


def _deliver_of_space(
    batch: Batch, owed: Sequence[OwedDelivery], current: Mapping[Key, Instance]
) -> Iterator[list[DeliveryOutcome]]:
    """One space's trouble, and a peer that cannot be reached, are outcomes of what is left."""
    left = {item.id: item for item in owed}
    try:
        for outcomes in _send_all(batch, owed, current):
            for outcome in outcomes:
                del left[outcome.delivery_id]
            yield outcomes
    except IngestionError as error:
        log.warning("instances not sent", subscription_id=batch.subscription.pk, code=error.code)
        yield [
            untried(item, OutcomeClass.TRANSIENT, str(error), status=error.code)
            for item in left.values()
        ]


def _send_all(
    batch: Batch, owed: Sequence[OwedDelivery], current: Mapping[Key, Instance]
) -> Iterator[list[DeliveryOutcome]]:
    """Raises `IngestionError` when nothing more can be sent."""
    assert batch.subscription.application_entity is not None  # by constraint
    space = owed[0].event.storage_space
    held = {item.instance_id: item for item in held_in(space, [i.pk for i in current.values()])}
    calling_ae_title = _calling_ae_title(space.pk)
    sender = InstanceSender(
        destination_of(batch.subscription.application_entity),
        calling_ae_title=calling_ae_title,
        kinds={Kind(item.sop_class_uid, item.transfer_syntax_uid) for item in held.values()},
        present=instance_in,
    )
    shipment = _Shipment(batch.subscription, calling_ae_title, held, sender)
    try:
        for start in range(0, len(owed), SENT_TOGETHER):
            pairs = [
                (item, held.get(current[key_of(item)].pk))
                for item in owed[start : start + SENT_TOGETHER]
            ]
            yield from _send_together(shipment, pairs, batch.stopping)
    finally:
        sender.close()


def _send_together(
    shipment: _Shipment,
    pairs: Sequence[tuple[OwedDelivery, HeldInstance | None]],
    stopping: threading.Event,
) -> Iterator[list[DeliveryOutcome]]:
    outcomes: list[DeliveryOutcome] = []
    failure: NotAssociated | None = None
    for owed, instance in pairs:
        if stopping.is_set():
            break
        if instance is None:
            outcomes.append(untried(owed, OutcomeClass.DELIVERED, "deleted meanwhile"))
            continue
        try:
            outcomes.append(_send(shipment.sender, owed, instance))
        except NotAssociated as error:
            failure = error
            break
    if shipment.subscription.asks_for_commitment:
        outcomes = _committed(shipment, pairs, outcomes)
    if outcomes:
        yield outcomes
    if failure is not None:
        raise failure


def _send(
    sender: InstanceSender[HeldInstance], owed: OwedDelivery, instance: HeldInstance
) -> DeliveryOutcome:
    """Raises `NotAssociated`: then nothing else can be sent either."""
    watch = _Watch()
    try:
        status = f"{sender.send(instance):04X}"
    except NotAssociated:
        raise
    except IngestionError as error:
        may_help = error.retryable or isinstance(error, ObjectMissing | AssociationEnded)
        outcome = OutcomeClass.TRANSIENT if may_help else OutcomeClass.PERMANENT
        return watch.outcome(owed.id, outcome, status=error.code, detail=str(error))
    return watch.outcome(owed.id, _outcome_of(status), status=status)


def _outcome_of(status: str) -> OutcomeClass:
    beginnings = (status, status[:2], status[:1])
    known = (_OUTCOMES[digits] for digits in beginnings if digits in _OUTCOMES)
    return next(known, OutcomeClass.PERMANENT)


def _committed(
    shipment: _Shipment,
    pairs: Sequence[tuple[OwedDelivery, HeldInstance | None]],
    outcomes: Sequence[DeliveryOutcome],
) -> list[DeliveryOutcome]:
    """The outcomes as they are once the peer was asked to commit itself to what it stored."""
    tried = {outcome.delivery_id: outcome for outcome in outcomes}
    sent = {
        owed.id: Reference(instance.sop_class_uid, instance.sop_instance_uid)
        for owed, instance in pairs
        if instance is not None
        and owed.id in tried
        and tried[owed.id].outcome is OutcomeClass.DELIVERED
    }
    if not sent:
        return list(outcomes)
    try:
        answers = ask_for_commitment(
            shipment.subscription, list(sent.values()), calling_ae_title=shipment.calling_ae_title
        )
    except IngestionError as error:
        detail = f"sent, but storage commitment cannot be asked for: {error}"
        changed = dict.fromkeys(sent, (OutcomeClass.TRANSIENT, detail))
    else:
        changed = {item: _COMMITMENT[answers[ref.sop_instance_uid]] for item, ref in sent.items()}
    return [
        replace(
            outcome, outcome=changed[outcome.delivery_id][0], detail=changed[outcome.delivery_id][1]
        )
        if outcome.delivery_id in changed
        else outcome
        for outcome in outcomes
    ]


def _calling_ae_title(space_id: int) -> str:
    """The title of the space that instances come from, if it has one."""
    titles = LocalApplicationEntity.objects.filter(storage_space=space_id, is_enabled=True)
    return titles.order_by("pk").values_list("ae_title", flat=True).first() or our_ae_title()
