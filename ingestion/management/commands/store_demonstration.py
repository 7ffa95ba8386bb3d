"""`manage.py store_demonstration`: stores a few phantom studies, for people who want to look."""

import tempfile
from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from pydicom.filewriter import dcmwrite

from ingestion.errors import IngestionError
from ingestion.management.demonstration_studies import demonstration_instances
from ingestion.models import StorageSpace
from ingestion.use_cases.store_files import FileResult, store_files


class Command(BaseCommand):
    """Repeats store nothing."""

    help = "Store a few phantom studies of patients who never were."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The space."""
        parser.add_argument("--space", default="default", help="Slug of the storage space.")

    def handle(self, **options: Any) -> None:
        """Write the files, store them, and say how many were new."""
        space = StorageSpace.objects.filter(slug=options["space"]).first()
        if space is None:
            raise CommandError(f"no storage space {options['space']}")
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for number, dataset in enumerate(demonstration_instances()):
                path = Path(folder) / f"{number}.dcm"
                dcmwrite(path, dataset, enforce_file_format=True)
                paths.append(path)
            try:
                counts = Counter(file.result for file in store_files(space, paths, jobs=2))
            except IngestionError as error:
                raise CommandError(f"{error} ({error.code})") from error
        stored = counts[FileResult.STORED]
        self.stdout.write(f"{stored} demonstration instances stored, {counts.total()} are held")
