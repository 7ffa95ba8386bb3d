"""Operations: one request being served, from its command set to its last response.

Source: PS3.7 7.5 (operations), 9.1 and 10.1 (services), Annex C (statuses).
"""

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ingestion.dicom.statuses import Status
from ingestion.dimse.journal.tally import Tally
from ingestion.dimse.protocol.commands import Request, Response, encode_response
from ingestion.dimse.protocol.negotiation import AnsweredContext
from ingestion.dimse.services.notifications import Settle
from ingestion.errors import IngestionError

if TYPE_CHECKING:  # the protocol hands the space through and needs nothing of Django
    from ingestion.dimse.database_use import Peer
    from ingestion.dimse.services.store import TakeCustody
    from ingestion.models import StorageSpace


@dataclass(frozen=True, slots=True)
class Conversation:
    """An established association, as its operations know it.

    `user_identity` names who proved to be there, empty if nobody did. `extended` is the
    accepted service class application information by SOP Class UID (PS3.7 D.3.3.5).
    """

    association_id: str
    calling_ae_title: str
    called_ae_title: str
    peer_address: str
    storage_space: "StorageSpace"
    user_identity: str = ""
    extended: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def peer(self) -> "Peer":
        """Who takes turns at the database."""
        return self.peer_address, self.calling_ae_title


@dataclass(frozen=True, slots=True)
class Message:
    """A message to the peer: a command set, and the data set in pieces if it has one.

    A piece may change as soon as the next one is asked for. Without a context the message
    goes in that of the request.
    """

    command_set: bytes
    data_set: Iterable[bytes | memoryview] = ()
    context_id: int | None = None


class Link(Protocol):
    """What an operation may do with its association while it answers.

    Everything raises `AssociationEnded` when the association is over; then the operation
    just ends.
    """

    @property
    def contexts(self) -> Mapping[int, AnsweredContext]:
        """The accepted presentation contexts by their ID."""

    def send(self, message: Message) -> None:
        """Send a message: a request of ours. Responses are rather yielded by `answers`."""

    def receive_response(self) -> Response:
        """Wait for the response to a request of ours; its data set is let pass."""

    def notify(self, message_of: Callable[[int], Message], settle: Settle) -> None:
        """Send a request of ours, made for its message ID, which the peer answers when it likes.

        `settle` is called when it does, or when the association is over. A peer that is leaving
        already is sent nothing.
        """

    def is_cancelled(self) -> bool:
        """Whether the peer cancelled the request that is being answered. Does not wait."""


class Cancelled(IngestionError):
    """The peer wants no more of the operation."""

    code = "cancelled"


def end_if_cancelled(link: Link) -> None:
    """Raises `Cancelled`, and `AssociationEnded` when nobody waits for answers any more."""
    if link.is_cancelled():
        raise Cancelled("the peer cancelled the request")


class Operation(Protocol):
    """Takes the data set of its request, if there is one, then answers."""

    def write(self, view: memoryview) -> None:
        """Take a piece of the data set; the view is not valid afterwards. Never refuses:
        a failure is kept for the answer, and the rest of the data set is let pass."""

    def answers(self, link: Link, /) -> Iterable[Message]:
        """Every response in order, each sent before the next is asked for; the last is final.
        What a response acknowledges is durable."""

    def discard(self) -> None:
        """It is over, answered or not: leave nothing behind. Always called, in the end."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What the operations of one association are served with."""

    conversation: Conversation
    tally: Tally
    take_custody: "TakeCustody"
    identifier_bytes_max: int


# Begins to serve a request that came in an accepted context. Raises nothing: refuses by answer.
Begin = Callable[[Request, AnsweredContext, Desk], Operation]


class AnsweredOperation:
    """An operation whose answer is known beforehand: C-ECHO, and whatever is refused."""

    def __init__(self, request: Request, status: int, *, error_comment: str = "") -> None:
        self._request = request
        self._status = status
        self._error_comment = error_comment

    def write(self, view: memoryview) -> None:
        """Let the data set pass."""

    def answers(self, _link: Link) -> tuple[Message]:
        """The response with the status known beforehand."""
        return (
            Message(
                encode_response(self._request, self._status, error_comment=self._error_comment)
            ),
        )

    def discard(self) -> None:
        """There is nothing to leave behind."""


class IdentifierOperation:
    """An operation that needs its whole data set, which is small: an identifier, attributes.

    `answer` is given the encoded data set and yields the responses. It is closed when the
    operation is over, so that its `finally` runs whatever happens.
    """

    def __init__(
        self,
        request: Request,
        answer: Callable[[bytes, Link], Generator[Message]],
        *,
        bytes_max: int,
        too_large_status: int = Status.RESOURCE_LIMITATION,
    ) -> None:
        self._request = request
        self._answer = answer
        self._bytes_max = bytes_max
        self._too_large_status = too_large_status
        self._identifier = bytearray()
        self._is_too_large = False
        self._answers: Generator[Message] | None = None

    def write(self, view: memoryview) -> None:
        """Keep a piece; once there are too many bytes let them all pass."""
        if self._is_too_large or len(self._identifier) + len(view) > self._bytes_max:
            self._is_too_large = True
            self._identifier.clear()
        else:
            self._identifier += view

    def answers(self, link: Link) -> Iterable[Message]:
        """What `answer` yields, or that the data set is too large."""
        if self._is_too_large:
            comment = f"data set above {self._bytes_max} bytes"
            status = self._too_large_status
            return AnsweredOperation(self._request, status, error_comment=comment).answers(link)
        self._answers = self._answer(bytes(self._identifier), link)
        return self._answers

    def discard(self) -> None:
        """Close `answer` where it stands."""
        if self._answers is not None:
            self._answers.close()
