"""Peers that pynetdicom plays: foreign application entities that answer us, for real."""

from collections.abc import Iterable, Iterator, Mapping
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


__all__ = ["evt", "listening_peer"]
