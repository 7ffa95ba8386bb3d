"""The log of associations: written by a thread of its own, in batches, never in their way.

What cannot be written is lost and counted: an association is served whether or not anybody
will read that it was.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Self

import structlog

from ingestion.database import database_answers
from ingestion.dimse.database_use import database_turn
from ingestion.dimse.journal.association_end import AssociationEnding
from ingestion.dimse.journal.repeated_endings import Recorded, RepeatedEndings
from ingestion.dimse.protocol.negotiation import AnsweredContext, ContextResult
from ingestion.errors import IngestionError
from ingestion.models import AssociationRecord, Direction
from ingestion.use_cases.keep_association_records import add_association_records

log = structlog.get_logger(__name__)

WAITING_MAX = 10_000  # records in memory, for a database that is away or slow
BATCH_MAX = 500
RETRY_SECONDS = 1.0
RETRIES_MAX = 60  # a batch that no database ever takes must not keep the others waiting
CLOSE_SECONDS_MAX = 10.0

WriteRecords = Callable[[Sequence[AssociationRecord]], None]


def write_in_turn(records: Sequence[AssociationRecord]) -> None:
    """Write these on a connection that is shared. Raises `Unavailable`."""
    with database_turn():
        add_association_records(records)


class AssociationLog:
    """Takes endings from any thread; `close` writes what is left."""

    def __init__(
        self, write: WriteRecords = write_in_turn, *, retry_seconds: float = RETRY_SECONDS
    ) -> None:
        self._write = write
        self._retry_seconds = retry_seconds
        self._changed = threading.Condition()
        self._is_closing = threading.Event()
        self._waiting: deque[Recorded] = deque()
        self._repeated = RepeatedEndings()
        self._lost = 0
        self._thread = threading.Thread(target=self._run, name="association-log", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def record(self, ending: AssociationEnding) -> None:
        """Have a record of it written soon. Never waits, never raises."""
        with self._changed:
            if self._repeated.admits(ending):
                self._append(Recorded(ending))
            self._changed.notify()

    def close(self) -> None:
        """Write what is left, and end the thread."""
        self._is_closing.set()
        with self._changed:
            self._changed.notify()
        self._thread.join(CLOSE_SECONDS_MAX)

    def _run(self) -> None:
        while batch := self._next_batch():
            self._settle([_record_of(recorded) for recorded in batch])
            self._tell_lost()

    def _next_batch(self) -> list[Recorded]:
        """Wait for records; none when the log is closed and empty."""
        with self._changed:
            while True:
                is_closing = self._is_closing.is_set()
                for recorded in self._repeated.take_counted(even_if_early=is_closing):
                    self._append(recorded)
                if self._waiting or is_closing:
                    amount = min(len(self._waiting), BATCH_MAX)
                    return [self._waiting.popleft() for _ in range(amount)]
                self._changed.wait(self._repeated.seconds_left())

    def _append(self, recorded: Recorded) -> None:
        if len(self._waiting) < WAITING_MAX:
            self._waiting.append(recorded)
        else:
            self._lost += 1

    def _settle(self, records: Sequence[AssociationRecord]) -> None:
        """Write, again and again if need be; what is not written in the end is lost."""
        for _ in range(RETRIES_MAX):
            try:
                self._write(records)
            except IngestionError:
                if self._is_closing.is_set():
                    break
                self._is_closing.wait(self._retry_seconds)
            except Exception:  # the outermost loop: others are recorded all the same
                log.exception("associations cannot be recorded")
                break
            else:
                return
        with self._changed:
            self._lost += len(records)

    def _tell_lost(self) -> None:
        with self._changed:
            lost, self._lost = self._lost, 0
        if lost:
            log.error("associations were not recorded", associations=lost)


def record_at_once(ending: AssociationEnding) -> None:
    """Write the record here and now, for processes that have few; a failure is logged."""
    _record(ending, _write_here)


def record_in_turn(ending: AssociationEnding) -> None:
    """The same for threads that have no connection of their own."""
    _record(ending, write_in_turn)


def _write_here(records: Sequence[AssociationRecord]) -> None:
    with database_answers():
        add_association_records(records)


def _record(ending: AssociationEnding, write: WriteRecords) -> None:
    try:
        write([_record_of(Recorded(ending))])
    except IngestionError as error:
        log.error("associations were not recorded", associations=1, code=error.code)


def _record_of(recorded: Recorded) -> AssociationRecord:
    ending, parties, tally = recorded.ending, recorded.ending.parties, recorded.ending.tally
    space = ending.storage_space
    return AssociationRecord(
        association_id=ending.association_id,
        direction=Direction.REQUESTED if ending.is_requested else Direction.ACCEPTED,
        storage_space_id=space.pk if space else None,
        started_at=ending.started_at,
        ended_at=ending.ended_at,
        peer_address=_text(ending.peer_address, 64),
        calling_ae_title=_text(parties.calling_ae_title, 16),
        called_ae_title=_text(parties.called_ae_title, 16),
        peer_version=_text(parties.peer_version, 16),
        is_encrypted=ending.is_encrypted,
        user_identity=_text(ending.user_identity, 100),
        contexts=[_context_of(context) for context in ending.contexts],
        operations=dict(tally.operations),
        instances_received=tally.instances_stored,
        instances_refused=tally.instances_refused,
        instances_sent=tally.instances_sent,
        bytes_received=tally.bytes_stored,
        bytes_sent=tally.bytes_sent,
        outcome=ending.outcome.value,
        reason=_text(ending.reason, 200),
        repeats=recorded.repeats,
    )


def _context_of(context: AnsweredContext) -> dict[str, object]:
    """The transfer syntax means something only where the context was accepted (PS3.8 9.3.3.2)."""
    is_accepted = context.result is ContextResult.ACCEPTANCE
    return {
        "sop_class_uid": _text(context.abstract_syntax, 64),
        "transfer_syntax_uid": _text(context.transfer_syntax, 64) if is_accepted else "",
        "result": int(context.result),
    }


def _text(value: str, characters_max: int) -> str:
    """What a peer wrote, as PostgreSQL takes it: it may be anything."""
    return "".join(one if one.isprintable() else "?" for one in value[:characters_max])
