"""Ports of the embedded run."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestion.embedded.ports import CHOICE, LOOPBACK, accepts, choose_port, is_free, keep_ports


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port on which somebody else listens."""
    with socket.create_server((LOOPBACK, choose_port())) as server:
        yield server.getsockname()[1]


def test_a_port_somebody_listens_on_is_not_free(taken_port: int) -> None:
    assert not is_free(taken_port)
    assert accepts(taken_port)


def test_a_port_taken_on_every_address_is_not_free() -> None:
    with socket.create_server(("", choose_port())) as server:
        assert not is_free(server.getsockname()[1])


def test_the_preferred_port_is_chosen_when_free() -> None:
    free = choose_port()
    assert choose_port(free) == free


def test_a_taken_preferred_port_gives_another_below_the_ephemeral_range(taken_port: int) -> None:
    port = choose_port(taken_port)
    assert port != taken_port
    assert port in CHOICE
    assert CHOICE.stop <= 32768


def test_ports_are_kept_from_one_start_to_the_next(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    first = keep_ports(file, preferred={"web": choose_port(), "dimse": choose_port()})
    again = keep_ports(file, preferred={"web": 1, "dimse": 2})
    assert again == first


def test_a_kept_port_that_is_taken_now_is_given_up(tmp_path: Path, taken_port: int) -> None:
    file = tmp_path / "ports.json"
    file.write_text(json.dumps({"web": taken_port}))
    assert keep_ports(file, preferred={"web": taken_port})["web"] != taken_port


def test_two_names_never_share_a_port(tmp_path: Path) -> None:
    wish = choose_port()
    ports = keep_ports(tmp_path / "ports.json", preferred={"web": wish, "flower": wish})
    assert len(set(ports.values())) == 2
