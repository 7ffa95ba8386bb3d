"""Sends instances over several associations, and tells of each what became of it.

Source: PS3.4 B.3.1 (C-STORE as SCU).
"""

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Generic

from ingestion.dimse.protocol.upper_layer import AssociationEnded, NotAssociated
from ingestion.dimse.requestor.endurance import Endurance
from ingestion.dimse.requestor.sub_associations import Instance, InstanceSender
from ingestion.errors import IngestionError

_AHEAD = 2  # instances for each association that wait for it

# Statuses of C-STORE that are not failures (PS3.4 Table B.2-1, PS3.7 Annex C).
SUCCESS = 0x0000
_WARNINGS = frozenset({0x0001, 0x0107, 0x0116, *range(0xB000, 0xC000)})


@dataclass(frozen=True, slots=True)
class Sent(Generic[Instance]):
    """What became of an instance: the status that the peer gave, or the reason why it gave none."""

    instance: Instance
    status: int | None = None
    reason: str = ""

    @property
    def is_stored(self) -> bool:
        """Whether the peer has it now, be it with a warning."""
        return self.status == SUCCESS or self.is_warning

    @property
    def is_warning(self) -> bool:
        """Whether the peer has it, and not quite as it is."""
        return self.status in _WARNINGS


def send_instances(
    instances: Iterable[Instance], senders: Sequence[InstanceSender[Instance]]
) -> Iterator[Sent[Instance]]:
    """Send the instances and tell of each in order; `senders` are closed at the end.

    The instances are taken in this thread, a few ahead of those that were sent. Ending the
    iterator early ends what is under way. Raises `NotAssociated` when nobody can associate
    any more, and `AssociationEnded` when the peer breaks one association after the other.
    """
    distributor = _Distributor(senders)
    pending: deque[Future[Sent[Instance]]] = deque()
    try:
        with ThreadPoolExecutor(len(senders), thread_name_prefix="send-instances") as executor:
            try:
                for instance in instances:
                    pending.append(executor.submit(distributor.send, instance))
                    if len(pending) >= _AHEAD * len(senders):
                        yield pending.popleft().result()
                while pending:
                    yield pending.popleft().result()
            except BaseException:
                distributor.stop()
                executor.shutdown(wait=False, cancel_futures=True)
                raise
    finally:
        distributor.close()


class _Distributor(Generic[Instance]):
    """Gives each instance to a sender that is free; who cannot associate is asked no more."""

    def __init__(self, senders: Sequence[InstanceSender[Instance]]) -> None:
        self._senders = senders
        self._free: SimpleQueue[InstanceSender[Instance]] = SimpleQueue()
        for sender in senders:
            self._free.put(sender)
        self._lock = threading.Lock()
        self._able = len(senders)
        self._endurance = Endurance()

    def send(self, instance: Instance) -> Sent[Instance]:
        """Send one instance. Raises `AssociationEnded` when the destination is given up."""
        while True:
            sender = self._free.get()
            try:
                sent = self._sent(sender, instance)
            except NotAssociated:
                with self._lock:
                    self._able -= 1
                    if self._able > 0:
                        continue
                self._free.put(sender)  # nobody shall wait for ever
                raise
            except BaseException:
                self._free.put(sender)
                raise
            self._free.put(sender)
            return sent

    def stop(self) -> None:
        """End what is under way."""
        for sender in self._senders:
            sender.stop()

    def close(self) -> None:
        """Give all associations back."""
        for sender in self._senders:
            sender.close()

    def _sent(self, sender: InstanceSender[Instance], instance: Instance) -> Sent[Instance]:
        try:
            status = sender.send(instance)
        except NotAssociated:
            raise
        except AssociationEnded as end:
            with self._lock:
                self._endurance.note_break(end)
                if not self._endurance.lasts():
                    raise
            return Sent(instance, reason=str(end))
        except IngestionError as error:
            return Sent(instance, reason=str(error))
        with self._lock:
            self._endurance.note_sent()
        return Sent(instance, status)
