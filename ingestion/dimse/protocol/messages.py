"""Messages: puts fragments together to command sets, and hands on the data sets in pieces.

Source: PS3.7 6.3 and Annex F (fragments), PS3.8 Annex E (message control header).
"""

from collections.abc import Callable, Container, Iterator

from ingestion.dimse.protocol.commands import COMMAND_BYTES_MAX, Request, Response, decode_command
from ingestion.dimse.protocol.data_path import Fragment
from ingestion.dimse.protocol.upper_layer import Abort, ProtocolViolation

_COMMAND, _LAST = 0x01, 0x02  # PS3.8 E.2; the other bits are not looked at


class MessageReader:
    """The messages of one association, one after the other (PS3.7 D.3.3.3: no window).

    `fragments` never ends but by raising `AssociationEnded`.
    """

    def __init__(self, fragments: Iterator[Fragment], context_ids: Container[int]) -> None:
        self._fragments = fragments
        self._context_ids = context_ids

    def read_command(self) -> tuple[Request | Response, int]:
        """The next command set and the ID of its presentation context.

        Its data set, if it has one, must be read next. Raises `ProtocolViolation`.
        """
        command = bytearray()
        context_id = None
        while True:
            fragment = self._next()
            if not fragment.control & _COMMAND:
                raise _unexpected("data set without a command set")
            if context_id not in {None, fragment.context_id}:
                raise _unexpected("command set in two presentation contexts")
            if len(command) + len(fragment.view) > COMMAND_BYTES_MAX:
                raise ProtocolViolation(Abort.BY_SERVICE_USER, "command set above its limit")
            context_id = fragment.context_id
            command += fragment.view
            if fragment.ends_pdv and fragment.control & _LAST:
                return decode_command(command), context_id

    def read_data_set(self, context_id: int, write: Callable[[memoryview], None]) -> None:
        """Give every piece of the data set of the last command set to `write`.

        Raises `ProtocolViolation`.
        """
        while True:
            fragment = self._next()
            if fragment.control & _COMMAND:
                raise _unexpected("command set where a data set is due")
            if fragment.context_id != context_id:
                raise _unexpected("data set in another presentation context than its command set")
            write(fragment.view)
            if fragment.ends_pdv and fragment.control & _LAST:
                return

    def _next(self) -> Fragment:
        fragment = next(self._fragments)
        if fragment.context_id not in self._context_ids:
            raise ProtocolViolation(
                Abort.INVALID_PDU_PARAMETER, "PDV of a presentation context that is not accepted"
            )
        return fragment


def _unexpected(rule: str) -> ProtocolViolation:
    return ProtocolViolation(Abort.UNEXPECTED_PDU_PARAMETER, rule)
