"""Holds the way of an instance at a named point, so that a kill comes exactly there.

A point is a table that the next step must write: while the test holds it, whoever comes to it
waits, which the database itself can tell. No test hook is in the product.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
from pydicom.dataset import Dataset

from ingestion.embedded.postgres import postgres_url
from tests.builders import build_ct, data_set_bytes, new_uid
from tests.end_to_end.conftest import ROOT, Run
from tests.eventually import eventually
from tests.scripted_peer import ASSOCIATE_AC, ConnectionEnded, ScriptedPeer, store_command

RECOVERY_SECONDS = 180
CT_CONTEXT = 3  # of the scripted peer's usual proposal

RECEIPT_COMMIT = "ingestion_receipt"
REGISTRATION = "ingestion_event"
FAN_OUT = "bindings_delivery"

DIMSE, WORKER, WEB, POSTGRES, VALKEY = (
    "manage.py\0dimse",
    "\0worker\0",
    "gunicorn",
    "postgres",
    ("valkey-server"),
)


@dataclass(slots=True)
class Victim:
    """A running product whose processes may be killed, and what it acknowledged."""

    run: Run
    acknowledged: dict[str, Dataset] = field(default_factory=dict)

    def kill(self, words: str) -> None:
        """SIGKILL every process of the product whose command line has the words."""
        assert self.kill_if_running(words), f"nothing runs {words!r}"

    def kill_if_running(self, words: str) -> bool:
        """The same, though some may have fallen with their parents. Whether one ran."""
        pids = [pid for pid, line in self._commands() if words in line]
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        return bool(pids)

    def _commands(self) -> list[tuple[int, str]]:
        """Pid and command line of the product's processes and of the servers below its folder."""
        marked = {mark.pid for mark in self.run.children()}
        ports = json.loads((self.run.state / "ports.json").read_text())
        ours = (f"{self.run.state.resolve()}/", f"valkey-server 127.0.0.1:{ports['valkey']}")
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                line = "\0" + folder.joinpath("cmdline").read_text()
            except OSError:
                continue
            if int(folder.name) in marked or any(words in line for words in ours):
                found.append((int(folder.name), line))
        return found

    def connect(self) -> Any:
        """A connection of the test's own to the product's database."""
        ports = json.loads((self.run.state / "ports.json").read_text())
        return psycopg2.connect(
            postgres_url(self.run.state / "postgres", port=ports["postgres"]), connect_timeout=5
        )

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a query; none while the database is away."""
        try:
            connection = self.connect()
        except psycopg2.OperationalError:
            return []
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement, values)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()

    @contextmanager
    def held(self, table: str) -> Iterator[None]:
        """Let nobody write the table."""
        connection = self.connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"LOCK TABLE {table} IN SHARE MODE")
                yield
        finally:
            connection.close()

    def wait_for_somebody_at(self, table: str) -> None:
        """Return when a process has come to the point and waits."""
        query = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = %s::regclass"
        eventually(lambda: self.rows(query, table), within_seconds=RECOVERY_SECONDS)

    def manage(self, *words: str) -> str:
        """Run a management command that joins the run."""
        theirs = {n: v for n, v in os.environ.items() if not n.startswith("INGESTION_")}
        return subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env={**theirs, "INGESTION_STATE_FOLDER": str(self.run.state)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    def subscribe(self, url: str) -> str:
        """Register a webhook for instances and revisions of all spaces. Its signing secret."""
        return self.manage(
            "shell",
            "--no-imports",
            "-c",
            "from bindings.models import Subscription\n"
            "from bindings.signing_secrets import new_signing_secret\n"
            f"made = Subscription.objects.create(name={new_uid()!r}, url={url!r},"
            " timeout_seconds=20, all_spaces=True, signing_secret=new_signing_secret(),"
            " event_types=['DicomAvailableEvent', 'StudyRevisionEvent'])\n"
            "print(made.signing_secret)",
        ).strip()

    def send(self, dataset: Dataset) -> int | None:
        """C-STORE one instance. Its status, or None when no answer came."""
        dimse = json.loads((self.run.state / "endpoints.json").read_text())["dimse"]
        uid = dataset.SOPInstanceUID
        try:
            with ScriptedPeer.connect(dimse["host"], dimse["port"]) as peer:
                if peer.associate(called=dimse["ae_title"]).kind != ASSOCIATE_AC:
                    return None
                status = peer.request(
                    CT_CONTEXT, store_command(sop_instance_uid=uid), data_set_bytes(dataset)
                ).status
        except (ConnectionEnded, OSError):
            return None
        if status == 0x0000:
            self.acknowledged[uid] = dataset
        return status

    def send_until_acknowledged(self, dataset: Dataset) -> None:
        """Send as a modality does: again, until it is told success."""
        eventually(
            lambda: self.send(dataset) == 0x0000,
            within_seconds=RECOVERY_SECONDS,
            every_seconds=0.2,
        )

    @contextmanager
    def sending(self, dataset: Dataset) -> Iterator[list[int | None]]:
        """Send in a thread; the list holds the status once the context is left."""
        statuses: list[int | None] = []
        thread = threading.Thread(target=lambda: statuses.append(self.send(dataset)))
        thread.start()
        try:
            yield statuses
        finally:
            thread.join(RECOVERY_SECONDS)

    def assert_nothing_acknowledged_is_lost(self) -> None:
        """Each acknowledged instance is in the manifest exactly once, with its bytes and event."""
        for sop_uid in self.acknowledged:
            eventually(
                lambda uid=sop_uid: self._instances(uid),  # type: ignore[misc]
                within_seconds=RECOVERY_SECONDS,
            )
            ((location, offset, digest),) = self._instances(sop_uid)
            stored = (self.run.state / "objects" / location).read_bytes()
            assert hashlib.sha256(stored[offset:]).digest() == bytes(digest)
            events = self.rows(
                "SELECT data->>'change' FROM ingestion_event WHERE sop_instance_uid = %s", sop_uid
            )
            assert events == [("addition",)]
        pending = "SELECT 1 FROM ingestion_receipt WHERE outcome = 'pending'"
        eventually(lambda: not self.rows(pending), within_seconds=RECOVERY_SECONDS)

    def _instances(self, sop_uid: str) -> list[tuple[Any, ...]]:
        return self.rows(
            "SELECT location, data_set_offset, data_set_sha256 FROM ingestion_instance"
            " WHERE sop_instance_uid = %s AND deleted_at IS NULL",
            sop_uid,
        )


def new_instance() -> Dataset:
    """A small CT image of a study of its own."""
    return build_ct()
