"""A folder comes in: whatever its files are called, again and again, told file by file."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pydicom.uid import MediaStorageDirectoryStorage

from ingestion.models import DuplicatePolicy, Instance, Outcome, Receipt, SenderKind, StorageSpace
from tests.builders import build_ct, new_uid, part10_bytes
from tests.eventually import eventually
from tests.receipts import make_space

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def space(tmp_path: Path) -> StorageSpace:
    return make_space("default", backend="filesystem", options={"root": str(tmp_path / "objects")})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two studies, files of any name, in folders of any name."""
    folder = tmp_path / "to import"
    for n, name in enumerate(
        ("IM0001", "deep/er/image.dcm", "deep/é ü", "deep/no.extension.at.all")
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(part10_bytes(build_ct(sop_instance_uid=f"1.2.{n + 1}")))
    return folder


def run(path: Path, *arguments: str, report: Path | None = None) -> int:
    """The exit status of the command."""
    options: list[Any] = ["--report", str(report)] if report else []
    try:
        call_command("store_folder", str(path), *arguments, *options)
    except SystemExit as error:
        return int(error.code or 0)
    except CommandError as error:
        return error.returncode
    return 0


def test_every_file_is_stored_and_registered(space: StorageSpace, folder: Path) -> None:
    assert run(folder) == 0
    assert Instance.objects.count() == 4
    receipts = Receipt.objects.all()
    assert {receipt.outcome for receipt in receipts} == {Outcome.REGISTERED}
    assert {receipt.sender_kind for receipt in receipts} == {SenderKind.FOLDER}
    assert len({receipt.conversation_id for receipt in receipts}) == 1


def test_one_file_can_be_named(space: StorageSpace, folder: Path) -> None:
    assert run(folder / "IM0001") == 0
    assert Instance.objects.get().sop_instance_uid == "1.2.1"


def test_second_run_stores_nothing_again(
    space: StorageSpace, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(folder)
    capsys.readouterr()
    assert run(folder) == 0
    assert Receipt.objects.count() == 4
    assert "duplicate" in capsys.readouterr().out


def test_other_bytes_under_a_known_uid_are_stored(space: StorageSpace, folder: Path) -> None:
    run(folder)
    other = build_ct(sop_instance_uid="1.2.1", patient_name="Roe^Other")
    known = Instance.objects.get(sop_instance_uid="1.2.1")
    other.StudyInstanceUID = known.series.study.study_instance_uid
    other.SeriesInstanceUID = known.series.series_instance_uid
    (folder / "IM0001").write_bytes(part10_bytes(other))
    assert run(folder) == 0
    assert Receipt.objects.filter(outcome=Outcome.MODIFIED).count() == 1


def test_kept_first_is_a_refusal(space: StorageSpace, folder: Path, tmp_path: Path) -> None:
    StorageSpace.objects.update(duplicate_policy=DuplicatePolicy.KEEP_FIRST)
    test_every_file_is_stored_and_registered(space, folder)
    known = Instance.objects.get(sop_instance_uid="1.2.1")
    other = build_ct(
        sop_instance_uid="1.2.1",
        study_instance_uid=known.series.study.study_instance_uid,
        series_instance_uid=known.series.series_instance_uid,
        patient_name="Roe^Other",
    )
    (folder / "IM0001").write_bytes(part10_bytes(other))
    assert run(folder, report=tmp_path / "report.tsv") == 1
    assert "the first were kept" in (tmp_path / "report.tsv").read_text()


def test_what_is_no_dicom_is_skipped(space: StorageSpace, folder: Path, tmp_path: Path) -> None:
    (folder / "empty").touch()
    (folder / "notes.txt").write_text("The patient liked the room. " * 50)
    (folder / "short.txt").write_text("short")
    directory = build_ct()
    directory.SOPClassUID = MediaStorageDirectoryStorage
    directory.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    (folder / "DICOMDIR").write_bytes(part10_bytes(directory))
    os.mkfifo(folder / "pipe")
    report = tmp_path / "report.tsv"
    assert run(folder, report=report) == 0
    lines = sorted(line.split("\t") for line in report.read_text().splitlines())
    assert [(result, reason, Path(path).name) for result, reason, _, path in lines] == [
        ("skipped", "DICOMDIR", "DICOMDIR"),
        ("skipped", "not DICOM", "empty"),
        ("skipped", "not DICOM", "notes.txt"),
        ("skipped", "not DICOM", "short.txt"),
    ]
    assert stat.S_IMODE(report.stat().st_mode) == 0o600


def test_broken_dicom_is_refused_and_its_neighbours_are_stored(
    space: StorageSpace, folder: Path, tmp_path: Path
) -> None:
    whole = part10_bytes(build_ct())
    (folder / "deep" / "cut").write_bytes(whole[:-20])
    (folder / "no identifier").write_bytes(part10_bytes(build_ct(extra=[(0x0020000D, "UI", None)])))
    report = tmp_path / "report.tsv"
    assert run(folder, report=report) == 1
    assert Instance.objects.count() == 4
    reasons = {line.split("\t")[1] for line in report.read_text().splitlines()}
    assert reasons == {"truncated-data-set", "missing-identifier"}


def test_file_that_cannot_be_recorded_is_refused_alone(
    space: StorageSpace, folder: Path, tmp_path: Path
) -> None:
    (folder / "unrecordable").write_bytes(part10_bytes(build_ct(patient_name="Refused^By")))
    with connection.cursor() as cursor:
        cursor.execute(REFUSE_BY_NAME)
    report = tmp_path / "report.tsv"
    try:
        assert run(folder, report=report) == 1
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION refuse_by_name CASCADE")
    assert Instance.objects.count() == 4
    (line,) = report.read_text().splitlines()
    assert line.split("\t")[1] == "malformed-data-set"


# As PostgreSQL does with a value that its type cannot hold.
REFUSE_BY_NAME = """
CREATE FUNCTION refuse_by_name() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'no such text' USING ERRCODE = 'untranslatable_character'; END $$;
CREATE TRIGGER refuse_by_name BEFORE INSERT ON ingestion_receipt
    FOR EACH ROW WHEN (NEW.patient_name = 'Refused^By') EXECUTE FUNCTION refuse_by_name()
"""


@pytest.mark.parametrize(
    "arguments", [["--space", "nowhere"], ["--jobs", "0"]], ids=["space", "jobs"]
)
def test_what_cannot_work_says_so(space: StorageSpace, folder: Path, arguments: list[str]) -> None:
    assert run(folder, *arguments) == 2


def test_missing_folder_cannot_work(space: StorageSpace, tmp_path: Path) -> None:
    assert run(tmp_path / "nothing here") == 2


def test_closed_space_cannot_work(space: StorageSpace, folder: Path) -> None:
    StorageSpace.objects.update(accepts_new_objects=False)
    assert run(folder) == 2
    assert not Receipt.objects.exists()


def test_interrupted_import_goes_on_where_it_was(space: StorageSpace, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    study, series = new_uid(), new_uid()
    for n in range(400):
        image = build_ct(study_instance_uid=study, series_instance_uid=series)
        (folder / f"{n:04}").write_bytes(part10_bytes(image))
    process = subprocess.Popen(
        [sys.executable, "manage.py", "store_folder", str(folder)],
        cwd=ROOT,
        env=command_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    eventually(Receipt.objects.exists, within_seconds=60)
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=60)[0].decode()
    assert process.returncode in (130, 0), output  # 0: it was faster than the signal
    assert Instance.objects.count() == Receipt.objects.count()
    assert run(folder) == 0
    assert Instance.objects.count() == Receipt.objects.count() == 400


def command_environment() -> dict[str, str]:
    """The environment of this process, with the tests' own database."""
    from django.conf import settings  # the name is known only while tests run

    url = os.environ["INGESTION_DATABASE_URL"]
    name = settings.DATABASES["default"]["NAME"]
    return {**os.environ, "INGESTION_DATABASE_URL": f"{url.rpartition('/')[0]}/{name}"}
