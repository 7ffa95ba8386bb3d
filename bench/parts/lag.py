"""How long after its acknowledgement an instance can be searched, and its subscriber is told."""

import random
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from statistics import median, quantiles

import psycopg2
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from bench.errors import NotMeasured
from bench.figures import Cell
from bench.http import HttpClient, client_of
from bench.instances import SMALL, data_set_of, instance_file, new_uid
from bench.peers.available import OURS
from bench.peers.ours import OwnRun, run_ours
from bench.peers.peer import Peer
from bench.senders.scripted_store import StoreAssociation
from bench.senders.sent import Sent
from bench.senders.storescu import send_with_storescu
from bench.webhook_receiver import WebhookReceiver
from bench.workshop import Workshop

PART = "lag"
LOAD_INSTANCES = 8000
QUICK_LOAD_INSTANCES = 2000
ASSOCIATIONS = 4
TELLINGS = 40
QUICK_TELLINGS = 10
POLL_SECONDS = 0.005
PATIENCE_SECONDS = 30.0
SEARCHABLE_P95_MAX = 500.0
TOLD_P50_MAX = 150.0
# As the rows tell: from the transaction of the receipt to the one that registered it.
LAGS_SQL = """
    SELECT extract(epoch FROM settled_at - received_at) * 1000 FROM ingestion_receipt
    WHERE settled_at IS NOT NULL
"""


def measure_lag(workshop: Workshop) -> None:
    """Measure under load, then idle, in every round."""
    task = workshop.progress.add_task(PART, total=2 * workshop.rounds)
    for _ in range(workshop.rounds):
        for measure in (_under_load, _idle):
            with (
                workshop.attempt(f"{PART}, {measure.__name__.strip('_')}"),
                run_ours(workshop.fresh_folder(PART)) as run,
            ):
                measure(workshop, run)
            workshop.progress.advance(task)


def _under_load(workshop: Workshop, run: OwnRun) -> None:
    """Send by four associations, and meanwhile store single instances and search for them."""
    number = QUICK_LOAD_INSTANCES if workshop.is_quick else LOAD_INSTANCES
    load = workshop.instances(SMALL, number=number)
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(
            send_with_storescu, load, run.peer, associations=ASSOCIATIONS, is_nagle_off=True
        )
        seen_ms = _searched_for(run.peer, until=sending)
        sent = sending.result()
    if sent.acknowledged != load.count:
        raise NotMeasured(f"acknowledged {sent.acknowledged} of {load.count}")
    title = f"{SMALL.name}, {ASSOCIATIONS} associations"
    workshop.add(
        Cell(PART, f"{title}: load", "instances/s of load"), OURS, sent.acknowledged / sent.seconds
    )
    _add_percentiles(workshop, f"{title}: acknowledged to found by QIDO-RS", seen_ms)
    _add_percentiles(workshop, f"{title}: receipt to registration", _receipt_lags_ms(run))


def _searched_for(peer: Peer, *, until: "Future[Sent]") -> list[float]:
    """Milliseconds from each acknowledgement until the instance was found."""
    lags = []
    with _association(peer) as association, client_of(peer) as client:
        while not until.done():
            _, instance = _store_one(association)
            acknowledged = time.perf_counter()
            _wait_until_found(client, peer, sop_instance_uid=instance)
            lags.append((time.perf_counter() - acknowledged) * 1000)
    return lags


def _wait_until_found(client: HttpClient, peer: Peer, *, sop_instance_uid: str) -> None:
    deadline = time.perf_counter() + PATIENCE_SECONDS
    path = f"{peer.dicomweb_path}/instances?SOPInstanceUID={sop_instance_uid}"
    while not client.get_json(path):
        if time.perf_counter() > deadline:
            raise NotMeasured(f"an instance was not found within {PATIENCE_SECONDS:g} s")
        time.sleep(POLL_SECONDS)


def _receipt_lags_ms(run: OwnRun) -> list[float]:
    connection = psycopg2.connect(run.database_url())
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(LAGS_SQL)
            return [float(row[0]) for row in cursor.fetchall()]
    finally:
        connection.close()


def _idle(workshop: Workshop, run: OwnRun) -> None:
    """Store one instance at a time, and wait until the subscriber was told both events."""
    told_ms: dict[str, list[float]] = {"DicomAvailableEvent": [], "StudyRevisionEvent": []}
    with WebhookReceiver() as receiver, _association(run.peer) as association:
        run.run("bench.peers.subscribe", receiver.url)
        for _ in range(QUICK_TELLINGS if workshop.is_quick else TELLINGS):
            time.sleep(random.uniform(0.2, 1.2))  # so that no sweep's rhythm is met or missed
            study, _ = _store_one(association)
            acknowledged = time.perf_counter()
            for event_type, lags in told_ms.items():
                arrival = receiver.arrival(event_type, study, within_seconds=PATIENCE_SECONDS)
                lags.append((arrival - acknowledged) * 1000)
    for event_type, lags in told_ms.items():
        _add_percentiles(workshop, f"idle: acknowledged to {event_type} at the webhook", lags)


def _association(peer: Peer) -> StoreAssociation:
    return StoreAssociation(
        peer, sop_class_uid=CTImageStorage, transfer_syntax_uid=ExplicitVRLittleEndian
    )


def _store_one(association: StoreAssociation) -> tuple[str, str]:
    """Store an instance of a new study; returns the UIDs of both. Raises `NotMeasured`."""
    study, instance = new_uid(), new_uid()
    file = instance_file(SMALL, study=study, series=new_uid(), instance=instance)
    status = association.store(instance, [data_set_of(file)])
    if status:
        raise NotMeasured(f"C-STORE was answered 0x{status:04X}")
    return study, instance


def _add_percentiles(workshop: Workshop, title: str, lags_ms: Sequence[float]) -> None:
    if len(lags_ms) < 2:
        raise NotMeasured(f"{title}: too few")
    p95 = quantiles(lags_ms, n=20)[-1]
    p50_goals = ((OURS, TOLD_P50_MAX),) if title.startswith("idle") else ()
    p95_goals = () if title.startswith("idle") else ((OURS, SEARCHABLE_P95_MAX),)
    workshop.add(Cell(PART, f"{title}, p50", "ms", p50_goals), OURS, median(lags_ms))
    workshop.add(Cell(PART, f"{title}, p95", "ms", p95_goals), OURS, p95)
