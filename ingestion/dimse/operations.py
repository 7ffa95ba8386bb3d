"""Operations: one request being served, from its command set to its response.

Source: PS3.7 9.1 (DIMSE-C operations), Annex C (statuses).
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ingestion.dimse.commands import Request, Status, encode_response

if TYPE_CHECKING:  # the protocol hands the space through and needs nothing of Django
    from ingestion.models import StorageSpace


@dataclass(frozen=True, slots=True)
class Conversation:
    """An established association, as its operations know it."""

    association_id: str
    calling_ae_title: str
    called_ae_title: str
    peer_address: str
    storage_space: "StorageSpace"


@dataclass(slots=True)
class Tally:
    """What an association did; `operations` counts requests by name, as "C-STORE"."""

    instances_stored: int = 0
    instances_refused: int = 0
    bytes_stored: int = 0
    instances_sent: int = 0
    bytes_sent: int = 0
    operations: Counter[str] = field(default_factory=Counter)


class Operation(Protocol):
    """Takes the data set of its request, if there is one, then answers."""

    def write(self, view: memoryview) -> None:
        """Take a piece of the data set; the view is not valid afterwards. Never refuses:
        a failure is kept for the answer, and the rest of the data set is let pass."""

    def finish(self) -> bytes:
        """The command set of the response. What it acknowledges is durable."""

    def discard(self) -> None:
        """The association ends before the answer: leave nothing behind."""


class AnsweredOperation:
    """An operation whose answer is known beforehand: C-ECHO, and whatever is refused."""

    def __init__(self, request: Request, status: Status) -> None:
        self._request = request
        self._status = status

    def write(self, view: memoryview) -> None:
        """Let the data set pass."""

    def finish(self) -> bytes:
        """The response with the status known beforehand."""
        return encode_response(self._request, self._status)

    def discard(self) -> None:
        """There is nothing to leave behind."""
