"""`manage.py import_uid_lists`: the original's IMAGE_CUIDS and IMAGE_TSUIDS, in and out."""

from argparse import ArgumentParser
from io import StringIO
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from pydicom.uid import UID
from rich.console import Console
from rich.table import Table

from ingestion.dicom.uid_lists import UidKind, read_uid_list, uid_list_text, uid_name
from ingestion.errors import InvalidDocument
from ingestion.models import LocalApplicationEntity, RemoteApplicationEntity
from ingestion.use_cases.import_uid_lists import (
    ApplicationEntity,
    UidListChange,
    import_uid_lists,
)

# Option → column, what it lists, and the original's name of the file.
LISTS = {
    "sop_classes": ("sop_class_uids", UidKind.SOP_CLASS, "IMAGE_CUIDS"),
    "transfer_syntaxes": ("transfer_syntax_uids", UidKind.TRANSFER_SYNTAX, "IMAGE_TSUIDS"),
}
CANNOT_WORK = 2

COLUMN_NAMES = {column: kind.value for column, kind, _ in LISTS.values()}


class Command(BaseCommand):
    """Changes one entity as the files say; tells what that changes. A repeat changes nothing.

    Exit status 2: nothing could be done with these arguments or files.
    """

    help = (
        "Restrict an application entity to the SOP Classes and transfer syntaxes of files with a"
        " line `Name:UID` or `UID` for each; # begins a comment."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The entity, the files, and whether to write."""
        parser.add_argument("ae_title", help="AE title of ours, or of a peer with --remote.")
        parser.add_argument("--remote", action="store_true", help="The title is a peer's.")
        parser.add_argument("--sop-classes", type=Path, metavar="FILE", help="As IMAGE_CUIDS.")
        parser.add_argument(
            "--transfer-syntaxes", type=Path, metavar="FILE", help="As IMAGE_TSUIDS."
        )
        parser.add_argument("--dry-run", action="store_true", help="Tell, change nothing.")
        parser.add_argument(
            "--export", type=Path, metavar="FOLDER", help="Write the entity's lists there instead."
        )

    def handle(self, **options: Any) -> None:
        """Import or export. Mistakes in files are named by line, and nothing is changed."""
        entity = _entity(options["ae_title"], is_remote=options["remote"])
        files = {option: options[option] for option in LISTS if options[option]}
        if options["export"]:
            self._export(entity, options["export"])
        elif files:
            self._import(entity, files, is_dry_run=options["dry_run"])
        else:
            raise CommandError(
                "give --sop-classes, --transfer-syntaxes or --export", returncode=CANNOT_WORK
            )

    def _import(
        self, entity: ApplicationEntity, files: dict[str, Path], *, is_dry_run: bool
    ) -> None:
        lists = {LISTS[option][0]: _read(path, LISTS[option][1]) for option, path in files.items()}
        try:
            changes = import_uid_lists(entity, lists, is_dry_run=is_dry_run)
        except InvalidDocument as error:
            raise CommandError(str(error), returncode=CANNOT_WORK) from error
        self._tell(changes)
        changed = sum(len(change.added) + len(change.removed) for change in changes)
        done = "would change" if is_dry_run else "changed"
        self.stdout.write(f"{entity.ae_title}: {changed} {done}")

    def _export(self, entity: ApplicationEntity, folder: Path) -> None:
        for column, _, file_name in LISTS.values():
            text = uid_list_text(getattr(entity, column))
            file = folder / file_name
            try:
                file.write_text(f"{text}\n" if text else "# everything supported\n")
            except OSError as error:
                raise CommandError(str(error), returncode=CANNOT_WORK) from error
            self.stdout.write(f"{file} written")

    def _tell(self, changes: list[UidListChange]) -> None:
        table = Table("", "List", "UID", "Name")
        for change in changes:
            name = COLUMN_NAMES[change.column]
            if change.allowed_everything:
                self.stdout.write(f"{name}: everything that is supported was allowed until now")
            for sign, uids in (("+", change.added), ("-", change.removed)):
                for uid in uids:
                    table.add_row(sign, name, uid, _name(uid))
        if table.row_count:
            drawn = StringIO()
            Console(file=drawn, width=140).print(table)
            self.stdout.write(drawn.getvalue())


def _entity(ae_title: str, *, is_remote: bool) -> ApplicationEntity:
    model = RemoteApplicationEntity if is_remote else LocalApplicationEntity
    found: list[ApplicationEntity] = list(model.objects.filter(ae_title=ae_title))
    if len(found) == 1:
        return found[0]
    kind = "remote" if is_remote else "local"
    number = "no" if not found else "more than one"
    raise CommandError(
        f"there is {number} {kind} application entity {ae_title!r}", returncode=CANNOT_WORK
    )


def _read(path: Path, kind: UidKind) -> list[str]:
    try:
        return read_uid_list(path.read_text(), kind)
    except (OSError, UnicodeDecodeError, InvalidDocument) as error:
        raise CommandError(f"{path}: {error}", returncode=CANNOT_WORK) from error


def _name(uid: str) -> str:
    return uid_name(uid) if UID(uid).type else "not known to the Standard"
