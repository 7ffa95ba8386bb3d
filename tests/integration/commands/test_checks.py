"""`check --deploy` proves settings; with `--database` it proves services, each with a hint."""

from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage
from django.db import connection

from ingestion.checks import check_services, check_settings
from ingestion.models import LocalApplicationEntity
from tests.receipts import make_space

pytestmark = pytest.mark.django_db


def codes(messages: list[CheckMessage]) -> list[str]:
    assert all(message.hint for message in messages)
    return [str(message.id) for message in messages]


@pytest.fixture
def _commits_are_synchronous() -> None:
    """As in production; the database of the tests forgets."""
    _set_synchronous_commit("on")


def _set_synchronous_commit(value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('synchronous_commit', %s, true)", [value])


@pytest.mark.parametrize("value", ["off", "local"])
def test_commits_that_a_crash_may_lose_are_told(value: str) -> None:
    """An acknowledgement promises that the receipt survives one."""
    _set_synchronous_commit(value)
    is_told = "ingestion.E010" in codes(check_services(databases=["default"]))
    assert is_told == (value == "off")  # `local` waits for the disk here


@pytest.mark.usefixtures("_commits_are_synchronous")
def test_working_installation_passes(tmp_path: Path) -> None:
    space = make_space(options={"root": str(tmp_path / "objects")})
    LocalApplicationEntity.objects.create(ae_title="INGEST", storage_space=space)
    assert codes(check_services(databases=["default"])) == []


def test_services_are_left_alone_unless_named() -> None:
    assert check_services() == []


@pytest.mark.usefixtures("_commits_are_synchronous")
def test_new_installation_lacks_an_application_entity() -> None:
    assert codes(check_services(databases=["default"])) == ["ingestion.E009"]


@pytest.mark.usefixtures("_commits_are_synchronous")
def test_each_space_is_proved(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    space = make_space(options={"root": str(tmp_path / "file" / "below")})
    make_space("good", options={"root": str(tmp_path / "objects")})
    make_space("odd", options={})
    LocalApplicationEntity.objects.create(ae_title="INGEST", storage_space=space)
    found = check_services(databases=["default"])
    assert codes(found) == ["ingestion.E008", "ingestion.E008"]
    assert [message.obj for message in found] == ["storage space main", "storage space odd"]


def test_settings_are_proved(settings: Any) -> None:
    settings.SECRET_KEY = "short"
    settings.ALLOWED_HOSTS = ["*"]
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"public_base_url": ""})
    told = ["ingestion.E001", "ingestion.W002", "ingestion.W011"]
    assert codes(check_settings()) == told


def test_good_settings_pass(settings: Any) -> None:
    settings.SECRET_KEY = "x" * 32
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(
        update={"public_base_url": "https://imaging.example"}
    )
    assert codes(check_settings()) == []
