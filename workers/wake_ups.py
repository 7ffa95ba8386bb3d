"""Telling a worker that rows became due: the port named by `settings.WAKE_UPS`.

Bounded when the broker is down or silent: other wake-ups of the process wait behind this one.
"""

import os
from functools import lru_cache
from typing import Any

from amqp.exceptions import AMQPError
from kombu import pools
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from ingestion.errors import BrokerUnavailable
from ingestion.wakeups import Work
from workers.celery_app import app, transport_options
from workers.queues import DELIVER, INGEST, MESSAGES_MAX, REVISIONS
from workers.schedule import declared_length

WAIT_SECONDS = 2.0

QUEUE_OF = {
    Work.REGISTER_RECEIPTS: INGEST,
    Work.REVISE_STUDIES: REVISIONS,
    Work.FAN_OUT: DELIVER,
    Work.ATTEMPT_DELIVERIES: DELIVER,
    Work.REPORT_COMMITMENTS: DELIVER,
}
# Once, at once: the sweep repeats what is lost here.
ONCE = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}


def wake_worker(work: Work) -> None:
    """Send one wake-up, unless so many wait that one more would change nothing.

    Raises `BrokerUnavailable`.
    """
    send_wake_up(work, broker_url=app.conf.broker_url)


def send_wake_up(work: Work, *, broker_url: str) -> None:
    """As `wake_worker`, by this broker."""
    queue = QUEUE_OF[work]
    try:
        with _producers(broker_url, os.getpid()).acquire(block=True, timeout=WAIT_SECONDS) as it:
            if declared_length(it.channel, queue) < MESSAGES_MAX:
                app.send_task(f"workers.{work.value}", queue=queue, producer=it, retry=False)
    except (KombuError, RedisError, AMQPError, OSError) as error:
        raise BrokerUnavailable(f"no wake-up sent: {type(error).__name__}") from error


@lru_cache(maxsize=4)
def _producers(broker_url: str, pid: int) -> Any:
    """This process's connections to a broker; a fork makes its own."""
    assert pid == os.getpid()
    connection = app.connection_for_write(broker_url, connect_timeout=WAIT_SECONDS)
    options = transport_options(broker_url)
    short = {"socket_connect_timeout": WAIT_SECONDS, "socket_timeout": WAIT_SECONDS}
    connection.transport_options = {**options, **(short if options else {}), **ONCE}
    return pools.producers[connection]
