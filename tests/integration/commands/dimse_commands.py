"""Runs the DIMSE commands as operators do, in this process."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from ingestion.dimse.database_use import close_idle_connections
from ingestion.models import Receipt
from ingestion.use_cases.register_receipts import register_pending_receipts
from tests.builders import build_ct, part10_bytes


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it told."""

    status: int
    told: str
    error: str


def run(capsys: pytest.CaptureFixture[str], command: str, *words: Any) -> Ended:
    """Run it; what it tells before is thrown away."""
    capsys.readouterr()
    status, error = 0, ""
    try:
        call_command(command, *map(str, words))
    except SystemExit as end:
        status = int(end.code or 0)
    except CommandError as end:
        status, error = end.returncode, str(end)
    close_idle_connections()  # as the end of a process does
    printed = capsys.readouterr()
    return Ended(status, printed.out, error + printed.err)


def write_files(folder: Path, count: int, **fields: Any) -> list[str]:
    """So many CT images of a study; their SOP Instance UIDs."""
    folder.mkdir(exist_ok=True)
    uids = []
    for number in range(count):
        dataset = build_ct(**fields)
        uids.append(str(dataset.SOPInstanceUID))
        (folder / f"{number}.dcm").write_bytes(part10_bytes(dataset))
    return uids


def received() -> set[str]:
    """The SOP Instance UIDs of what was received."""
    return set(Receipt.objects.values_list("sop_instance_uid", flat=True))


def register() -> None:
    while register_pending_receipts():
        pass
