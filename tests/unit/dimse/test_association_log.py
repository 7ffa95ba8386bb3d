"""Endings become records: soon, in batches, whatever the database does meanwhile."""

import threading
from collections.abc import Callable, Sequence

import pytest

from ingestion.dimse.journal.association_end import Outcome, Parties
from ingestion.dimse.journal.association_log import BATCH_MAX, WAITING_MAX, AssociationLog
from ingestion.dimse.journal.repeated_endings import ROWS_PER_PEER_MAX
from ingestion.dimse.protocol.negotiation import AnsweredContext, ContextResult
from ingestion.errors import DatabaseUnavailable
from ingestion.models import AssociationRecord, Direction
from tests.eventually import eventually
from tests.unit.dimse.endings import STARTED_AT, ending, working

CT, EXPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"


class Table:
    """Takes records as a database would; raises what it is told, as often as it is told."""

    def __init__(self, *failures: Exception) -> None:
        self.batches: list[list[AssociationRecord]] = []
        self.failures = list(failures)
        self.is_open = threading.Event()
        self.is_open.set()

    def write(self, records: Sequence[AssociationRecord]) -> None:
        self.is_open.wait(60)
        if self.failures:
            raise self.failures.pop(0)
        self.batches.append(list(records))

    @property
    def rows(self) -> list[AssociationRecord]:
        return [record for batch in self.batches for record in batch]


def lost(caplog: pytest.LogCaptureFixture) -> Callable[[], int]:
    """How many records the log says were lost, so far."""
    return lambda: sum(
        record.msg["associations"]
        for record in caplog.records
        if isinstance(record.msg, dict) and record.msg["event"] == "associations were not recorded"
    )


def test_ending_is_recorded_with_all_that_is_known() -> None:
    contexts = (
        AnsweredContext(1, CT, EXPLICIT, ContextResult.ACCEPTANCE),
        AnsweredContext(3, "1.2.3", EXPLICIT, ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED),
    )
    table = Table()
    with AssociationLog(table.write) as log:
        log.record(
            working(contexts=contexts, is_requested=True, is_encrypted=True, user_identity="ann")
        )
        (record,) = eventually(lambda: table.rows)
    assert record.association_id == "a1"
    assert record.direction == Direction.REQUESTED
    assert (record.started_at, record.ended_at) == (STARTED_AT, STARTED_AT)
    assert (record.peer_address, record.peer_version) == ("192.0.2.1", "SCRIPTED")
    assert (record.calling_ae_title, record.called_ae_title) == ("MODALITY", "NOBODY")
    assert (record.is_encrypted, record.user_identity) == (True, "ann")
    assert (record.instances_received, record.bytes_received) == (3, 300)
    assert record.operations == {"C-STORE": 3}
    assert (record.outcome, record.repeats) == ("released", 0)
    assert record.contexts == [
        {"sop_class_uid": CT, "transfer_syntax_uid": EXPLICIT, "result": 0},
        {"sop_class_uid": "1.2.3", "transfer_syntax_uid": "", "result": 3},
    ]


def test_whatever_a_peer_wrote_fits_its_column() -> None:
    table = Table()
    with AssociationLog(table.write) as log:
        log.record(ending(parties=Parties("A\0B", "\ufffd\x1b", "V" * 40), reason="r" * 1000))
    (record,) = table.rows
    assert (record.calling_ae_title, record.called_ae_title) == ("A?B", "\ufffd?")
    assert (len(record.peer_version), len(record.reason)) == (16, 200)


def test_endings_that_come_while_one_is_written_are_written_together() -> None:
    table = Table()
    table.is_open.clear()
    with AssociationLog(table.write) as log:
        for _ in range(BATCH_MAX):
            log.record(working())
        table.is_open.set()
    assert len(table.rows) == BATCH_MAX
    assert len(table.batches) <= 3


def test_database_that_is_away_is_asked_again() -> None:
    table = Table(*[DatabaseUnavailable("away")] * 3)
    with AssociationLog(table.write, retry_seconds=0.01) as log:
        log.record(working())
        assert eventually(lambda: table.rows)


def test_database_that_is_away_at_the_end_is_not_waited_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    table = Table(*[DatabaseUnavailable("away")] * 9)
    with AssociationLog(table.write, retry_seconds=60) as log:
        log.record(working())
    assert table.rows == []
    assert lost(caplog)() == 1


def test_records_that_cannot_be_written_cost_no_others(caplog: pytest.LogCaptureFixture) -> None:
    table = Table(ValueError("surprise"))
    with AssociationLog(table.write) as log:
        log.record(working())
        eventually(lambda: lost(caplog)() == 1)
        log.record(working())
    assert len(table.rows) == 1


def test_records_beyond_the_limit_are_lost_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    table = Table()
    table.is_open.clear()
    with AssociationLog(table.write) as log:
        for _ in range(WAITING_MAX + BATCH_MAX + 10):
            log.record(working())
        table.is_open.set()
        # Waited for here, since a log that is closed waits for no more than some seconds.
        eventually(lambda: len(table.rows) + lost(caplog)() == WAITING_MAX + BATCH_MAX + 10)
    assert lost(caplog)() >= 10


def test_flood_is_told_at_the_end() -> None:
    table = Table()
    with AssociationLog(table.write) as log:
        for _ in range(10_000):
            log.record(ending(outcome=Outcome.REFUSED))
    assert len(table.rows) == ROWS_PER_PEER_MAX + 1
    assert sum(record.repeats + 1 for record in table.rows) == 10_000
