"""Whether the broker answers. What is sent through it is the workers' business."""

from kombu import Connection
from kombu.exceptions import OperationalError

from ingestion.errors import BrokerUnavailable


def ping_broker(url: str, *, timeout_seconds: int) -> None:
    """Return when the broker took our credentials. Raises `BrokerUnavailable`."""
    options = {"socket_connect_timeout": timeout_seconds, "socket_timeout": timeout_seconds}
    try:
        with Connection(url, connect_timeout=timeout_seconds, transport_options=options) as broker:
            broker.ensure_connection(
                max_retries=1, interval_start=0, interval_step=0, timeout=timeout_seconds
            )
    except (OperationalError, OSError) as error:
        raise BrokerUnavailable(f"the broker did not answer: {type(error).__name__}") from error
