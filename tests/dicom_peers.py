"""Peers that pynetdicom plays: foreign application entities that answer or call us, for real."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.events import Event

Handler = tuple[Any, ...]
VERIFICATION = "1.2.840.10008.1.1"


class _Checkpoint(threading.Event):
    """Where the thread of an association waits while another asks and reads the answer.

    pynetdicom's own may be passed by the thread just before it is closed, while the flag still
    says that the thread waits: then the thread takes the answer from whoever waits for it.
    """

    def __init__(self, association: Association) -> None:
        super().__init__()
        self._association = association
        self._turn = threading.Lock()
        self.set()

    def clear(self) -> None:
        with self._turn:
            super().clear()

    def wait(self, timeout: float | None = None) -> bool:
        while super().wait(timeout):
            with self._turn:
                if self.is_set():
                    self._association._is_paused = False
                    return True
        return False


def _put_checkpoint(event: Event) -> None:
    event.assoc._reactor_checkpoint = _Checkpoint(event.assoc)


CALLING: Handler = (evt.EVT_ESTABLISHED, _put_checkpoint)


def call(
    entity: AE, port: int, *, ae_title: str = "INGEST", handlers: Iterable[Handler] = (), **how: Any
) -> Association:
    """An association with the entity at this port, which loses no answers."""
    association = entity.associate(
        "127.0.0.1", port, ae_title=ae_title, evt_handlers=[CALLING, *handlers], **how
    )
    assert association.is_established
    return association


@contextmanager
def listening_peer(
    ae_title: str = "PEER",
    *,
    contexts: Mapping[str, list[str]] = MappingProxyType({}),
    handlers: Iterable[Handler] = (),
    **settings: Any,
) -> Iterator[int]:
    """The port of a peer that takes Verification and these; `settings` are those of its AE."""
    entity = AE(ae_title)
    entity.add_supported_context(VERIFICATION)
    for abstract_syntax, transfer_syntaxes in contexts.items():
        entity.add_supported_context(abstract_syntax, transfer_syntaxes)
    for name, value in settings.items():
        setattr(entity, name, value)
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=list(handlers))
    assert server is not None
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()


def storing(answer: Callable[[str], int]) -> Handler:
    """A handler of C-STORE: the status for a SOP Instance UID."""

    def handle(event: Any) -> int:
        return answer(str(event.request.AffectedSOPInstanceUID))

    return (evt.EVT_C_STORE, handle)


def moving(destinations: Mapping[str, tuple[str, int]], files: Sequence[Any]) -> Handler:
    """A handler of C-MOVE: these data sets go to whichever destination is known."""

    def handle(event: Any) -> Iterator[Any]:
        known = destinations.get(event.move_destination)
        yield (*known, {"evt_handlers": [CALLING]}) if known else (None, None)
        yield len(files)
        for data_set in files:
            yield 0xFF00, data_set

    return (evt.EVT_C_MOVE, handle)


def finding(matches: Sequence[Any], *, last: int = 0x0000) -> Handler:
    """A handler of C-FIND: these matches, then this status."""

    def handle(event: Any) -> Iterator[Any]:
        for match in matches:
            if event.is_cancelled:
                yield 0xFE00, None
                return
            yield 0xFF00, match
        if last:
            yield last, None

    return (evt.EVT_C_FIND, handle)
