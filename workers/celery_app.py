"""The Celery application. Celery only carries wake-ups: losing any of them loses nothing.

Each setting that departs from Celery's default says why.
"""

import gc
import os
from typing import Any

import structlog
from celery import Celery, signals
from django.conf import settings

from workers.queues import HOUSEKEEPING, QUEUES
from workers.schedule import beat_schedule

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ingestion.settings")

log = structlog.get_logger(__name__)

TASK_SECONDS_MAX = 300
SOFT_SHUTDOWN_SECONDS = 15.0
RECONNECT_SECONDS = 2.0
TASKS_PER_CONNECTION = 100_000


def transport_options(broker_url: str) -> dict[str, Any]:
    """Options of the broker's transport; only Redis has these.

    A wake-up whose worker died comes back after the visibility timeout and one interval;
    Celery's defaults would be an hour and a hundred seconds.
    """
    if not broker_url.startswith(("redis", "valkey", "unix")):
        return {}
    return {
        "visibility_timeout": 60,
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
        "socket_connect_timeout": RECONNECT_SECONDS,
        "socket_keepalive": True,
    }


def configuration() -> dict[str, Any]:
    """Celery's settings, from Django's."""
    broker_url = settings.ENVIRONMENT.broker_url.get_secret_value()
    return {
        "broker_url": broker_url,
        "broker_transport_options": transport_options(broker_url),
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,  # a broker may be away for long
        "broker_connection_timeout": RECONNECT_SECONDS,
        "imports": ["workers.tasks"],
        "accept_content": ["json"],
        "task_serializer": "json",
        "event_serializer": "json",
        "task_ignore_result": True,  # rows say what became of work
        "task_queues": QUEUES,
        "task_default_queue": HOUSEKEEPING,
        "task_create_missing_queues": False,
        # The backend says nothing anyway; without this each thread that publishes looks for it
        # among all installed packages.
        "result_backend_thread_safe": True,
        "task_acks_late": True,  # a wake-up is done when its work is
        "worker_prefetch_multiplier": 1,  # else one worker hoards what others could do
        "task_time_limit": TASK_SECONDS_MAX + 30,
        "task_soft_time_limit": TASK_SECONDS_MAX,
        "worker_soft_shutdown_timeout": SOFT_SHUTDOWN_SECONDS,
        "worker_cancel_long_running_tasks_on_connection_loss": False,  # they are idempotent
        "task_publish_retry": False,  # the sweep repeats, callers must not wait
        "worker_send_task_events": True,  # for Flower
        "task_send_sent_event": True,
        "worker_hijack_root_logger": False,
        "timezone": "UTC",
        "enable_utc": True,
        "beat_schedule": beat_schedule(settings.ENVIRONMENT.sweep_seconds),
        "beat_scheduler": "workers.schedule:SweepScheduler",
        "beat_max_loop_interval": 1.0,
    }


@signals.setup_logging.connect
def _keep_our_logging(**_: object) -> None:
    """Celery configures no logging when somebody listens here: Django's settings did."""


@signals.worker_init.connect
def _leave_what_is_loaded_alone(**_: object) -> None:
    """Before the fork: else each full collection walks everything that is loaded."""
    gc.collect()
    gc.freeze()


@signals.worker_ready.connect
def _say_that_work_is_taken(**_: object) -> None:
    log.info("worker ready")


app = Celery("imaging-ingestion", set_as_current=True)
app.conf.update(configuration())
# Else the fixup for Django ends the connection after each task, and with it what is prepared on
# it. Each task looks after its connection itself.
app.conf["CELERY_DB_REUSE_MAX"] = TASKS_PER_CONNECTION
