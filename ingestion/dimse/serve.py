"""Builds one DIMSE process from the settings and serves until told to stop."""

import gc
import logging
import socket
from collections.abc import Callable

from django.conf import settings
from django.db import connections

from ingestion.dimse.admission import Admission
from ingestion.dimse.association import Association, House
from ingestion.dimse.custody import custody, load_entity_tables, require_room_for
from ingestion.dimse.entity_cache import EntityCache
from ingestion.dimse.listener import (
    Listener,
    ListenerLimits,
    Serve,
    Served,
    open_listening_socket,
)
from ingestion.dimse.negotiation import Openness
from ingestion.dimse.process_group import ProcessGroup
from ingestion.dimse.stock_path import StockAssociation
from ingestion.dimse.upper_layer import Rejection
from ingestion.use_cases.clean_spools import clean_spools_at_start
from ingestion.use_cases.group_commit import GroupCommit

DATA_PATHS: dict[str, type[Association] | type[StockAssociation]] = {
    "fast": Association,
    "stock": StockAssociation,
}


def serve_dimse() -> None:
    """Run the DIMSE service until SIGTERM or SIGINT. Raises `Misconfigured` for a taken port."""
    environment = settings.ENVIRONMENT
    # pynetdicom logs what peers do wrong with tracebacks; we log it once, in one line.
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
    with open_listening_socket(environment.dimse_host, environment.dimse_port) as listening:
        clean_spools_at_start()
        gc.collect()
        gc.freeze()  # else each full collection walks everything that is loaded, for 0.1 s
        ProcessGroup(
            serve_until,
            listening,
            count=environment.dimse_processes,
            drain_seconds=environment.dimse_drain_seconds,
        ).run()


def serve_until(listening: socket.socket, wait_for_stop: Callable[[], None]) -> None:
    """Serve in this process until `wait_for_stop` returns, then drain."""
    limits = settings.LIMITS
    cache = EntityCache(load_entity_tables, release=connections.close_all)
    group_commit = GroupCommit()
    listener = Listener(
        listening,
        serve=_serve(_house(cache, group_commit)),
        limits=ListenerLimits(limits.associations_max, limits.associations_per_peer_max),
    )
    listener.start()
    wait_for_stop()
    listener.stop(drain_seconds=settings.ENVIRONMENT.dimse_drain_seconds)
    group_commit.close()
    cache.close()


def _house(cache: EntityCache, group_commit: GroupCommit) -> House:
    environment = settings.ENVIRONMENT
    return House(
        admit=Admission(
            cache,
            require_room=require_room_for,
            any_calling_ae_from_loopback=environment.dimse_any_calling_ae_from_loopback,
        ),
        take_custody=custody(group_commit),
        openness=Openness.ANY if environment.dimse_accept_unknown_sop_classes else Openness.KNOWN,
        pdu_bytes_max=settings.LIMITS.pdu_bytes_max,
        artim_timeout_seconds=environment.dimse_artim_timeout_seconds,
        network_timeout_seconds=environment.dimse_network_timeout_seconds,
    )


def _serve(house: House) -> Serve:
    """Who serves a connection: our own loop, or pynetdicom's."""

    def serve(connection: socket.socket, peer: str, turned_away: Rejection | None) -> Served:
        path = DATA_PATHS[settings.ENVIRONMENT.dimse_data_path]
        return path(connection, peer, house=house, turned_away=turned_away)

    return serve
