"""A service that answers as a test wants it to; stands where C-FIND and C-GET stand."""

import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field

from ingestion.dimse.protocol.commands import Request, encode_response
from ingestion.dimse.protocol.negotiation import AnsweredContext
from ingestion.dimse.services.operations import Desk, IdentifierOperation, Link, Message, Operation

# What the peer's request, its data set and the link are answered with.
Answers = Callable[[Request, bytes, Link], Iterator[Message]]


@dataclass
class ScriptedService:
    """Answers every request; knows what was begun, and whether all of it was ended."""

    answers: Answers
    asked: list[tuple[Request, AnsweredContext, Desk]] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)

    def begin(self, request: Request, context: AnsweredContext, desk: Desk) -> Operation:
        self.asked.append((request, context, desk))
        return IdentifierOperation(
            request,
            lambda data_set, link: self._answer(request, data_set, link),
            bytes_max=desk.identifier_bytes_max,
        )

    def _answer(self, request: Request, data_set: bytes, link: Link) -> Generator[Message]:
        try:
            yield from self.answers(request, data_set, link)
        finally:
            self.is_over.set()


def pending(request: Request, data_set: bytes = b"match") -> Message:
    return Message(encode_response(request, 0xFF00, has_data_set=True), (data_set,))


def final(request: Request, status: int = 0) -> Message:
    return Message(encode_response(request, status))
