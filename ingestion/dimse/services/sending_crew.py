"""Sends what a retrieval found to its destination, over several associations at the same time.

Source: PS3.4 C.4.2.3.1 (C-MOVE SCP), PS3.7 9.1.4.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from ingestion.dimse.protocol.upper_layer import AssociationEnded, NotAssociated, PeerSilent
from ingestion.dimse.requestor.endurance import Endurance
from ingestion.dimse.services.operations import Cancelled
from ingestion.dimse.services.retrieval_progress import Progress
from ingestion.errors import IngestionError
from ingestion.use_cases.retrieve_instances import HeldInstance

log = structlog.get_logger(__name__)

_FINISH_SECONDS_MAX = 0.3  # for what is under way, when the retrieval is cancelled
_STOP_SECONDS_MAX = 0.4  # for what was stopped in the middle; a cancel takes a second at most


class Sender(Protocol):
    """Sends instances to one destination, over an association of its own."""

    def open(self) -> None:
        """Associate. Raises `NotAssociated`."""

    def send(self, instance: HeldInstance) -> int:
        """Send it; returns the status that the peer answers.

        Raises `AssociationEnded` when that broke the association: the next one is sent over a new
        one. Raises `NotAssociated` when there is none, and other errors of this instance alone.
        """

    def stop(self) -> None:
        """End what is under way now. For another thread to call."""

    def close(self) -> None:
        """End the association in order."""


class Supply(Protocol):
    """Where the instances come from; `InstanceSupply` says more."""

    @property
    def progress(self) -> Progress: ...

    def __len__(self) -> int: ...

    def take(self, check: Callable[[], None]) -> HeldInstance | None: ...

    def put_back(self, instance: HeldInstance) -> None: ...

    def fail_rest(self, reason: str) -> None: ...


class SendingCrew:
    """A thread for each sender; they share one supply, and the counts are kept with it."""

    def __init__(self, supply: Supply, senders: Sequence[Sender]) -> None:
        self._supply = supply
        self._senders = senders
        self._lock = threading.Lock()
        self._at_work = len(senders)
        self._in_hand = 0  # instances that somebody is sending, or is about to take
        self._is_stopping = False
        self._is_done = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(sender,), name="sub-association", daemon=True)
            for sender in senders
        ]

    def start(self) -> None:
        """Begin to send."""
        for thread in self._threads:
            thread.start()

    def wait(self, seconds: float) -> bool:
        """Wait so long at most; returns whether all has been sent or has failed.

        Who has not even associated by then is not waited for.
        """
        return self._is_done.wait(seconds)

    def stop(self) -> None:
        """End within a second: what is under way is finished or broken off."""
        self._is_stopping = True
        if self._joined(_FINISH_SECONDS_MAX):
            return
        for sender in self._senders:
            sender.stop()
        if not self._is_done.is_set() and not self._joined(_STOP_SECONDS_MAX):
            log.warning("a sub-association does not end", seconds=_STOP_SECONDS_MAX)

    def _joined(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self, sender: Sender) -> None:
        reason = "the service failed"
        try:
            reason = self._send_all(sender)
        except Exception:  # the outermost loop of a thread: the others go on
            log.exception("sub-association failed")
        finally:
            self._leave(reason)
            sender.close()

    def _leave(self, reason: str) -> None:
        """The last one answers for what nobody will send any more."""
        with self._lock:
            self._at_work -= 1
            is_last = not self._at_work
        if is_last:
            if not self._is_stopping:
                self._supply.fail_rest(reason)
            self._is_done.set()

    def _take(self) -> HeldInstance | None:
        """The next instance; None when there is none left, or nobody wants it any more."""
        with self._lock:
            self._in_hand += 1  # beforehand, since it may be waited for
        instance = None
        try:
            instance = self._supply.take(self._end_if_stopping)
        except Cancelled:
            return None
        finally:
            if instance is None:
                self._put_down()
        return instance

    def _end_if_stopping(self) -> None:
        if self._is_stopping:
            raise Cancelled("the retrieval is over")

    def _put_down(self, unsent: HeldInstance | None = None) -> None:
        """An instance has been dealt with, or is left to others."""
        with self._lock:
            self._in_hand -= 1
            if unsent is not None:
                self._supply.put_back(unsent)
            if not self._in_hand and not len(self._supply):
                self._is_done.set()

    def _send_all(self, sender: Sender) -> str:
        """Send until nothing is left; returns why it ended earlier, if it did."""
        endurance = Endurance()
        try:
            sender.open()
        except AssociationEnded as error:
            log.warning("destination not associated", code=error.code, reason=str(error))
            return str(error)
        try:
            while endurance.lasts() and not self._is_stopping:
                instance = self._take()
                if instance is None:
                    return ""
                self._send_one(sender, instance, endurance)
        except NotAssociated as error:
            log.warning("destination lost", code=error.code, reason=str(error))
            return str(error)
        return "the destination breaks associations"

    def _send_one(self, sender: Sender, instance: HeldInstance, endurance: Endurance) -> None:
        """Send an instance, once more if that breaks the association; it may break again."""
        uid, progress = instance.sop_instance_uid, self._supply.progress
        try:
            progress.sent(self._status(sender, instance), uid)
        except NotAssociated:
            self._put_down(instance)
            raise
        except IngestionError as error:
            log.warning(
                "instance not sent", sop_instance_uid=uid, code=error.code, reason=str(error)
            )
            progress.failed(uid, str(error))
            if isinstance(error, AssociationEnded):
                endurance.note_break(error)
        else:
            endurance.note_sent()
        self._put_down()

    def _status(self, sender: Sender, instance: HeldInstance) -> int:
        try:
            return sender.send(instance)
        except (NotAssociated, PeerSilent):
            raise
        except AssociationEnded:
            if self._is_stopping:
                raise
            return sender.send(instance)
