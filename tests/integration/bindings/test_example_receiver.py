"""The receiver in the documentation takes what we send and refuses what others send."""

import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from bindings.fan_out import fan_out_events
from bindings.models import Delivery
from ingestion.embedded.ports import choose_port
from tests.eventually import eventually
from tests.receipts import make_space
from tests.subscriptions import attempt_due_deliveries, make_event, make_subscription

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "webhook_receiver.py"


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.django_db
def test_documented_receiver_verifies_and_prints() -> None:
    port = choose_port()
    url = f"http://127.0.0.1:{port}/"
    subscription = make_subscription(url)
    environment = {
        **os.environ,
        "SIGNING_SECRET": subscription.signing_secret,
        "PORT": str(port),
    }
    with subprocess.Popen(
        [sys.executable, str(EXAMPLE)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as receiver:
        try:
            eventually(lambda: accepts(port))
            make_event(make_space())
            fan_out_events()
            attempt_due_deliveries()
            assert Delivery.objects.get().state == "delivered"
            assert receiver.stdout is not None
            assert receiver.stdout.readline().split() == ["DicomAvailableEvent", "study", "1.2.3"]
            with pytest.raises(urllib.error.HTTPError, match="403") as refused:
                urllib.request.urlopen(urllib.request.Request(url, b"{}"), timeout=60)
            refused.value.close()
        finally:
            receiver.terminate()
