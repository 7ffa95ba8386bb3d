"""What supervisors, load balancers and Prometheus are told."""

import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ingestion.broker import ping_broker
from ingestion.errors import BrokerUnavailable
from ingestion.metrics import QUEUES, Queue, add_queue
from ingestion.models import AccessToken, Event, EventType, Receipt, StorageSpace, Study
from ingestion.models.access_token import token_digest
from tests.receipts import make_receipt, make_space

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).parents[3]


def sample(text: str, name: str) -> float:
    """The value of one line of Prometheus text."""
    match = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert match is not None, f"{name} is missing from:\n{text}"
    return float(match[1])


def metrics(client: Client) -> str:
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/plain")
    return response.content.decode()


def test_process_that_answers_lives(client: Client) -> None:
    response = client.get("/health/live")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/metrics"])
@pytest.mark.parametrize("host", ["10.1.2.3:8000", "web-7f9c.pods", "not a host"])
def test_probes_may_name_any_host(client: Client, path: str, host: str) -> None:
    """Orchestrators ask by the address of the moment."""
    response = client.get(path, HTTP_HOST=host)
    assert response.status_code == 200
    assert host not in response.content.decode()
    assert "Content-Length" in response


@pytest.mark.parametrize("path", ["/", "/dicomweb/studies", "/admin/", "/health/", "/health/x"])
def test_all_else_is_for_our_hosts(client: Client, path: str) -> None:
    assert client.get(path, HTTP_HOST="10.1.2.3").status_code == 400


def test_metrics_for_others_are_for_our_hosts(client: Client) -> None:
    response = client.get("/metrics", HTTP_HOST="10.1.2.3", REMOTE_ADDR="192.0.2.1")
    assert response.status_code == 400


def test_working_installation_is_ready(client: Client, tmp_path: Path) -> None:
    make_space(options={"root": str(tmp_path / "objects")})
    response = client.get("/health/ready")
    assert (response.status_code, response.json()) == (200, {"status": "ok", "failing": []})


def test_installation_without_spaces_is_ready(client: Client) -> None:
    assert client.get("/health/ready").status_code == 200


def test_space_that_cannot_be_written_is_not_ready(client: Client, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    make_space(options={"root": str(tmp_path / "file" / "below")})
    response = client.get("/health/ready")
    assert (response.status_code, response.json()["failing"]) == (503, ["storage"])
    assert str(tmp_path) not in response.content.decode()


def test_missing_services_are_named_and_nothing_more() -> None:
    program = (
        "import django; django.setup();"
        "from django.test import Client;"
        "answer = Client().get('/health/ready');"
        "print(answer.status_code, answer.content.decode());"
        "print(Client().get('/metrics').status_code, Client().get('/health/live').status_code)"
    )
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "ingestion.settings",
        "INGESTION_ALLOWED_HOSTS": "testserver",
        "INGESTION_DATABASE_URL": "postgresql://nobody:s3cr3t@127.0.0.1:1/none",
        "INGESTION_BROKER_URL": "redis://:s3cr3t@127.0.0.1:1/0",
    }
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "503" in result.stdout, result.stderr
    assert '["database", "migrations", "broker", "storage"]' in result.stdout
    assert result.stdout.splitlines()[-1] == "503 200"
    assert "s3cr3t" not in result.stdout + result.stderr


def test_broker_with_another_password_is_unavailable() -> None:
    url = urlsplit(os.environ["INGESTION_BROKER_URL"])
    wrong = url._replace(netloc=f":wrong@{url.hostname}:{url.port}").geturl()
    with pytest.raises(BrokerUnavailable):
        ping_broker(wrong, timeout_seconds=1)


def test_queues_show_depth_and_age(client: Client) -> None:
    space = make_space()
    old = make_receipt(space, sop="1")
    make_receipt(space, sop="2")
    Receipt.objects.filter(pk=old).update(received_at=timezone.now() - timedelta(hours=1))
    Event.objects.create(
        type=EventType.DICOM_AVAILABLE, storage_space=space, study_instance_uid="1.2"
    )
    due = timezone.now() - timedelta(minutes=1)
    Study.objects.create(storage_space=space, study_instance_uid="1.2", settles_at=due)
    text = metrics(client)
    assert sample(text, 'ingestion_queue_depth{queue="receipts_pending"}') == 2
    age = sample(text, 'ingestion_queue_oldest_age_seconds{queue="receipts_pending"}')
    assert 3600 <= age < 3700
    assert sample(text, 'ingestion_queue_depth{queue="events_waiting"}') == 1
    assert sample(text, 'ingestion_queue_depth{queue="studies_due"}') == 1
    assert 60 <= sample(text, 'ingestion_queue_oldest_age_seconds{queue="studies_due"}') < 120


def test_empty_queue_has_no_age(client: Client) -> None:
    text = metrics(client)
    assert sample(text, 'ingestion_queue_depth{queue="receipts_pending"}') == 0
    assert sample(text, 'ingestion_queue_oldest_age_seconds{queue="receipts_pending"}') == 0


def test_receipts_are_estimated_by_outcome(client: Client) -> None:
    space = make_space()
    for n in range(20):
        make_receipt(space, sop=str(n))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE ingestion_receipt")
    text = metrics(client)
    assert sample(text, 'ingestion_receipts{outcome="pending"}') == 20
    assert sample(text, 'ingestion_rows{table="receipt"}') == 20


def test_metrics_count_no_whole_table_and_name_no_patient(client: Client) -> None:
    make_receipt(make_space(), patient_name="Doe^Jane", patient_id="P-77")
    with CaptureQueriesContext(connection) as captured:
        text = metrics(client)
    for query in captured.captured_queries:
        assert "COUNT(" not in query["sql"].upper() or "LIMIT" in query["sql"]
    assert "Doe" not in text
    assert "P-77" not in text


def test_process_metrics_tell_processes_apart(client: Client) -> None:
    text = metrics(client)
    assert sample(text, f'process_resident_memory_bytes{{pid="{os.getpid()}"}}') > 0


def test_other_applications_can_add_queues(client: Client) -> None:
    add_queue(Queue("spaces_of_a_test", StorageSpace.objects.all, "created_at"))
    try:
        make_space()
        assert sample(metrics(client), 'ingestion_queue_depth{queue="spaces_of_a_test"}') == 1
    finally:
        del QUEUES["spaces_of_a_test"]


@pytest.mark.parametrize(
    "request_of",
    [
        {"REMOTE_ADDR": "192.0.2.1"},
        {"HTTP_X_FORWARDED_FOR": "192.0.2.1"},
        {"HTTP_FORWARDED": "for=192.0.2.1"},
        {"REMOTE_ADDR": ""},
    ],
)
def test_others_need_a_token_for_metrics(client: Client, request_of: dict[str, Any]) -> None:
    response = client.get("/metrics", **request_of)
    assert (response.status_code, response["WWW-Authenticate"]) == (401, "Bearer")
    wrong = client.get("/metrics", **request_of, HTTP_AUTHORIZATION="Bearer wrong")
    assert wrong.status_code == 401
    AccessToken.objects.create(name="prometheus", digest=token_digest("right"))
    right = client.get("/metrics", **request_of, HTTP_AUTHORIZATION="Bearer right")
    assert right.status_code == 200
    AccessToken.objects.update(expires_at=timezone.now())
    expired = client.get("/metrics", **request_of, HTTP_AUTHORIZATION="Bearer right")
    assert expired.status_code == 401
