"""Kill -9 at named points of the way of an instance: nothing acknowledged is lost or doubled."""

import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import data_set_bytes
from tests.end_to_end.conftest import Run
from tests.end_to_end.killing import (
    DIMSE,
    FAN_OUT,
    POSTGRES,
    RECEIPT_COMMIT,
    RECOVERY_SECONDS,
    REGISTRATION,
    VALKEY,
    WEB,
    WORKER,
    Victim,
    new_instance,
)
from tests.eventually import eventually
from tests.http_receiver import Answer, HttpReceiver
from tests.scripted_peer import (
    ECHO_AND_CT,
    ScriptedPeer,
    p_data,
    pdv,
    store_command,
)

pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("kill")]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """One product for all of these tests: each leaves it working."""
    folder = tmp_path_factory.mktemp("killed")
    run = Run(state=folder / "state", log=folder / "log")
    run.start()
    run.endpoints()
    yield run
    run.send(signal.SIGINT)
    ours = [line for line in run.log.read_text().splitlines() if line.startswith(("dimse", "web"))]
    assert not [line for line in ours if "Traceback" in line]


@pytest.fixture
def victim(run: Run) -> Iterator[Victim]:
    """The product; after each test everything that it acknowledged must be there."""
    victim = Victim(run)
    yield victim
    victim.assert_nothing_acknowledged_is_lost()


def count(victim: Victim, table: str, sop_uid: str) -> int:
    return len(victim.rows(f"SELECT 1 FROM {table} WHERE sop_instance_uid = %s", sop_uid))


def test_dimse_killed_while_a_data_set_arrives(victim: Victim) -> None:
    dataset = new_instance()
    encoded = data_set_bytes(dataset)
    dimse = json.loads((victim.run.state / "endpoints.json").read_text())["dimse"]
    with ScriptedPeer.connect(dimse["host"], dimse["port"]) as peer:
        peer.associate(called=dimse["ae_title"], contexts=ECHO_AND_CT)
        peer.send(
            p_data(pdv(3, store_command(sop_instance_uid=dataset.SOPInstanceUID), command=True)),
            p_data(pdv(3, encoded[:100], last=False)),
        )
        victim.kill(DIMSE)
        assert peer.is_closed()
    assert count(victim, "ingestion_receipt", dataset.SOPInstanceUID) == 0
    victim.send_until_acknowledged(dataset)


def test_dimse_killed_between_object_and_receipt(victim: Victim) -> None:
    dataset = new_instance()
    with victim.held(RECEIPT_COMMIT), victim.sending(dataset) as statuses:
        victim.wait_for_somebody_at(RECEIPT_COMMIT)
        stored = victim.run.state / "objects" / dataset.StudyInstanceUID
        # The object rests before its receipt; another process may be who waits at first.
        eventually(lambda: list(stored.rglob("*.dcm")), within_seconds=RECOVERY_SECONDS)
        victim.kill(DIMSE)
    assert statuses == [None]
    victim.send_until_acknowledged(dataset)


def test_dimse_and_worker_killed_before_registration(victim: Victim) -> None:
    dataset = new_instance()
    with victim.held(REGISTRATION):
        victim.send_until_acknowledged(dataset)
        victim.wait_for_somebody_at(REGISTRATION)
        victim.kill(DIMSE)
        victim.kill(WORKER)
        assert count(victim, "ingestion_instance", dataset.SOPInstanceUID) == 0


def test_worker_killed_between_fact_and_fan_out(victim: Victim) -> None:
    dataset = new_instance()
    with HttpReceiver() as receiver:
        victim.subscribe(receiver.url)
        with victim.held(FAN_OUT):
            victim.send_until_acknowledged(dataset)
            victim.wait_for_somebody_at(FAN_OUT)
            victim.kill(WORKER)
        eventually(
            lambda: told_of(receiver, dataset.SOPInstanceUID), within_seconds=RECOVERY_SECONDS
        )


def test_worker_killed_between_delivery_and_its_record(victim: Victim) -> None:
    """The subscriber is told again, under the same id."""
    dataset = new_instance()
    never = threading.Event()
    with HttpReceiver(lambda _: Answer(held_until=never)) as receiver:
        victim.subscribe(receiver.url)
        victim.send_until_acknowledged(dataset)
        (first,) = eventually(
            lambda: told_of(receiver, dataset.SOPInstanceUID), within_seconds=RECOVERY_SECONDS
        )
        victim.kill(WORKER)
        receiver.script = lambda _: Answer()
        never.set()
        ids = eventually(
            lambda: told_twice(receiver, dataset.SOPInstanceUID), within_seconds=RECOVERY_SECONDS
        )
    assert set(ids) == {first}


def test_broker_killed_with_its_data_while_work_is_due(victim: Victim) -> None:
    dataset = new_instance()
    with HttpReceiver() as receiver:
        victim.subscribe(receiver.url)
        with victim.held(REGISTRATION):
            victim.send_until_acknowledged(dataset)
            victim.wait_for_somebody_at(REGISTRATION)
            remove_files_below(victim.run.state / "valkey" / "appendonlydir")
            victim.kill(VALKEY)
            victim.kill(WORKER)
        victim.send_until_acknowledged(new_instance())
        eventually(
            lambda: told_of(receiver, dataset.SOPInstanceUID), within_seconds=RECOVERY_SECONDS
        )


def test_database_killed_while_a_receipt_is_committed(victim: Victim) -> None:
    dataset = new_instance()
    with victim.held(RECEIPT_COMMIT), victim.sending(dataset) as statuses:
        victim.wait_for_somebody_at(RECEIPT_COMMIT)
        victim.kill(POSTGRES)
    assert statuses in ([None], [0xA700], [0x0000])
    victim.send_until_acknowledged(dataset)


def test_database_killed_while_instances_stream_in(victim: Victim) -> None:
    datasets = [new_instance() for _ in range(24)]
    half = threading.Event()

    def send(part: list[object]) -> None:
        for number, dataset in enumerate(part):
            victim.send_until_acknowledged(dataset)  # type: ignore[arg-type]
            if number == len(part) // 2:
                half.set()

    threads = [threading.Thread(target=send, args=(datasets[n::3],)) for n in range(3)]
    for thread in threads:
        thread.start()
    assert half.wait(RECOVERY_SECONDS)
    victim.kill(POSTGRES)
    for thread in threads:
        thread.join(RECOVERY_SECONDS * 2)
    assert len(victim.acknowledged) == len(datasets)


def test_everything_killed_at_once(victim: Victim) -> None:
    """The supervisor too; the next start finds what was acknowledged and goes on."""
    datasets = [new_instance() for _ in range(3)]
    with HttpReceiver() as receiver:
        victim.subscribe(receiver.url)
        with victim.held(REGISTRATION):
            for dataset in datasets:
                victim.send_until_acknowledged(dataset)
            victim.wait_for_somebody_at(REGISTRATION)
            victim.run.send(signal.SIGKILL)
            for words in (DIMSE, WORKER, WEB, VALKEY, POSTGRES):
                victim.kill_if_running(words)
        victim.run.start()
        victim.run.endpoints()
        for dataset in datasets:
            uid = dataset.SOPInstanceUID
            eventually(lambda uid=uid: told_of(receiver, uid), within_seconds=RECOVERY_SECONDS)  # type: ignore[misc]


def told_of(receiver: HttpReceiver, sop_uid: str) -> list[str]:
    """Ids of the deliveries that told of an instance becoming available."""
    return [
        received.headers["webhook-id"]
        for received in list(receiver.received)
        if received.headers["ce-type"] == "DicomAvailableEvent"
        and json.loads(received.body)["sopInstanceUID"] == sop_uid
    ]


def told_twice(receiver: HttpReceiver, sop_uid: str) -> list[str]:
    ids = told_of(receiver, sop_uid)
    return ids if len(ids) > 1 else []


def remove_files_below(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
