"""Who may associate with whom, and what the refused are told. Source: PS3.8 Table 9-21."""

import ipaddress

import pytest

from ingestion.dimse.admission import Admission
from ingestion.dimse.association_policy import (
    EntityTables,
    LocalEntity,
    RemoteEntity,
    admit,
    check_protocol,
)
from ingestion.dimse.association_request import AssociationRequest
from ingestion.dimse.entity_cache import EntityCache
from ingestion.dimse.upper_layer import Refusal, Rejection
from ingestion.errors import DatabaseUnavailable, IngestionError, Misconfigured, OutOfSpace
from ingestion.models import StorageSpace

SPACE = StorageSpace(slug="main")


def networks(*texts: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


TABLES = EntityTables(
    local_entities={
        "INGEST": LocalEntity("INGEST", SPACE),
        "RESEARCH": LocalEntity("RESEARCH", SPACE),
        "CLOSED": LocalEntity("CLOSED", SPACE, accepts_new_objects=False),
    },
    remote_entities={
        "ANYWHERE": (RemoteEntity("ANYWHERE", may_call_all=True),),
        "NOTHING": (RemoteEntity("NOTHING"),),
        "CT1": (
            RemoteEntity(
                "CT1",
                networks("10.1.2.3/32", "192.168.0.0/16", "fd00::/8"),
                may_call_all=True,
            ),
        ),
        "TWICE": (
            RemoteEntity("TWICE", networks("10.0.0.1/32"), frozenset({"INGEST"})),
            RemoteEntity("TWICE", networks("10.0.0.2/32"), frozenset({"RESEARCH"})),
        ),
    },
)


def request(
    called: str, calling: str, *, version: int = 1, context: str = "1.2.840.10008.3.1.1.1"
) -> AssociationRequest:
    return AssociationRequest(version, called, calling, context, (), 0, False, "")


@pytest.mark.parametrize(
    ("called", "calling", "address"),
    [
        ("INGEST", "ANYWHERE", "203.0.113.9"),
        ("INGEST", "CT1", "10.1.2.3"),
        ("INGEST", "CT1", "192.168.77.1"),
        ("INGEST", "CT1", "::ffff:10.1.2.3"),
        ("INGEST", "CT1", "fd00::1%eth0"),
        ("INGEST", "TWICE", "10.0.0.1"),
        ("RESEARCH", "TWICE", "10.0.0.2"),
    ],
)
def test_known_callers_are_admitted(called: str, calling: str, address: str) -> None:
    assert admit(TABLES, request(called, calling), peer_address=address).ae_title == called


@pytest.mark.parametrize(
    ("called", "calling", "address", "rejection"),
    [
        ("NOBODY", "ANYWHERE", "10.0.0.1", Rejection.CALLED_AE_NOT_RECOGNIZED),
        ("ingest", "ANYWHERE", "10.0.0.1", Rejection.CALLED_AE_NOT_RECOGNIZED),
        ("INGEST", "NOBODY", "10.0.0.1", Rejection.CALLING_AE_NOT_RECOGNIZED),
        ("INGEST", "CT1", "10.1.2.4", Rejection.CALLING_AE_NOT_RECOGNIZED),
        ("INGEST", "TWICE", "10.0.0.2", Rejection.CALLING_AE_NOT_RECOGNIZED),
        ("INGEST", "ANYONE", "127.0.0.1", Rejection.CALLING_AE_NOT_RECOGNIZED),
        ("INGEST", "NOTHING", "10.0.0.1", Rejection.CALLING_AE_NOT_RECOGNIZED),
        ("CLOSED", "ANYWHERE", "10.0.0.1", Rejection.NOT_ACCEPTING),
    ],
)
def test_others_are_refused_with_the_reason(
    called: str, calling: str, address: str, rejection: Rejection
) -> None:
    with pytest.raises(Refusal) as caught:
        admit(TABLES, request(called, calling), peer_address=address)
    assert caught.value.rejection is rejection


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_any_title_from_loopback_where_that_is_on(address: str) -> None:
    asked = request("INGEST", "ANYONE")
    assert admit(TABLES, asked, peer_address=address, any_calling_ae_from_loopback=True)


@pytest.mark.parametrize(
    ("calling", "address"),
    [("ANYONE", "10.0.0.1"), ("", "127.0.0.1"), ("bad\\title", "127.0.0.1"), ("\ufffd", "::1")],
)
def test_loopback_opens_for_loopback_and_titles_only(calling: str, address: str) -> None:
    with pytest.raises(Refusal) as caught:
        admit(
            TABLES,
            request("INGEST", calling),
            peer_address=address,
            any_calling_ae_from_loopback=True,
        )
    assert caught.value.rejection is Rejection.CALLING_AE_NOT_RECOGNIZED


def test_protocol_is_checked_first() -> None:
    check_protocol(request("X", "Y", version=3))  # version 1 is offered among others
    with pytest.raises(Refusal) as caught:
        check_protocol(request("X", "Y", version=2))
    assert caught.value.rejection is Rejection.PROTOCOL_VERSION_NOT_SUPPORTED
    with pytest.raises(Refusal) as caught:
        check_protocol(request("X", "Y", context="1.2.840.10008.3.1.1.2"))
    assert caught.value.rejection is Rejection.APPLICATION_CONTEXT_NOT_SUPPORTED


@pytest.mark.parametrize(
    "error", [DatabaseUnavailable("down"), OutOfSpace("full"), Misconfigured("no bucket")]
)
@pytest.mark.parametrize("failing", ["tables", "room"])
def test_our_own_trouble_is_congestion_to_the_peer(failing: str, error: IngestionError) -> None:
    def load() -> EntityTables:
        if failing == "tables":
            raise error
        return TABLES

    def require_room(_space: StorageSpace) -> None:
        raise error

    cache = EntityCache(load, release=lambda: None)
    admission = Admission(cache, require_room=require_room, any_calling_ae_from_loopback=False)
    with pytest.raises(Refusal) as caught:
        admission(request("INGEST", "ANYWHERE"), "10.0.0.1")
    assert caught.value.rejection is Rejection.TEMPORARY_CONGESTION
    assert caught.value.rejection.value == (2, 3, 1)
    cache.close()
