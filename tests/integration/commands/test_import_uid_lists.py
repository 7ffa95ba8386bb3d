"""The original's lists of SOP Classes and transfer syntaxes are taken over, told and repeated."""

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from ingestion.models import LocalApplicationEntity, RemoteApplicationEntity
from tests.receipts import make_space

pytestmark = pytest.mark.django_db

CT, MR, SECRET = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.3.4"
EXPLICIT = "1.2.840.10008.1.2.1"


@pytest.fixture
def entity() -> LocalApplicationEntity:
    return LocalApplicationEntity.objects.create(ae_title="INGEST", storage_space=make_space())


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    path = tmp_path / "IMAGE_CUIDS"
    path.write_text(f"# images\n\nCTImageStorage:{CT}\nSecret:{SECRET}\n{CT}\n")
    return path


def run(*arguments: object) -> str:
    out = io.StringIO()
    call_command("import_uid_lists", *(str(argument) for argument in arguments), stdout=out)
    return out.getvalue()


def test_lists_are_taken_over_and_told(
    entity: LocalApplicationEntity, classes: Path, tmp_path: Path
) -> None:
    syntaxes = tmp_path / "IMAGE_TSUIDS"
    syntaxes.write_text(f"Explicit:{EXPLICIT}\n")
    told = run("INGEST", "--sop-classes", classes, "--transfer-syntaxes", syntaxes)
    entity.refresh_from_db()
    assert entity.sop_class_uids == [CT, SECRET]
    assert entity.transfer_syntax_uids == [EXPLICIT]
    assert "SOP Class: everything that is supported was allowed until now" in told
    assert "CT Image Storage" in told
    assert "not known to the Standard" in told
    assert "INGEST: 3 changed" in told


def test_repeat_changes_nothing(entity: LocalApplicationEntity, classes: Path) -> None:
    run("INGEST", "--sop-classes", classes)
    assert run("INGEST", "--sop-classes", classes) == "INGEST: 0 changed\n"


def test_dry_run_tells_and_changes_nothing(entity: LocalApplicationEntity, classes: Path) -> None:
    entity.sop_class_uids = [CT, MR]
    entity.save()
    told = run("INGEST", "--sop-classes", classes, "--dry-run")
    assert "INGEST: 2 would change" in told
    assert [line.split("│")[1:4] for line in told.splitlines() if "│" in line] == [
        [" + ", " SOP Class ", f" {SECRET}".ljust(27)],
        [" - ", " SOP Class ", f" {MR} "],
    ]
    entity.refresh_from_db()
    assert entity.sop_class_uids == [CT, MR]


def test_peer_is_restricted_too(classes: Path) -> None:
    peer = RemoteApplicationEntity.objects.create(ae_title="CT1")
    run("CT1", "--remote", "--sop-classes", classes)
    peer.refresh_from_db()
    assert peer.sop_class_uids == [CT, SECRET]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("CT:1.2.\nMR:abc\n", "line 1 has no valid UID; line 2 has no valid UID"),
        (f"Explicit:{EXPLICIT}\n", "line 1: Explicit VR Little Endian is no SOP Class"),
        ("# nothing\n", "an empty list would allow all of them"),
    ],
)
def test_mistakes_are_named_and_nothing_changes(
    entity: LocalApplicationEntity, classes: Path, text: str, reason: str
) -> None:
    classes.write_text(text)
    with pytest.raises(CommandError, match=reason) as ended:
        run("INGEST", "--sop-classes", classes)
    assert ended.value.returncode == 2
    entity.refresh_from_db()
    assert entity.sop_class_uids == []


def test_who_is_meant_must_be_clear(entity: LocalApplicationEntity, classes: Path) -> None:
    for _ in range(2):
        RemoteApplicationEntity.objects.create(ae_title="TWICE")
    for arguments, reason in (
        (["NOBODY"], "no local application entity 'NOBODY'"),
        (["TWICE", "--remote"], "more than one remote application entity 'TWICE'"),
    ):
        with pytest.raises(CommandError, match=reason) as ended:
            run(*arguments, "--sop-classes", classes)
        assert ended.value.returncode == 2
    with pytest.raises(CommandError, match="--export") as ended:
        run("INGEST")
    assert ended.value.returncode == 2


def test_export_can_be_imported_again(
    entity: LocalApplicationEntity, classes: Path, tmp_path: Path
) -> None:
    run("INGEST", "--sop-classes", classes)
    folder = tmp_path / "exported"
    folder.mkdir()
    assert f"{folder}/IMAGE_CUIDS written" in run("INGEST", "--export", folder)
    assert (folder / "IMAGE_CUIDS").read_text() == f"CTImageStorage:{CT}\n{SECRET}\n"
    assert (folder / "IMAGE_TSUIDS").read_text() == "# everything supported\n"
    assert run("INGEST", "--sop-classes", folder / "IMAGE_CUIDS") == "INGEST: 0 changed\n"


def test_folder_that_is_none_is_told(entity: LocalApplicationEntity, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file or directory"):
        run("INGEST", "--export", tmp_path / "nowhere")
