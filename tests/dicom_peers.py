"""Peers that pynetdicom plays: foreign application entities that answer us, for real."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from pynetdicom import AE, evt

Handler = tuple[Any, ...]
VERIFICATION = "1.2.840.10008.1.1"


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
        yield known or (None, None)
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
