"""What the sweeps and the queues promise, without a broker."""

import pytest
from celery.beat import ScheduleEntry

from ingestion.wakeups import Work
from workers.celery_app import app, transport_options
from workers.queues import QUEUES
from workers.schedule import beat_schedule
from workers.wake_ups import QUEUE_OF

NAMES = {"ingest", "revisions", "deliver", "housekeeping"}


def test_every_kind_of_work_is_woken_and_swept_on_the_same_queue() -> None:
    app.loader.import_default_modules()
    swept = {entry["task"]: entry["options"]["queue"] for entry in beat_schedule(5.0).values()}
    for work in Work:
        assert swept[f"workers.{work.value}"] == QUEUE_OF[work]
        assert f"workers.{work.value}" in app.tasks


def test_every_sweep_names_a_task_that_exists() -> None:
    app.loader.import_default_modules()
    assert {entry["task"] for entry in beat_schedule(5.0).values()} <= set(app.tasks)


@pytest.mark.parametrize("sweep_seconds", [0.2, 5.0, 60.0])
def test_studies_are_swept_every_second_at_least(sweep_seconds: float) -> None:
    entry = beat_schedule(sweep_seconds)["sweep studies"]
    assert entry["schedule"] <= 1.0


def test_each_queue_has_a_key_of_its_own() -> None:
    assert {queue.name for queue in QUEUES} == NAMES
    assert {queue.routing_key for queue in QUEUES} == NAMES
    assert {queue.exchange.name for queue in QUEUES} == NAMES


def test_lost_wake_ups_come_back_within_two_minutes_and_only_redis_is_told_how() -> None:
    options = transport_options("redis://127.0.0.1/0")
    assert options["visibility_timeout"] <= 60
    assert options["unacked_restore_interval"] * options["unacked_restore_throttle"] == 1
    assert transport_options("amqp://127.0.0.1//") == {}


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("task_acks_late", True),
        ("task_ignore_result", True),
        ("accept_content", ["json"]),
        ("worker_prefetch_multiplier", 1),
        ("worker_cancel_long_running_tasks_on_connection_loss", False),
        ("task_publish_retry", False),
        ("broker_connection_max_retries", None),
        ("task_create_missing_queues", False),
        ("timezone", "UTC"),
    ],
)
def test_celery_is_set_up_as_promised(setting: str, value: object) -> None:
    assert app.conf[setting] == value


def test_sweeps_expire_so_that_late_workers_find_no_pile() -> None:
    for entry in beat_schedule(5.0).values():
        assert 0 < entry["options"]["expires"] <= 60
        ScheduleEntry(name="x", task=entry["task"], schedule=entry["schedule"], app=app)
