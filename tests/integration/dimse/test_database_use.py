"""Threads use the database by turns, on connections that stay open."""

import threading
from collections.abc import Iterator

import pytest
from django.db import connection, connections, transaction
from pytest_django import Settings

from ingestion.dimse.database_use import DatabaseTurns
from ingestion.errors import DatabaseUnavailable, NotFound, Unavailable
from ingestion.models import StorageSpace

pytestmark = pytest.mark.django_db(transaction=True)


def server_process() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


@pytest.fixture
def turns(settings: Settings) -> Iterator[DatabaseTurns]:
    settings.LIMITS = settings.LIMITS.model_copy(update={"dimse_queries_max": 2})
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(
        update={"dimse_query_wait_seconds": 0.05}
    )
    turns = DatabaseTurns()
    yield turns
    turns.close()


class Holder(threading.Thread):
    """A thread that has a turn until it is told to end."""

    def __init__(self, turns: DatabaseTurns, peer: tuple[str, str]) -> None:
        super().__init__()
        self._turns = turns
        self._peer = peer
        self.has_turn = threading.Event()
        self.may_end = threading.Event()
        self.process = 0
        self.left_open = 1

    def run(self) -> None:
        with self._turns.turn(peer=self._peer):
            self.process = server_process()
            self.has_turn.set()
            self.may_end.wait(60)
        self.left_open = len(connections.all(initialized_only=True))


def hold(turns: DatabaseTurns, peer: tuple[str, str] = ("", "")) -> Holder:
    holder = Holder(turns, peer)
    holder.start()
    assert holder.has_turn.wait(60)
    return holder


def release(*holders: Holder) -> None:
    for holder in holders:
        holder.may_end.set()
        holder.join(60)
        assert not holder.is_alive()


def test_threads_use_the_same_connection_one_after_the_other(turns: DatabaseTurns) -> None:
    processes = set()
    for _ in range(3):
        holder = hold(turns)
        release(holder)
        assert holder.left_open == 0
        processes.add(holder.process)
    assert len(processes) == 1


def test_who_finds_all_turns_taken_is_told_so(turns: DatabaseTurns) -> None:
    holders = [hold(turns), hold(turns)]
    assert len({holder.process for holder in holders}) == 2
    with pytest.raises(Unavailable, match="dimse_queries_max = 2"), turns.turn():
        raise AssertionError
    release(holders[0])
    with turns.turn():
        assert server_process() == holders[0].process
    release(holders[1])


def test_a_peer_gets_no_more_turns_than_it_leaves_to_others(
    turns: DatabaseTurns, settings: Settings
) -> None:
    settings.LIMITS = settings.LIMITS.model_copy(update={"dimse_queries_max": 5})
    greedy, other, third = (("10.0.0.1", title) for title in ("GREEDY", "OTHER", "THIRD"))

    def is_refused(peer: tuple[str, str]) -> bool:
        with (
            pytest.raises(Unavailable, match="dimse_queries_max = 5") as refused,
            turns.turn(peer=peer),
        ):
            pass
        return "of this peer" in str(refused.value)

    holders = [hold(turns, greedy) for _ in range(3)]
    assert is_refused(greedy)
    holders.append(hold(turns, other))
    assert is_refused(other)
    release(holders.pop(0))
    assert is_refused(greedy), "two are left, and it has two"
    holders += [hold(turns, third), hold(turns)]
    assert not is_refused(("10.0.0.2", "LATE"))
    release(*holders)


def test_who_waits_for_a_turn_may_change_its_mind(turns: DatabaseTurns, settings: Settings) -> None:
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"dimse_query_wait_seconds": 60})
    holders = [hold(turns), hold(turns)]

    def check() -> None:
        raise NotFound("nobody waits any more")

    with pytest.raises(NotFound), turns.turn(check):
        pass
    release(*holders)


def test_a_turn_inside_a_turn_is_the_same_one(turns: DatabaseTurns) -> None:
    with turns.turn(), turns.turn():
        inner = server_process()
    with turns.turn():
        assert server_process() == inner


def test_the_connection_of_the_thread_itself_is_back_afterwards(turns: DatabaseTurns) -> None:
    own = server_process()
    with turns.turn():
        assert server_process() != own
    assert server_process() == own


def test_cursors_of_the_server_and_transactions_work(turns: DatabaseTurns) -> None:
    for number in range(5):
        StorageSpace.objects.create(name=f"s{number}", slug=f"s{number}")
    with turns.turn(), transaction.atomic():
        rows = StorageSpace.objects.order_by("slug").iterator(chunk_size=2)
        assert [space.slug for space in rows] == [f"s{number}" for number in range(5)]


def test_a_lost_connection_is_told_and_replaced(turns: DatabaseTurns) -> None:
    with pytest.raises(DatabaseUnavailable), turns.turn(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    with turns.turn():
        assert server_process()


def test_a_transaction_left_in_the_middle_is_never_gone_on_with(turns: DatabaseTurns) -> None:
    def leave() -> None:
        with turns.turn():
            transaction.atomic().__enter__()
            StorageSpace.objects.create(name="lost", slug="lost")

    thread = threading.Thread(target=leave)
    thread.start()
    thread.join(60)
    with turns.turn():
        assert not StorageSpace.objects.filter(slug="lost").exists()
