"""`check --deploy` proves the files of TLS and tokens, and tells what callers cannot do."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage

from ingestion.checks import check_dimse_security, check_services
from ingestion.models import LocalApplicationEntity, RemoteApplicationEntity
from tests.receipts import make_space
from tests.unit.dimse.certificates import Authority


def codes(messages: list[CheckMessage]) -> list[str]:
    assert all(message.hint for message in messages)
    return [str(message.id) for message in messages]


def configure(settings: Any, **changes: Any) -> None:
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update=changes)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path / "tls")


def test_without_tls_and_tokens_there_is_nothing_to_say() -> None:
    assert codes(check_dimse_security()) == []


def test_good_files_pass(settings: Any, authority: Authority) -> None:
    configure(
        settings,
        dimse_tls_port=2762,
        dimse_tls_certificate=authority.issue("ours"),
        dimse_tls_client_certificates="required",
        dimse_tls_client_ca=authority.file,
        dimse_tls_ca=authority.file,
    )
    assert codes(check_dimse_security()) == []


def test_certificate_that_ends_soon_is_told(settings: Any, authority: Authority) -> None:
    certificate = authority.ca.issue_cert(
        "127.0.0.1", not_after=datetime.now(UTC) + timedelta(days=20)
    )
    path = authority.folder / "short.pem"
    certificate.private_key_and_cert_chain_pem.write_to_path(path)
    configure(settings, dimse_tls_port=2762, dimse_tls_certificate=path)
    assert codes(check_dimse_security()) == ["ingestion.W014"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"dimse_tls_port": 2762}, ["ingestion.E012"]),
        ({"dimse_tls_port": 2762, "dimse_tls_certificate": "missing"}, ["ingestion.E012"] * 2),
        ({"dimse_tls_ca": "missing"}, ["ingestion.E012"]),
        ({"dimse_jwt_keys": "missing"}, ["ingestion.E013"]),
        (
            {
                "dimse_jwt_keys": "missing",
                "dimse_jwt_issuer": "https://id.example",
                "dimse_jwt_audience": "imaging",
            },
            ["ingestion.E013"],
        ),
    ],
)
def test_files_that_cannot_be_used_are_errors(
    settings: Any, tmp_path: Path, changes: dict[str, Any], told: list[str]
) -> None:
    paths = {
        name: tmp_path / value if value == "missing" else value for name, value in changes.items()
    }
    configure(settings, **paths)
    assert codes(check_dimse_security()) == told


def test_required_certificates_need_an_authority(settings: Any, authority: Authority) -> None:
    configure(
        settings,
        dimse_tls_port=2762,
        dimse_tls_certificate=authority.issue("ours"),
        dimse_tls_client_certificates="required",
    )
    (message,) = check_dimse_security()
    assert "INGESTION_DIMSE_TLS_CLIENT_CA" in message.msg


@pytest.mark.django_db
def test_entities_that_tls_would_serve_are_told(settings: Any, tmp_path: Path) -> None:
    space = make_space(options={"root": str(tmp_path / "objects")})
    LocalApplicationEntity.objects.create(
        ae_title="INGEST", storage_space=space, user_identity="checked"
    )
    RemoteApplicationEntity.objects.create(ae_title="CT1", must_use_tls=True)
    expected = {"ingestion.W015", "ingestion.W016"}
    assert expected <= set(codes(check_services(databases=["default"])))
    configure(settings, dimse_tls_port=2762)
    assert not expected & set(codes(check_services(databases=["default"])))
