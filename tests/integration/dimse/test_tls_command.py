"""`manage.py dimse` with TLS: instead of the plain port, in several processes, or a clear error."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from ingestion.dimse.security.tls import CallingFiles
from tests.eventually import eventually
from tests.free_ports import free_port
from tests.integration.dimse.dimse_command import Command, start
from tests.scripted_peer import ASSOCIATE_AC, ScriptedPeer, echo_command
from tests.unit.dimse.certificates import Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path / "tls")


def test_tls_alone(commands: ExitStack, tmp_path: Path, authority: Authority) -> None:
    port = free_port()
    command = start(
        commands,
        tmp_path,
        INGESTION_DIMSE_PORT="0",
        INGESTION_DIMSE_TLS_PORT=str(port),
        INGESTION_DIMSE_TLS_CERTIFICATE=str(authority.issue("ours")),
        INGESTION_DIMSE_PROCESSES="2",
    )
    context = CallingFiles(authority.file).build()

    def call() -> ScriptedPeer | None:
        try:
            peer = ScriptedPeer.connect("127.0.0.1", port)
        except ConnectionError:
            assert command.process.poll() is None, command.log.read_text()
            return None
        secured = context.wrap_socket(peer.connection, server_hostname="127.0.0.1")
        return ScriptedPeer(secured)

    for _ in range(4):
        with eventually(call, within_seconds=60) as peer:
            assert peer.associate().kind == ASSOCIATE_AC
            assert peer.request(1, echo_command()).status == 0
    assert command.stop() == 0
    assert "Traceback" not in command.log.read_text()


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"INGESTION_DIMSE_PORT": "0"}, "neither INGESTION_DIMSE_PORT nor"),
        ({"INGESTION_DIMSE_TLS_PORT": "2762"}, "needs INGESTION_DIMSE_TLS_CERTIFICATE"),
        (
            {
                "INGESTION_DIMSE_TLS_PORT": "2762",
                "INGESTION_DIMSE_TLS_CERTIFICATE": "/missing.pem",
            },
            "/missing.pem: [Errno 2] No such file or directory",
        ),
        ({"INGESTION_DIMSE_JWT_KEYS": "/missing.pem"}, "needs INGESTION_DIMSE_JWT_ISSUER"),
        ({"INGESTION_DIMSE_JWT_ALGORITHMS": "HS256"}, "INGESTION_DIMSE_JWT_ALGORITHMS"),
    ],
    ids=["no port", "no certificate", "missing file", "any issuer", "shared secret"],
)
def test_what_cannot_work_is_a_clear_error(
    commands: ExitStack,
    tmp_path: Path,
    environment: dict[str, str],
    reason: str,
) -> None:
    command: Command = start(commands, tmp_path, **environment)
    assert command.process.wait(60) == 1
    assert reason in command.log.read_text()
