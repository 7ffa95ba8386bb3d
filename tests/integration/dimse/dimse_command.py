"""`manage.py dimse` as a process of its own, with the test's database."""

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from django.conf import settings

from tests.eventually import eventually
from tests.free_ports import free_port
from tests.scripted_peer import ASSOCIATE_AC, ScriptedPeer

MANAGE = Path(__file__).parents[3] / "manage.py"


def database_url(**changes: Any) -> str:
    fields = settings.DATABASES["default"] | changes
    return "postgresql://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format(**fields)


class Command:
    """The command, with the test's database unless told otherwise."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.port = free_port()
        self.log = folder / "log"
        variables = {
            "INGESTION_DATABASE_URL": database_url(),
            "INGESTION_DIMSE_PORT": str(self.port),
            "INGESTION_DIMSE_DRAIN_SECONDS": "10",
            "INGESTION_SPOOL_FREE_BYTES_MIN": "0",
            "INGESTION_LOG_FORMAT": "json",
            "INGESTION_STATE_FOLDER": str(folder),
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(MANAGE), "dimse"],
                env=os.environ | variables | environment,
                stdout=log,
                stderr=log,
            )

    def connect(self) -> ScriptedPeer:
        def attempt() -> ScriptedPeer | None:
            try:
                return ScriptedPeer.connect("127.0.0.1", self.port)
            except ConnectionError:
                assert self.process.poll() is None, self.log.read_text()
                return None

        return eventually(attempt, within_seconds=60)

    def associated(self) -> ScriptedPeer:
        peer = self.connect()
        assert peer.associate().kind == ASSOCIATE_AC
        return peer

    def children(self) -> list[int]:
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(child) for child in path.read_text().split()]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


def start(commands: ExitStack, folder: Path, **environment: str) -> Command:
    command = Command(folder, **environment)

    def end() -> None:
        command.process.kill()
        command.process.wait(60)

    commands.callback(end)
    return command
