"""A C-STORE sender that holds nothing: it takes the data set in pieces and writes PDUs.

For objects larger than memory, and for one object at a time with exact times.
Source: PS3.7 9.3.1 (C-STORE).
"""

from collections.abc import Iterable

from bench.dimse.association import Association
from bench.dimse.encoding import DATA_SET_PRESENT, Command, Element, Proposal, command_set
from bench.peers.peer import Peer

CONTEXT_ID = 1


class StoreAssociation(Association):
    """One association for one SOP Class and transfer syntax. Leaving the context releases it."""

    def __init__(self, peer: Peer, *, sop_class_uid: str, transfer_syntax_uid: str) -> None:
        """Associate. Raises `NotMeasured` when the peer refuses."""
        super().__init__(peer, [Proposal(sop_class_uid, transfer_syntax_uid)])
        self._sop_class_uid = sop_class_uid

    def store(self, sop_instance_uid: str, data_set: Iterable[bytes]) -> int:
        """Send one object and return the status of the answer (0 is success)."""
        command = command_set(
            {
                Element.AFFECTED_SOP_CLASS_UID: self._sop_class_uid,
                Element.COMMAND_FIELD: Command.STORE_RQ,
                Element.MESSAGE_ID: self.next_message_id(),
                Element.PRIORITY: 0,
                Element.DATA_SET_TYPE: DATA_SET_PRESENT,
                Element.AFFECTED_SOP_INSTANCE_UID: sop_instance_uid,
            }
        )
        self.send(CONTEXT_ID, command, data_set)
        return self.receive().number(Element.STATUS)
