"""Fills our manifest with rows whose objects do not exist: a million would take hours to store."""

from contextlib import closing
from pathlib import Path

import psycopg2

from bench.errors import NotMeasured
from bench.peers.ours import OwnRun

INSTANCES_OF_STUDY = 10
SQL = Path(__file__).with_name("generated_rows.sql")


def generate_studies(run: OwnRun, *, first: int, last: int) -> None:
    """Studies of these numbers, of two series and ten instances each."""
    with closing(psycopg2.connect(run.database_url())) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT id FROM ingestion_storagespace ORDER BY id LIMIT 1")
            row = cursor.fetchone()
            if row is None:
                raise NotMeasured("there is no storage space")
            values = {"space": row[0], "first": first, "last": last}
            cursor.execute(SQL.read_text("utf-8"), values)
