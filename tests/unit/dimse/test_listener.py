"""Accepting: within limits, on one address, until told to stop."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from ingestion.dimse.listener import (
    REFUSALS_PER_PEER_MAX,
    Door,
    Listener,
    ListenerLimits,
    open_listening_socket,
)
from ingestion.dimse.protocol.data_path import prepare_connection
from ingestion.dimse.protocol.upper_layer import Rejection
from ingestion.errors import Misconfigured
from tests.eventually import eventually


class Held:
    """A connection that is served until it is closed by the peer or stopped."""

    def __init__(self, connection: socket.socket, turned_away: Rejection | None) -> None:
        prepare_connection(connection, timeout_seconds=60)
        self.connection = connection
        self.turned_away = turned_away
        self.was_stopped = False

    def run(self) -> None:
        try:
            while self.connection.recv(100):
                pass
        except OSError:
            pass
        self.connection.close()

    def stop(self) -> None:
        self.was_stopped = True
        self.connection.shutdown(socket.SHUT_RD)


class House:
    """A listener on two free ports, and what it serves."""

    def __init__(self, limits: ListenerLimits) -> None:
        listening = [open_listening_socket("127.0.0.1", 0) for _ in range(2)]
        self.ports = [one.getsockname()[1] for one in listening]
        self.port = self.ports[0]
        self.held: list[Held] = []
        doors = [Door(one, self._serve) for one in listening]
        self.listener = Listener(doors, limits=limits)
        self.listener.start()

    def _serve(self, connection: socket.socket, peer: str, turned_away: Rejection | None) -> Held:
        assert peer == "127.0.0.1"
        self.held.append(Held(connection, turned_away))
        return self.held[-1]

    def connect(self, door: int = 0) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.ports[door]), timeout=60)


Open = Callable[..., House]


@pytest.fixture
def open_house() -> Iterator[Open]:
    houses: list[House] = []

    def open_one(associations_max: int = 10, associations_per_peer_max: int = 10) -> House:
        houses.append(House(ListenerLimits(associations_max, associations_per_peer_max)))
        return houses[-1]

    yield open_one
    for house in houses:
        house.listener.stop(drain_seconds=0)
        assert house.listener.count() == 0


@pytest.mark.parametrize("limits", [(2, 10), (10, 2)], ids=["process", "peer"])
def test_above_the_limit_is_turned_away(open_house: Open, limits: tuple[int, int]) -> None:
    house = open_house(*limits)
    connections = []
    for door in (0, 1, 0):  # one limit for both
        connections.append(house.connect(door))
        eventually(lambda: len(house.held) == len(connections))
    refusals = [held.turned_away for held in house.held]
    assert refusals == [None, None, Rejection.LOCAL_LIMIT_EXCEEDED]
    for connection in connections:
        connection.close()
    eventually(lambda: house.listener.count() == 0)
    with house.connect():
        eventually(lambda: len(house.held) == 4)
        assert house.held[3].turned_away is None


def test_burst_above_the_limit_is_turned_away_too(open_house: Open) -> None:
    """A tool that sends over a hundred associations at once learns that it is too many."""
    house = open_house(200, 64)
    connections = [house.connect() for _ in range(100)]
    eventually(lambda: len(house.held) == 100)
    told = [held.turned_away for held in house.held]
    assert told == [None] * 64 + [Rejection.LOCAL_LIMIT_EXCEEDED] * 36
    for connection in connections:
        connection.close()


def test_hostile_number_of_connections_is_closed_without_a_thread(open_house: Open) -> None:
    house = open_house(100, 1)
    connections = [house.connect() for _ in range(1 + REFUSALS_PER_PEER_MAX + 3)]
    assert [c.recv(1) for c in connections[-3:]] == [b""] * 3
    assert house.listener.count() == 1 + REFUSALS_PER_PEER_MAX
    for connection in connections:
        connection.close()


def test_stop_lets_connections_finish(open_house: Open) -> None:
    house = open_house()
    connection = house.connect()
    eventually(lambda: house.listener.count() == 1)
    stopping = threading.Thread(target=house.listener.stop, kwargs={"drain_seconds": 60})
    stopping.start()
    eventually(lambda: all(_is_refused(port) for port in house.ports))
    assert stopping.is_alive()
    connection.close()
    stopping.join(60)
    assert not stopping.is_alive()
    assert not house.held[0].was_stopped


def test_stop_ends_what_does_not_finish_in_time(open_house: Open) -> None:
    house = open_house()
    with house.connect():
        eventually(lambda: house.listener.count() == 1)
        house.listener.stop(drain_seconds=0.05)
        assert house.held[0].was_stopped


def _is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=60).close()
    except ConnectionError:
        return True
    return False


def test_taken_port_is_a_clear_error() -> None:
    with open_listening_socket("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Misconfigured, match=f"127.0.0.1:{port}: Address already in use"):
            open_listening_socket("127.0.0.1", port)


@pytest.mark.parametrize("host", ["203.0.113.1", "no such host.invalid"])
def test_address_that_is_not_ours_is_a_clear_error(host: str) -> None:
    with pytest.raises(Misconfigured, match="DIMSE cannot listen on"):
        open_listening_socket(host, 0)


def test_only_the_configured_address_is_bound() -> None:
    with open_listening_socket("127.0.0.2", 0) as listening:
        assert listening.getsockname()[0] == "127.0.0.2"
        assert _is_refused(listening.getsockname()[1])
