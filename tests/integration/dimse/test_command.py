"""`manage.py dimse` as a process: start, drain, survive, and say clearly what is wrong."""

import os
import signal
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.conf import settings

from ingestion.models import Receipt, StorageSpace
from ingestion.use_cases.storage_spaces import open_space_store
from tests.builders import build_ct, data_set_bytes
from tests.eventually import eventually
from tests.free_ports import free_port
from tests.integration.dimse.conftest import store
from tests.integration.dimse.dimse_command import database_url, start
from tests.scripted_peer import (
    ABORT,
    ASSOCIATE_RJ,
    RELEASE_RP,
    echo_command,
    p_data,
    pdv,
    store_command,
)
from tests.tcp_forwarder import TcpForwarder


@pytest.mark.parametrize("data_path", ["fast", "stock"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_signal_lets_an_association_finish(
    commands: ExitStack, tmp_path: Path, number: signal.Signals, data_path: str
) -> None:
    command = start(commands, tmp_path, INGESTION_DIMSE_DATA_PATH=data_path)
    peer = command.associated()
    dataset = build_ct()
    data_set = data_set_bytes(dataset)
    peer.send(p_data(pdv(3, store_command(dataset.SOPInstanceUID), command=True)))
    peer.send(p_data(pdv(3, data_set[:100], last=False)))
    command.process.send_signal(number)
    eventually(lambda: _is_refused(command.port))
    peer.send(p_data(pdv(3, data_set[100:])))
    assert peer.read_response().status == 0
    assert peer.release().kind == RELEASE_RP
    peer.connection.close()
    assert command.process.wait(60) == 0
    assert Receipt.objects.get().sop_instance_uid == dataset.SOPInstanceUID
    assert "Traceback" not in command.log.read_text()


def test_leftovers_of_killed_processes_go_at_the_start(
    commands: ExitStack, tmp_path: Path, space: StorageSpace
) -> None:
    stale = open_space_store(space).spool_folder() / ".incoming-stale"
    stale.touch()
    os.utime(stale, (0, 0))
    command = start(commands, tmp_path)
    command.associated().connection.close()
    assert not stale.exists()
    assert command.stop() == 0


def test_association_that_does_not_finish_is_aborted(commands: ExitStack, tmp_path: Path) -> None:
    command = start(commands, tmp_path, INGESTION_DIMSE_DRAIN_SECONDS="0.2")
    peer = command.associated()
    command.process.terminate()
    assert peer.read_pdu().kind == ABORT
    peer.connection.close()
    assert command.process.wait(60) == 0


def test_connections_are_shared_by_the_processes(commands: ExitStack, tmp_path: Path) -> None:
    command = start(commands, tmp_path, INGESTION_DIMSE_PROCESSES="2")
    with ExitStack() as peers:
        for _ in range(8):
            peer = peers.enter_context(command.associated())
            assert store(peer, build_ct()).status == 0
        counts = [len(_associations_of(child, command.port)) for child in command.children()]
        assert sum(counts) == 8
        assert min(counts) >= 2, counts  # they take turns, once both have started
    assert command.stop() == 0


def test_killed_process_is_replaced_and_the_port_stays(commands: ExitStack, tmp_path: Path) -> None:
    command = start(commands, tmp_path, INGESTION_DIMSE_PROCESSES="2")
    command.associated().connection.close()
    first = eventually(lambda: command.children() if len(command.children()) == 2 else None)
    os.kill(first[0], signal.SIGKILL)
    eventually(lambda: first[0] not in command.children())
    for _ in range(4):  # the other process answers all the while
        with command.associated() as peer:
            assert peer.request(1, echo_command()).status == 0
    eventually(lambda: len(command.children()) == 2 and first[0] not in command.children())
    assert command.stop() == 0


def test_taken_port_is_a_clear_error(commands: ExitStack, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = start(commands, tmp_path, INGESTION_DIMSE_PORT=port)
        assert command.process.wait(60) == 1
    log = command.log.read_text()
    assert f"127.0.0.1:{port}: Address already in use" in log
    assert "Traceback" not in log


def test_without_database_peers_are_asked_to_come_back(commands: ExitStack, tmp_path: Path) -> None:
    url = database_url(PORT=free_port())
    command = start(commands, tmp_path, INGESTION_DATABASE_URL=url)
    with command.connect() as peer:
        answer = peer.associate()
        assert (answer.kind, tuple(answer.body[1:])) == (ASSOCIATE_RJ, (2, 3, 1))
    assert command.stop() == 0
    assert "Traceback" not in command.log.read_text()


@pytest.mark.parametrize("data_path", ["fast", "stock"])
def test_nothing_is_acknowledged_while_the_database_is_away(
    commands: ExitStack, tmp_path: Path, data_path: str
) -> None:
    database = settings.DATABASES["default"]
    way = TcpForwarder(str(database["HOST"]), int(str(database["PORT"])))
    commands.callback(way.cut)
    url = database_url(HOST="127.0.0.1", PORT=way.port)
    command = start(
        commands,
        tmp_path,
        INGESTION_DATABASE_URL=url,
        INGESTION_DIMSE_DATA_PATH=data_path,
        INGESTION_DIMSE_PROCESSES="1",
    )
    first, second = build_ct(), build_ct()
    with command.associated() as peer:
        assert store(peer, first).status == 0
        way.cut()
        refused = store(peer, second)
        assert refused.status >> 8 == 0xA7  # out of resources: the sender may try again
        assert Receipt.objects.count() == 1
        way.restore()
        assert store(peer, second).status == 0
    assert Receipt.objects.count() == 2
    assert command.stop() == 0
    assert "Traceback" not in command.log.read_text()


def test_database_that_hangs_is_one_that_is_away(commands: ExitStack, tmp_path: Path) -> None:
    database = settings.DATABASES["default"]
    way = TcpForwarder(str(database["HOST"]), int(str(database["PORT"])))
    commands.callback(way.cut)
    command = start(
        commands,
        tmp_path,
        INGESTION_DATABASE_URL=database_url(HOST="127.0.0.1", PORT=way.port),
        INGESTION_DATABASE_STATEMENT_SECONDS_MAX="1",
        INGESTION_DIMSE_PROCESSES="1",
    )
    first, second = build_ct(), build_ct()
    with command.associated() as peer:
        assert store(peer, first).status == 0
        way.fall_silent()
        peer.connection.settimeout(60)
        assert store(peer, second).status >> 8 == 0xA7  # the sender may try again
        with command.connect() as other:
            other.connection.settimeout(60)
            answer = other.associate()
            assert (answer.kind, tuple(answer.body[1:])) == (ASSOCIATE_RJ, (2, 3, 1))
        way.speak()
        assert store(peer, second).status == 0
    held = set(Receipt.objects.values_list("sop_instance_uid", flat=True))
    assert held == {first.SOPInstanceUID, second.SOPInstanceUID}
    assert command.stop() == 0
    assert "Traceback" not in command.log.read_text()


def _associations_of(process_id: int, port: int) -> set[str]:
    """Inodes of the established connections to this port that the process holds (proc(5))."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    established = {
        fields[9]
        for fields in (line.split() for line in lines)
        if fields[1].endswith(f":{port:04X}") and fields[3] == "01"
    }
    held = {
        str(link.readlink()).removeprefix("socket:[").removesuffix("]")
        for link in Path(f"/proc/{process_id}/fd").iterdir()
    }
    return established & held


def _is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=60).close()
    except ConnectionError:
        return True
    return False
