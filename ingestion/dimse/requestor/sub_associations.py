"""Sends instances to a destination: proposes what they are, and sends each as the peer takes it.

Source: PS3.4 B.3.1 (C-STORE as SCU), C.4.2.3.1 (sub-operations); PS3.8 7.1.1.13 (contexts).
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Generic, TypeVar

from ingestion.dicom.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from ingestion.dimse.protocol.association_proposal import CONTEXTS_MAX, Proposal
from ingestion.dimse.protocol.outgoing_data_sets import OutgoingInstance
from ingestion.dimse.protocol.upper_layer import (
    AbortedByPeer,
    PeerVanished,
    ReleasedByPeer,
    ServiceStopping,
)
from ingestion.dimse.requestor.association_pool import AssociationPool, Borrowed, Call, process_pool
from ingestion.dimse.requestor.requesting import Destination
from ingestion.errors import NotAcceptable
from ingestion.use_cases.select_instances import Kind

# What nearly every peer takes; proposed beside the stored transfer syntaxes.
FALLBACKS = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)

# How an association ends that the peer gave up while it stood idle.
_STALE = (AbortedByPeer, PeerVanished, ReleasedByPeer)

Instance = TypeVar("Instance", bound=OutgoingInstance)

# Gives an instance in one of these transfer syntaxes, as stored if that is one of them. Raises
# `NotAcceptable` and other `IngestionError` when it cannot be made.
Present = Callable[[Instance, Collection[str]], OutgoingInstance]


def proposals_for(kinds: Iterable[Kind]) -> list[tuple[Proposal, ...]]:
    """What to propose for instances of these kinds: for one association, or for several in turn.

    Each stored transfer syntax has a context of its own, so that the peer's preference among them
    does not matter; one more per SOP Class offers what else is widely taken. The contexts of a SOP
    Class stay together as far as an association can hold them.
    """
    groups: list[list[Proposal]] = [[]]
    for proposals in _by_sop_class(kinds):
        for start in range(0, len(proposals), CONTEXTS_MAX):
            portion = proposals[start : start + CONTEXTS_MAX]
            if len(groups[-1]) + len(portion) > CONTEXTS_MAX:
                groups.append([])
            groups[-1] += portion
    return [tuple(group) for group in groups if group]


def _by_sop_class(kinds: Iterable[Kind]) -> Iterable[list[Proposal]]:
    stored: defaultdict[str, set[str]] = defaultdict(set)
    for kind in kinds:
        stored[kind.sop_class_uid].add(kind.transfer_syntax_uid)
    for sop_class_uid, syntaxes in sorted(stored.items()):
        proposals = [Proposal(sop_class_uid, (syntax,)) for syntax in sorted(syntaxes)]
        fallbacks = tuple(syntax for syntax in FALLBACKS if syntax not in syntaxes)
        if fallbacks:
            proposals.append(Proposal(sop_class_uid, fallbacks))
        yield proposals


class InstanceSender(Generic[Instance]):
    """Sends instances to one destination, over one association at a time.

    Of one thread, but for `stop`. `kinds` are those of all instances that will be sent.
    """

    def __init__(
        self,
        destination: Destination,
        *,
        calling_ae_title: str,
        kinds: Iterable[Kind],
        present: Present[Instance],
        priority: int = 0,
        move_originator: tuple[str, int] | None = None,
        pool: AssociationPool | None = None,
    ) -> None:
        """Nothing is asked of anyone yet."""
        self._calls = [
            Call(destination, calling_ae_title, proposals) for proposals in proposals_for(kinds)
        ]
        self._calls_by_kind: dict[Kind, Call] = {}
        self._calls_by_sop_class: dict[str, Call] = {}
        for call in self._calls:
            for proposal in call.proposals:
                self._calls_by_sop_class[proposal.abstract_syntax] = call
                for syntax in proposal.transfer_syntaxes:
                    self._calls_by_kind[Kind(proposal.abstract_syntax, syntax)] = call
        self._present = present
        self._priority = priority
        self._move_originator = move_originator
        self._pool = pool or process_pool()
        self._borrowed: Borrowed | None = None
        self._accepted: Mapping[str, Mapping[str, int]] = {}  # SOP Class → syntax → context ID
        self._has_answered = False
        self._lock = threading.Lock()
        self._is_stopped = False

    def open(self) -> None:
        """Associate, so that it is known whether that can be. Raises `AssociationEnded`."""
        if self._borrowed is None:
            self._borrow(self._calls[0])

    def send(self, instance: Instance) -> int:
        """Send an instance; returns the status that the peer answers.

        Raises `NotAssociated` when there is no association and none comes about; other
        `AssociationEnded` when it broke: the next instance is sent over a new one. Raises
        `NotAcceptable` when the peer takes it in no form that can be made, and other errors of
        this instance alone.
        """
        self._associate_for(instance)
        try:
            return self._store(instance)
        except _STALE:
            if self._borrowed is None or not self._borrowed.is_used or self._has_answered:
                raise
        finally:
            self._drop_if_broken()
        # The peer left an idle association. A repeat of the same object is safe: it is the same.
        self._associate_for(instance)
        try:
            return self._store(instance)
        finally:
            self._drop_if_broken()

    def stop(self) -> None:
        """End what is under way, at once and without a word to the peer. For any thread."""
        with self._lock:
            self._is_stopped = True
            if self._borrowed is not None:
                self._borrowed.association.stop()

    def close(self) -> None:
        """Give the association back, for others to use. A repeat is fine."""
        with self._lock:
            borrowed, self._borrowed = self._borrowed, None
        if borrowed is not None:
            self._pool.give_back(borrowed)

    def _associate_for(self, instance: Instance) -> None:
        """Have the association that proposes this kind, or at least its SOP Class."""
        kind = Kind(instance.sop_class_uid, instance.transfer_syntax_uid)
        call = self._calls_by_kind.get(kind) or self._calls_by_sop_class.get(kind.sop_class_uid)
        if call is None:
            raise NotAcceptable("its SOP Class is not among those that were to be sent")
        if self._borrowed is not None and self._borrowed.call != call:
            self.close()
        if self._borrowed is None:
            self._borrow(call)

    def _borrow(self, call: Call) -> None:
        borrowed = self._pool.borrow(call)
        accepted: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for context in borrowed.association.contexts.values():
            accepted[context.abstract_syntax][context.transfer_syntax] = context.context_id
        self._accepted = accepted
        self._has_answered = False
        with self._lock:
            self._borrowed = borrowed
            is_stopped = self._is_stopped
        if is_stopped:
            self.close()
            raise ServiceStopping("the sending was stopped")

    def _store(self, instance: Instance) -> int:
        assert self._borrowed is not None, "whoever stores associates first"
        accepted = self._accepted.get(instance.sop_class_uid, {})
        if not accepted:
            raise NotAcceptable("the peer accepts nothing of its SOP Class")
        form = self._present(instance, accepted.keys())
        response = self._borrowed.association.store(
            form,
            context_id=accepted[form.transfer_syntax_uid],
            priority=self._priority,
            move_originator=self._move_originator,
        )
        self._has_answered = True
        return response.status

    def _drop_if_broken(self) -> None:
        if self._borrowed is not None and not self._borrowed.association.is_open:
            self.close()
