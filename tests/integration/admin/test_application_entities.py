"""Application entities: their rules as people write them, and whether they answer."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from ingestion.models import LocalApplicationEntity, RemoteApplicationEntity, StorageSpace
from tests.dicom_peers import listening_peer

CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
EXPLICIT = "1.2.840.10008.1.2.1"
REMOTE = "ingestion_remoteapplicationentity"


@pytest.fixture
def local(space: StorageSpace) -> LocalApplicationEntity:
    return LocalApplicationEntity.objects.create(ae_title="INGEST", storage_space=space)


@pytest.fixture
def peer_port() -> Iterator[int]:
    with listening_peer("PEER", require_called_aet=True) as port:
        yield port


def fields(**changes: Any) -> dict[str, Any]:
    """What the form of a remote entity is sent, without what is empty."""
    return {
        "ae_title": "PEER",
        "associations_max": 1,
        "connect_timeout_seconds": 2,
        "response_timeout_seconds": 2,
        "commitment_reports": "same",
        "is_enabled": "on",
    } | changes


def add(browser: Client, **changes: Any) -> str:
    answer = browser.post(reverse(f"admin:{REMOTE}_add"), fields(**changes), follow=True)
    return answer.content.decode()


def after_echo(browser: Client, entity: RemoteApplicationEntity | LocalApplicationEntity) -> str:
    """The list after the test of this entity."""
    url = reverse(f"admin:ingestion_{entity._meta.model_name}_changelist")
    choice = {"action": "test_connections", "_selected_action": [entity.pk]}
    return browser.post(url, choice, follow=True).content.decode()


def remote(port: int | None, **changes: Any) -> RemoteApplicationEntity:
    return RemoteApplicationEntity.objects.create(
        **({"ae_title": "PEER", "host": "127.0.0.1", "port": port} | changes)
    )


def test_rules_are_kept_as_they_are_chosen(administrator: Client, space: StorageSpace) -> None:
    add(
        administrator,
        services=["store", "find"],
        sop_class_uids=f"# of the CT\nCTImageStorage:{CT}\n\n{MR}",
        transfer_syntax_uids=f"ExplicitVRLittleEndian:{EXPLICIT}",
    )
    entity = RemoteApplicationEntity.objects.get()
    assert entity.services == ["store", "find"]
    assert entity.sop_class_uids == [CT, MR]
    assert entity.transfer_syntax_uids == [EXPLICIT]
    page = administrator.get(reverse(f"admin:{REMOTE}_change", args=[entity.pk]))
    assert f"CTImageStorage:{CT}\nMRImageStorage:{MR}" in page.content.decode()


def test_nothing_chosen_is_everything(administrator: Client, space: StorageSpace) -> None:
    add(administrator)
    entity = RemoteApplicationEntity.objects.get()
    assert (entity.services, entity.sop_class_uids, entity.transfer_syntax_uids) == ([], [], [])


def test_local_entity_has_rules_too(
    administrator: Client, local: LocalApplicationEntity, space: StorageSpace
) -> None:
    url = reverse("admin:ingestion_localapplicationentity_change", args=[local.pk])
    choice = {
        "ae_title": "INGEST",
        "storage_space": space.pk,
        "user_identity": "required",
        "services": ["store"],
        "sop_class_uids": CT,
        "is_enabled": "on",
    }
    administrator.post(url, choice)
    local.refresh_from_db()
    assert (local.services, local.sop_class_uids) == (["store"], [CT])
    assert local.user_identity == "required"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"sop_class_uids": f"{CT}\nnonsense"}, "line 2 has no valid UID"),
        ({"sop_class_uids": EXPLICIT}, "line 1: Explicit VR Little Endian is no SOP Class"),
        ({"transfer_syntax_uids": CT}, "line 1: CT Image Storage is no Transfer Syntax"),
        ({"services": ["worklist"]}, "worklist is not one of the available choices"),
        ({"host": "pacs.example"}, "Give both host and port, or neither."),
        ({"port": 104}, "Give both host and port, or neither."),
        ({"host": "pacs.example", "port": 65536}, "less than or equal to 65535"),
        ({"connect_timeout_seconds": 1e20}, "less than or equal to 3600"),
    ],
)
def test_mistakes_are_told(
    administrator: Client, space: StorageSpace, changes: dict[str, Any], told: str
) -> None:
    page = add(administrator, **changes)
    assert told in page
    assert not RemoteApplicationEntity.objects.exists()
    assert all(str(value) in page for value in changes.values() if isinstance(value, str))


def test_peer_that_answers_is_well(
    administrator: Client, local: LocalApplicationEntity, peer_port: int
) -> None:
    page = after_echo(administrator, remote(peer_port))
    assert "PEER: it answers (PYNETDICOM" in page
    assert " ms." in page


def test_peer_that_does_not_know_its_title_is_told_so(
    administrator: Client, local: LocalApplicationEntity, peer_port: int
) -> None:
    page = after_echo(administrator, remote(peer_port, ae_title="OTHER"))
    assert "called AE title not recognized" in page


def test_nobody_at_the_port_is_told(administrator: Client, local: LocalApplicationEntity) -> None:
    with socket.socket() as taken:  # bound, not listening
        taken.bind(("127.0.0.1", 0))
        page = after_echo(administrator, remote(taken.getsockname()[1]))
    assert "Connection refused" in page


def test_peer_without_tls_is_told(
    administrator: Client, local: LocalApplicationEntity, peer_port: int
) -> None:
    assert ": TLS: " in after_echo(administrator, remote(peer_port, uses_tls=True))


def test_peer_without_address_is_told(administrator: Client, local: LocalApplicationEntity) -> None:
    assert "no host and port" in after_echo(administrator, remote(None))


def test_without_a_title_of_ours_nobody_is_called(
    administrator: Client, space: StorageSpace
) -> None:
    assert "no local application entity is enabled" in after_echo(administrator, remote(1))


def test_our_service_that_is_down_is_told(
    administrator: Client, local: LocalApplicationEntity, settings: Any
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"dimse_port": port})
        assert "Connection refused" in after_echo(administrator, local)


@pytest.mark.django_db(transaction=True)
def test_save_and_test_saves_and_tests(
    administrator: Client, local: LocalApplicationEntity, peer_port: int
) -> None:
    button = {f"{REMOTE}_save_and_test": "on"}
    page = add(administrator, host="127.0.0.1", port=peer_port, **button)
    assert "PEER: it answers" in page
    assert RemoteApplicationEntity.objects.get().port == peer_port
