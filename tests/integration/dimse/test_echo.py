"""Verification as SCU, against our own service."""

from pytest_django import Settings

from ingestion.models import LocalApplicationEntity, RemoteApplicationEntity, StorageSpace
from ingestion.use_cases.echo_application_entities import echo_local, echo_remote
from tests.integration.dimse.conftest import Start


def test_our_service_answers_under_its_title(
    start_service: Start, settings: Settings, space: StorageSpace
) -> None:
    service = start_service(dimse_any_calling_ae_from_loopback=True)
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"dimse_port": service.port})
    report = echo_local(LocalApplicationEntity.objects.get())
    assert report.is_well, report
    assert report.text.startswith("it answers")


def test_our_service_says_why_it_does_not_want_us(
    start_service: Start, settings: Settings, space: StorageSpace
) -> None:
    service = start_service()
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"dimse_port": service.port})
    report = echo_local(LocalApplicationEntity.objects.get())
    assert not report.is_well
    assert "calling AE title not recognized" in report.text


def test_another_site_of_ours_is_a_peer_like_any(start_service: Start, space: StorageSpace) -> None:
    service = start_service(dimse_any_calling_ae_from_loopback=True)
    other = RemoteApplicationEntity(ae_title="INGEST", host="127.0.0.1", port=service.port)
    assert echo_remote(other).is_well
