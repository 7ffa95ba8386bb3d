"""Requests of ours on an association that the peer asked for, answered while it asks on.

Either side may ask without waiting for the other one (PS3.7 D.3.3.3: the window counts each
role's operations alone), so a response may come between any two requests of the peer.
Source: PS3.7 7.5.2, 10.1.1 (N-EVENT-REPORT).
"""

from collections.abc import Callable

from ingestion.dimse.protocol.commands import Response

_MESSAGE_ID_MAX = 0xFFFF

# Told once how a notification went: the response, or None if there will be none. Raises nothing.
Settle = Callable[[Response | None], None]


class Notifications:
    """What one association has told and waits to be answered; of one thread."""

    def __init__(self) -> None:
        self._settle: dict[int, Settle] = {}
        self._message_id = 0

    def add(self, settle: Settle) -> int:
        """The message ID of another notification: from above, as sub-operations count upwards."""
        self._message_id = (self._message_id - 1) % (_MESSAGE_ID_MAX + 1) or _MESSAGE_ID_MAX
        self._settle[self._message_id] = settle
        return self._message_id

    def take(self, response: Response) -> bool:
        """Whether the response answers one, which is settled by it."""
        settle = self._settle.pop(response.message_id, None)
        if settle is not None:
            settle(response)
        return settle is not None

    def drop(self) -> None:
        """The association is over: no response will come."""
        while self._settle:
            self._settle.popitem()[1](None)
