"""Messages: puts fragments together to requests and gives each to its operation.

Source: PS3.7 6.3 and Annex F (fragments), PS3.8 Annex E (message control header).
"""

from collections.abc import Callable, Mapping

from ingestion.dimse.commands import (
    COMMAND_BYTES_MAX,
    CommandField,
    Request,
    decode_request,
)
from ingestion.dimse.data_path import Fragment
from ingestion.dimse.negotiation import AnsweredContext
from ingestion.dimse.operations import Operation
from ingestion.dimse.upper_layer import Abort, ProtocolViolation

_COMMAND, _LAST = 0x01, 0x02  # PS3.8 E.2; the other bits are not looked at

Begin = Callable[[Request, AnsweredContext], Operation]
Answer = Callable[[bytes, int], None]


class MessageReceiver:
    """The requests of one association, one after the other (PS3.7 D.3.3.3: no window)."""

    def __init__(
        self, contexts: Mapping[int, AnsweredContext], *, begin: Begin, answer: Answer
    ) -> None:
        self._contexts = contexts
        self._begin = begin
        self._answer = answer
        self._command = bytearray()
        self._context_id = 0
        self._operation: Operation | None = None

    def take(self, fragment: Fragment) -> None:
        """Take the next fragment; answers when it completes a request.

        Raises `ProtocolViolation` for a fragment that cannot be the next one.
        """
        is_last = fragment.ends_pdv and bool(fragment.control & _LAST)
        if fragment.context_id not in self._contexts:
            raise ProtocolViolation(
                Abort.INVALID_PDU_PARAMETER, "PDV of a presentation context that is not accepted"
            )
        if fragment.control & _COMMAND:
            self._take_command(fragment)
            if is_last:
                self._begin_operation()
        else:
            self._take_data(fragment, is_last=is_last)

    def discard(self) -> None:
        """The association ended: leave nothing of a half-received message."""
        if self._operation is not None:
            self._operation.discard()
            self._operation = None

    def _take_command(self, fragment: Fragment) -> None:
        if self._operation is not None:
            raise _unexpected("command set where a data set is due")
        if self._command and fragment.context_id != self._context_id:
            raise _unexpected("command set in two presentation contexts")
        if len(self._command) + len(fragment.view) > COMMAND_BYTES_MAX:
            raise ProtocolViolation(Abort.BY_SERVICE_USER, "command set above its limit")
        self._context_id = fragment.context_id
        self._command += fragment.view

    def _begin_operation(self) -> None:
        request = decode_request(self._command)
        self._command.clear()
        if request.command_field == CommandField.C_CANCEL_RQ:
            return  # nothing is under way that could be cancelled, and it has no response
        self._operation = self._begin(request, self._contexts[self._context_id])
        if not request.has_data_set:
            self._finish()

    def _take_data(self, fragment: Fragment, *, is_last: bool) -> None:
        if self._operation is None:
            raise _unexpected("data set without a command set")
        if fragment.context_id != self._context_id:
            raise _unexpected("data set in another presentation context than its command set")
        self._operation.write(fragment.view)
        if is_last:
            self._finish()

    def _finish(self) -> None:
        assert self._operation is not None
        operation, self._operation = self._operation, None
        self._answer(operation.finish(), self._context_id)


def _unexpected(rule: str) -> ProtocolViolation:
    return ProtocolViolation(Abort.UNEXPECTED_PDU_PARAMETER, rule)
