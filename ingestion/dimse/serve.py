"""Builds one DIMSE process from the settings and serves until told to stop."""

import gc
import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

from django.conf import settings
from django.db import connections

from ingestion.dimse.acceptor.admission import Admission
from ingestion.dimse.acceptor.association import Association
from ingestion.dimse.acceptor.custody import custody, load_entity_tables, require_room_for
from ingestion.dimse.acceptor.entity_cache import EntityCache
from ingestion.dimse.acceptor.house import House
from ingestion.dimse.acceptor.stock_path import StockAssociation
from ingestion.dimse.database_use import close_idle_connections, database_turn
from ingestion.dimse.journal.association_end import RecordEnding
from ingestion.dimse.journal.association_log import AssociationLog
from ingestion.dimse.listener import (
    Door,
    Listener,
    ListenerLimits,
    Serve,
    Served,
    open_listening_socket,
)
from ingestion.dimse.process_group import ProcessGroup
from ingestion.dimse.protocol.supported_services import Openness
from ingestion.dimse.protocol.upper_layer import Rejection
from ingestion.dimse.requestor.association_pool import process_pool
from ingestion.dimse.security.json_web_tokens import token_check
from ingestion.dimse.security.secure_door import SecuredConnection
from ingestion.dimse.security.tls import server_context
from ingestion.dimse.security.user_identity import IdentityCheck
from ingestion.errors import Misconfigured
from ingestion.use_cases.authenticate_user import require_user_who_may_associate
from ingestion.use_cases.clean_spools import clean_spools_at_start
from ingestion.use_cases.group_commit import GroupCommit

DATA_PATHS: dict[str, type[Association] | type[StockAssociation]] = {
    "fast": Association,
    "stock": StockAssociation,
}


@dataclass(frozen=True, slots=True)
class Entrances:
    """The listening sockets of the service, which all its processes share."""

    plain: socket.socket | None = None
    secure: socket.socket | None = None

    def sockets(self) -> tuple[socket.socket, ...]:
        """Those that there are."""
        return tuple(filter(None, (self.plain, self.secure)))


def serve_dimse() -> None:
    """Run the DIMSE service until SIGTERM or SIGINT.

    Raises `Misconfigured` for a taken port, and for TLS or tokens that cannot work.
    """
    environment = settings.ENVIRONMENT
    # pynetdicom logs what peers do wrong with tracebacks; we log it once, in one line.
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
    with ExitStack() as stack:
        entrances = _open_entrances(stack)
        clean_spools_at_start()
        gc.collect()
        gc.freeze()  # else each full collection walks everything that is loaded, for 0.1 s
        ProcessGroup(
            lambda wait_for_stop: serve_until(entrances, wait_for_stop),
            entrances.sockets(),
            count=environment.dimse_processes,
            drain_seconds=environment.dimse_drain_seconds,
        ).run()


def serve_until(entrances: Entrances, wait_for_stop: Callable[[], None]) -> None:
    """Serve in this process until `wait_for_stop` returns, then drain."""
    limits = settings.LIMITS
    cache = EntityCache(load_entity_tables, release=connections.close_all)
    group_commit = GroupCommit()
    association_log = AssociationLog()
    process_pool().record = association_log.record
    house = _house(cache, group_commit, record=association_log.record)
    listener = Listener(
        tuple(_doors(entrances, cache, house)),
        limits=ListenerLimits(limits.associations_max, limits.associations_per_peer_max),
    )
    listener.start()
    wait_for_stop()
    listener.stop(drain_seconds=settings.ENVIRONMENT.dimse_drain_seconds)
    process_pool().close()
    group_commit.close()
    association_log.close()
    close_idle_connections()
    cache.close()


def _open_entrances(stack: ExitStack) -> Entrances:
    environment = settings.ENVIRONMENT
    if not environment.dimse_port and environment.dimse_tls_port is None:
        raise Misconfigured("neither INGESTION_DIMSE_PORT nor INGESTION_DIMSE_TLS_PORT is set")
    server_context()  # what cannot work is said now, not at the first handshake
    token_check()

    def listen(port: int | None) -> socket.socket | None:
        if not port:
            return None
        return stack.enter_context(open_listening_socket(environment.dimse_host, port))

    return Entrances(
        plain=listen(environment.dimse_port), secure=listen(environment.dimse_tls_port)
    )


def _doors(entrances: Entrances, cache: EntityCache, house: House) -> Iterator[Door]:
    if entrances.plain is not None:
        yield Door(entrances.plain, _serve(house))
    if entrances.secure is not None:
        encrypted = replace(house, admit=_admission(cache, is_encrypted=True))
        yield Door(entrances.secure, _serve_secured(_serve(encrypted), house.artim_timeout_seconds))


def _house(cache: EntityCache, group_commit: GroupCommit, *, record: RecordEnding) -> House:
    environment = settings.ENVIRONMENT
    tokens = token_check()
    return House(
        admit=_admission(cache, is_encrypted=False),
        check_identity=IdentityCheck(
            check_password=_check_password, user_of_token=tokens.user_of if tokens else None
        ),
        take_custody=custody(group_commit),
        openness=_openness(),
        pdu_bytes_max=settings.LIMITS.pdu_bytes_max,
        identifier_bytes_max=settings.LIMITS.identifier_bytes_max,
        artim_timeout_seconds=environment.dimse_artim_timeout_seconds,
        network_timeout_seconds=environment.dimse_network_timeout_seconds,
        dimse_timeout_seconds=environment.dimse_message_timeout_seconds,
        record=record,
    )


def _admission(cache: EntityCache, *, is_encrypted: bool) -> Admission:
    return Admission(
        cache,
        require_room=require_room_for,
        any_calling_ae_from_loopback=settings.ENVIRONMENT.dimse_any_calling_ae_from_loopback,
        openness=_openness(),
        is_encrypted=is_encrypted,
    )


def _openness() -> Openness:
    takes_all = settings.ENVIRONMENT.dimse_accept_unknown_sop_classes
    return Openness.ANY if takes_all else Openness.KNOWN


def _check_password(username: str, passcode: str, peer_address: str) -> None:
    with database_turn():
        require_user_who_may_associate(username, passcode, peer_address=peer_address)


def _serve(house: House) -> Serve:
    """Who serves a connection: our own loop, or pynetdicom's."""

    def serve(connection: socket.socket, peer: str, turned_away: Rejection | None) -> Served:
        path = DATA_PATHS[settings.ENVIRONMENT.dimse_data_path]
        return path(connection, peer, house=house, turned_away=turned_away)

    return serve


def _serve_secured(serve: Serve, timeout_seconds: float) -> Serve:
    """The same once TLS is agreed on."""

    def serve_secured(
        connection: socket.socket, peer: str, turned_away: Rejection | None
    ) -> Served:
        return SecuredConnection(
            connection,
            peer,
            context=_server_context,
            serve=lambda secured: serve(secured, peer, turned_away),
            timeout_seconds=timeout_seconds,
        )

    return serve_secured


def _server_context() -> ssl.SSLContext:
    context = server_context()
    assert context is not None  # there is a door with TLS only where it is on
    return context
