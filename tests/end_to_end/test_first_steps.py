"""What the README says, done: a folder is imported, found, and its study told to a receiver."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ingestion.embedded.ports import accepts, choose_port
from tests.builders import build_ct, new_uid, part10_bytes
from tests.end_to_end.conftest import ROOT, Run
from tests.end_to_end.killing import Victim
from tests.eventually import eventually

pytestmark = pytest.mark.timeout(900)


@contextmanager
def documented_receiver(port: int, secret: str, output: Path) -> Iterator[None]:
    """The receiver of docs/examples, as a person starts it."""
    with (
        output.open("wb") as printed,
        subprocess.Popen(
            [sys.executable, ROOT / "docs" / "examples" / "webhook_receiver.py"],
            env={**os.environ, "SIGNING_SECRET": secret, "PORT": str(port)},
            stdout=printed,
            stderr=subprocess.DEVNULL,
        ) as process,
    ):
        try:
            eventually(lambda: accepts(port))
            yield
        finally:
            process.terminate()


def test_a_folder_is_imported_found_and_told(product: Run, tmp_path: Path) -> None:
    product.start()
    endpoints = product.endpoints()
    site = Victim(product)
    quiet = "StorageSpace.objects.update(quiet_seconds=1)"
    site.manage("shell", "--no-imports", "-c", f"from ingestion.models import *; {quiet}")
    study = new_uid()
    folder = tmp_path / "to import"
    folder.mkdir()
    for number in range(5):
        content = part10_bytes(build_ct(study_instance_uid=study, series_instance_uid="1.2.3"))
        (folder / f"{number}").write_bytes(content)
    port, output = choose_port(), tmp_path / "printed"
    secret = site.subscribe(f"http://127.0.0.1:{port}/")

    with documented_receiver(port, secret, output):
        assert "5" in site.manage("store_folder", str(folder))
        revision = f"StudyRevisionEvent study {study} {{'additions': ["
        eventually(lambda: revision in output.read_text(), within_seconds=60)
        instance = f"DicomAvailableEvent study {study}"
        eventually(lambda: output.read_text().count(instance) == 5, within_seconds=60)

    request = urllib.request.Request(
        f"{endpoints['dicomweb']}/studies?StudyInstanceUID={study}",
        headers={"Authorization": f"Bearer {endpoints['token']}"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        (found,) = json.loads(answer.read())
    assert found["00201208"]["Value"] == [5]
    assert product.send(signal.SIGINT) == 0
    assert "Traceback" not in product.log.read_text()
