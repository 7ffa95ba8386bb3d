"""No process waits for the database for ever, but the one that migrates."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import OperationalError, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg2 import extensions

from ingestion.database import (
    libpq_options,
    limit_waits,
    unlimited_waits,
    watched_waits,
)
from tests.eventually import eventually
from tests.tcp_forwarder import TcpForwarder

pytestmark = pytest.mark.django_db


@pytest.fixture
def way() -> Iterator[TcpForwarder]:
    database = settings.DATABASES["default"]
    way = TcpForwarder(str(database["HOST"]), int(str(database["PORT"])))
    yield way
    way.cut()


@pytest.fixture
def database(way: TcpForwarder) -> Iterator[BaseDatabaseWrapper]:
    """A connection through the forwarder, whose statements may last two seconds."""
    made = connections.create_connection("default")
    made.settings_dict = connection.settings_dict | {
        "HOST": "127.0.0.1",
        "PORT": way.port,
        "OPTIONS": libpq_options(2),
    }
    limiting = extensions.get_wait_callback()
    limit_waits(2)
    with closing(made):
        yield made
    extensions.set_wait_callback(limiting)


def run(database: BaseDatabaseWrapper, statement: str) -> object:
    with database.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()


def test_statement_that_takes_too_long_is_ended(database: BaseDatabaseWrapper) -> None:
    with pytest.raises(OperationalError, match="statement timeout"):
        run(database, "SELECT pg_sleep(60)")
    assert run(database, "SELECT 1") == (1,)


@pytest.mark.parametrize("is_connected", [True, False])
def test_server_that_says_nothing_is_not_waited_for(
    database: BaseDatabaseWrapper, way: TcpForwarder, is_connected: bool
) -> None:
    if is_connected:
        run(database, "SELECT 1")
    way.fall_silent()
    with pytest.raises(OperationalError, match="did not answer in time"):
        run(database, "SELECT 1")
    way.speak()
    database.close_if_unusable_or_obsolete()
    assert run(database, "SELECT 1") == (1,)


def test_statements_in_one_message_all_end(database: BaseDatabaseWrapper) -> None:
    assert run(database, "SELECT 1; SELECT pg_sleep(0.2); SELECT 3") == (3,)


def test_migration_takes_the_time_it_needs(database: BaseDatabaseWrapper) -> None:
    with unlimited_waits(database):
        run(database, "SELECT pg_sleep(2.2)")
    with pytest.raises(OperationalError, match="statement timeout"):
        run(database, "SELECT pg_sleep(60)")


class Interrupted(Exception):
    """What the watch of a test raises."""


def test_a_watched_wait_ends_when_its_watch_says_so(database: BaseDatabaseWrapper) -> None:
    run(database, "SET statement_timeout = 0; SELECT 1")
    limit_waits(60)
    looks = []

    def look() -> None:
        looks.append(1)
        if len(looks) == 3:
            raise Interrupted

    with pytest.raises(Interrupted), watched_waits(look):
        run(database, "SELECT pg_sleep(60)")
    eventually(lambda: sleeping() == 0)  # the server noticed, too
    database.close()
    assert run(database, "SELECT 1") == (1,)
    assert len(looks) == 3


def sleeping() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE %s AND state = 'active'"
            " AND pid <> pg_backend_pid()",
            ["%pg_sleep(60)%"],
        )
        return int(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_migrate_is_ours_and_leaves_the_limit_in_force() -> None:
    limiting = extensions.get_wait_callback()
    assert limiting is not None
    call_command("migrate", verbosity=0)
    assert extensions.get_wait_callback() is limiting
    assert run(connection, "SHOW statement_timeout") == ("30s",)
