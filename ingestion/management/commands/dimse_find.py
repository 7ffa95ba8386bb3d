"""`manage.py dimse_find DESTINATION`: asks a peer what it has (C-FIND)."""

import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.markup import escape
from rich.table import Table

from ingestion.dicom.attribute_names import Path, name_of
from ingestion.dicom.attributes import Level
from ingestion.dicom.json_model import JsonDataSet, dumps
from ingestion.dimse.journal.association_log import record_at_once
from ingestion.dimse.requestor.query_retrieve import Match, Root, find, proposal_of, with_level
from ingestion.dimse.requestor.requesting import associate
from ingestion.errors import InvalidQuery
from ingestion.management.dimse_destinations import (
    CANNOT_WORK,
    Way,
    add_destination_arguments,
    told_in_words,
    way_of,
)
from ingestion.management.operator_console import operator_console
from ingestion.management.query_keys import identifier_of, paths_of, shown

# Asked for at each level, beside the keys that are given (PS3.4 C.6.1.1 and C.6.2.1).
COLUMNS: dict[Level, tuple[str, ...]] = {
    Level.PATIENT: ("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    Level.STUDY: (
        "PatientName",
        "PatientID",
        "StudyDate",
        "ModalitiesInStudy",
        "AccessionNumber",
        "StudyInstanceUID",
    ),
    Level.SERIES: ("Modality", "SeriesNumber", "SeriesDescription", "SeriesInstanceUID"),
    Level.IMAGE: ("InstanceNumber", "SOPClassUID", "SOPInstanceUID"),
}
LIMIT = 500
NO_LIMIT = sys.maxsize


class Command(BaseCommand):
    """Exit status 0: the peer answered, be it with nothing; 1: it did not; 2: cannot work."""

    help = "Ask a peer by DIMSE what it has."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whom, at which level, by which keys, and how it is shown."""
        add_destination_arguments(parser)
        parser.add_argument(
            "--level",
            choices=[level.name for level in Level],
            default=Level.STUDY.name,
            help="What is looked for; STUDY unless given.",
        )
        parser.add_argument(
            "-k",
            "--key",
            action="append",
            default=[],
            metavar="NAME[=VALUE]",
            help="A matching key by keyword or tag, below a sequence after a point; without a"
            " value the attribute is asked for. Several values stand between backslashes.",
        )
        parser.add_argument(
            "--root",
            choices=[root.name.lower() for root in Root],
            help="Information model; else study root, and patient root for patients.",
        )
        parser.add_argument(
            "--limit",
            type=int,
            default=LIMIT,
            help=f"Matches after which the query is cancelled, 0 for none; {LIMIT} unless given.",
        )
        parser.add_argument("--json", action="store_true", help="DICOM JSON rather than a table.")

    def handle(self, **options: Any) -> None:
        """Ask, and show what comes as it comes or in a table."""
        if options["limit"] < 0:
            raise CommandError("--limit must not be below 0", returncode=CANNOT_WORK)
        level = Level[options["level"]]
        keys = [*COLUMNS[level], *options["key"]]
        try:
            identifier, paths = with_level(identifier_of(keys), level), paths_of(keys)
        except InvalidQuery as error:
            raise CommandError(str(error), returncode=CANNOT_WORK) from error
        limit = options["limit"] or NO_LIMIT
        with told_in_words(), _asked(way_of(options), _root(options), identifier, limit) as matches:
            if options["json"]:
                self._write_json(self._looked_at(matches))
            else:
                _print_table(self._looked_at(matches), paths, limit)

    def _looked_at(self, matches: Iterable[Match]) -> Iterator[JsonDataSet]:
        """Their data sets; says at the end if the peer did without some of the keys."""
        are_all_keys_supported = True
        for match in matches:
            are_all_keys_supported &= match.are_all_keys_supported
            yield match.data_set
        if not are_all_keys_supported:
            self.stderr.write(
                "The peer does not support some of the keys (FF01): what they ask for may be"
                " missing, and more may be found than they match."
            )

    def _write_json(self, matches: Iterable[JsonDataSet]) -> None:
        """An array of PS3.18 F.2, a data set per line as it comes."""
        self.stdout.write("[")
        separator = ""
        for match in matches:
            self.stdout.write(separator + dumps(match).decode(), ending="")
            separator = ",\n"
        self.stdout.write("\n]" if separator else "]")


@contextmanager
def _asked(way: Way, root: Root, identifier: JsonDataSet, limit: int) -> Iterator[Iterator[Match]]:
    with associate(
        way.destination,
        calling_ae_title=way.calling_ae_title,
        proposals=[proposal_of(root.find)],
        record=record_at_once,
    ) as association:
        yield find(association, root, identifier, matches_max=limit)


def _root(options: dict[str, Any]) -> Root:
    if options["root"]:
        return Root[options["root"].upper()]
    return Root.PATIENT if options["level"] == Level.PATIENT.name else Root.STUDY


def _print_table(matches: Iterable[JsonDataSet], paths: list[Path], limit: int) -> None:
    table = Table(*(".".join(name_of(tag) for tag in path) for path in paths))
    for match in matches:
        table.add_row(*(escape(shown(match, path)) for path in paths))
    console = operator_console()
    console.print(table)
    more = ", and there are more (see --limit)" if table.row_count >= limit else ""
    noun = "match" if table.row_count == 1 else "matches"
    console.print(f"{table.row_count:,} {noun}{more}", markup=False, highlight=False)
