"""Who may associate with whom for what, and what the refused are told. Source: PS3.8 9.3.4."""

import ipaddress
from collections.abc import Callable, Iterator

import pytest

from ingestion.dimse.acceptor.admission import Admission
from ingestion.dimse.acceptor.entity_cache import EntityCache
from ingestion.dimse.protocol.association_request import AssociationRequest, ProposedContext
from ingestion.dimse.protocol.association_rules import Rules
from ingestion.dimse.protocol.extended_negotiation import Roles
from ingestion.dimse.protocol.upper_layer import Refusal, Rejection
from ingestion.dimse.security.association_policy import (
    EntityTables,
    LocalEntity,
    RemoteEntity,
    admit,
    check_protocol,
)
from ingestion.errors import DatabaseUnavailable, IngestionError, Misconfigured, OutOfSpace
from ingestion.models import StorageSpace

SPACE = StorageSpace(slug="main")
VERIFICATION = "1.2.840.10008.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
FIND = "1.2.840.10008.5.1.4.1.2.2.1"
GET = "1.2.840.10008.5.1.4.1.2.2.3"


def networks(*texts: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


TABLES = EntityTables(
    local_entities={
        "INGEST": LocalEntity("INGEST", SPACE),
        "RESEARCH": LocalEntity("RESEARCH", SPACE),
        "CLOSED": LocalEntity("CLOSED", SPACE, accepts_new_objects=False),
        "CT ONLY": LocalEntity(
            "CT ONLY", SPACE, rules=Rules(frozenset({"store", "find"}), frozenset({CT, MR}))
        ),
    },
    remote_entities={
        "ANYWHERE": (RemoteEntity("ANYWHERE", may_call_all=True),),
        "NOTHING": (RemoteEntity("NOTHING"),),
        "STORES": (RemoteEntity("STORES", rules=Rules(frozenset({"store"}))),),
        "CHOOSY": (RemoteEntity("CHOOSY", may_call=frozenset({"RESEARCH"})),),
        "DISABLED": (),
        "SECURE": (RemoteEntity("SECURE", may_call_all=True, must_use_tls=True),),
        "CT SCANNER": (
            RemoteEntity(
                "CT SCANNER",
                may_call_all=True,
                rules=Rules(
                    frozenset({"store"}), frozenset({CT}), frozenset({"1.2.840.10008.1.2.1"})
                ),
            ),
        ),
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
    called: str,
    calling: str,
    *abstract_syntaxes: str,
    version: int = 1,
    context: str = "1.2.840.10008.3.1.1.1",
    roles: dict[str, Roles] | None = None,
) -> AssociationRequest:
    contexts = tuple(
        ProposedContext(2 * number + 1, uid, ("1.2.840.10008.1.2",))
        for number, uid in enumerate(abstract_syntaxes)
    )
    return AssociationRequest(
        version, called, calling, context, contexts, 0, False, "", roles=roles or {}
    )


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
        ("INGEST", "DISABLED", "10.0.0.1", Rejection.CALLING_AE_NOT_RECOGNIZED),
        ("INGEST", "SECURE", "10.0.0.1", Rejection.NO_REASON_GIVEN),
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
    [
        ("ANYONE", "10.0.0.1"),
        ("NOTHING", "10.0.0.1"),
        ("", "127.0.0.1"),
        ("bad\\title", "127.0.0.1"),
        ("\ufffd", "::1"),
        ("DISABLED", "127.0.0.1"),
        ("CT1", "127.0.0.1"),
        ("CHOOSY", "127.0.0.1"),
    ],
)
def test_loopback_opens_for_titles_only_that_the_tables_keep_nothing_from(
    calling: str, address: str
) -> None:
    with pytest.raises(Refusal) as caught:
        admit(
            TABLES,
            request("INGEST", calling),
            peer_address=address,
            any_calling_ae_from_loopback=True,
        )
    assert caught.value.rejection is Rejection.CALLING_AE_NOT_RECOGNIZED


def test_entity_without_word_of_its_calls_is_let_in_from_loopback_by_its_rules() -> None:
    """It may be known as a destination alone, or be restricted in what it may do."""
    for calling, services in (("NOTHING", None), ("STORES", {"store"}), ("ANYONE", None)):
        asked = request("INGEST", calling)
        entity = admit(TABLES, asked, peer_address="::1", any_calling_ae_from_loopback=True)
        assert entity.rules.services == services


def test_protocol_is_checked_first() -> None:
    check_protocol(request("X", "Y", version=3))  # version 1 is offered among others
    with pytest.raises(Refusal) as caught:
        check_protocol(request("X", "Y", version=2))
    assert caught.value.rejection is Rejection.PROTOCOL_VERSION_NOT_SUPPORTED
    with pytest.raises(Refusal) as caught:
        check_protocol(request("X", "Y", context="1.2.840.10008.3.1.1.2"))
    assert caught.value.rejection is Rejection.APPLICATION_CONTEXT_NOT_SUPPORTED


def test_caller_that_must_use_tls_is_admitted_with_it() -> None:
    asked = request("INGEST", "SECURE")
    assert admit(TABLES, asked, peer_address="10.0.0.1", is_encrypted=True)


@pytest.mark.parametrize(
    ("called", "calling", "rules"),
    [
        ("INGEST", "ANYWHERE", Rules()),
        ("CT ONLY", "ANYWHERE", Rules(frozenset({"store", "find"}), frozenset({CT, MR}))),
        (
            "INGEST",
            "CT SCANNER",
            Rules(frozenset({"store"}), frozenset({CT}), frozenset({"1.2.840.10008.1.2.1"})),
        ),
        (
            "CT ONLY",
            "CT SCANNER",
            Rules(frozenset({"store"}), frozenset({CT}), frozenset({"1.2.840.10008.1.2.1"})),
        ),
    ],
)
def test_what_both_sides_allow_is_allowed(called: str, calling: str, rules: Rules) -> None:
    assert admit(TABLES, request(called, calling), peer_address="10.0.0.1").rules == rules


@pytest.fixture
def admission() -> Iterator[Callable[..., Admission]]:
    """`admission(tables=…, room=…)`: either an error that reading or looking raises."""
    caches: list[EntityCache] = []

    def make(
        *, tables: IngestionError | None = None, room: IngestionError | None = None
    ) -> Admission:
        def load() -> EntityTables:
            if tables is not None:
                raise tables
            return TABLES

        def require_room(_space: StorageSpace) -> None:
            if room is not None:
                raise room

        caches.append(EntityCache(load, release=lambda: None))
        return Admission(caches[-1], require_room=require_room, any_calling_ae_from_loopback=False)

    yield make
    for cache in caches:
        cache.close()


@pytest.mark.parametrize(
    "error", [DatabaseUnavailable("down"), OutOfSpace("full"), Misconfigured("no bucket")]
)
@pytest.mark.parametrize("failing", ["tables", "room"])
def test_our_own_trouble_is_congestion_to_the_peer(
    admission: Callable[..., Admission], failing: str, error: IngestionError
) -> None:
    with pytest.raises(Refusal) as caught:
        admission(**{failing: error})(request("INGEST", "ANYWHERE", CT), "10.0.0.1")
    assert caught.value.rejection is Rejection.TEMPORARY_CONGESTION
    assert caught.value.rejection.value == (2, 3, 1)


@pytest.mark.parametrize("proposed", [[CT], [VERIFICATION, CT, MR]])
def test_who_only_stores_is_asked_to_come_back_to_a_closed_space(
    admission: Callable[..., Admission], proposed: list[str]
) -> None:
    with pytest.raises(Refusal) as caught:
        admission()(request("CLOSED", "ANYWHERE", *proposed), "10.0.0.1")
    assert caught.value.rejection is Rejection.NOT_ACCEPTING
    assert caught.value.rejection.value == (2, 1, 1)


TROUBLES: list[tuple[str, IngestionError | None]] = [("CLOSED", None), ("INGEST", OutOfSpace(""))]


@pytest.mark.parametrize(("called", "room"), TROUBLES, ids=["closed", "full"])
def test_who_asks_for_more_is_served_but_for_storage(
    admission: Callable[..., Admission], called: str, room: IngestionError | None
) -> None:
    entity = admission(room=room)(request(called, "ANYWHERE", CT, FIND), "10.0.0.1")
    services = entity.rules.services
    assert services is not None
    assert "store" not in services
    assert {"find", "move", "get", "commitment", "procedure_step", "availability"} <= services


@pytest.mark.parametrize(("called", "room"), TROUBLES, ids=["closed", "full"])
@pytest.mark.parametrize(
    ("proposed", "roles"),
    [
        ([VERIFICATION], {}),
        ([FIND], {}),
        ([GET, CT], {CT: Roles(is_scu=False, is_scp=True)}),
    ],
)
def test_who_stores_nothing_is_not_concerned(
    admission: Callable[..., Admission],
    called: str,
    room: IngestionError | None,
    proposed: list[str],
    roles: dict[str, Roles],
) -> None:
    asked = request(called, "ANYWHERE", *proposed, roles=roles)
    assert admission(room=room)(asked, "10.0.0.1").rules == Rules()
