"""The Query/Retrieve Service Class as SCP of C-MOVE: objects go to a destination that we know.

Source: PS3.4 C.4.2; PS3.7 9.1.4 and 9.3.4; PS3.4 B.2 (the C-STORE sub-operations).
"""

from collections.abc import Generator

from ingestion.dimse.protocol.commands import Request
from ingestion.dimse.protocol.negotiation import AnsweredContext
from ingestion.dimse.requestor.presented_instances import instance_in
from ingestion.dimse.requestor.requesting import Destination, destination_of
from ingestion.dimse.requestor.sub_associations import InstanceSender
from ingestion.dimse.services.instance_supply import InstanceSupply
from ingestion.dimse.services.operations import Desk, Link, Message, Operation
from ingestion.dimse.services.retrieval import Asked, DestinationUnknown, begin_retrieval
from ingestion.dimse.services.retrieval_progress import PENDING_SECONDS_MIN, Pace
from ingestion.dimse.services.sending_crew import SendingCrew
from ingestion.models import RemoteApplicationEntity
from ingestion.use_cases.retrieve_instances import HeldInstance


def begin_move(request: Request, context: AnsweredContext, desk: Desk) -> Operation:
    """Send what the Identifier names to the Move Destination. Raises nothing."""
    asked = Asked(request, context, desk)
    return begin_retrieval(asked, _ToDestination(asked))


class _ToDestination:
    """Sends over associations of ours with the destination."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._destination: Destination | None = None

    def prepare(self) -> None:
        """Look the Move Destination up. Raises `DestinationUnknown`."""
        found = RemoteApplicationEntity.objects.filter(
            ae_title=self._asked.request.move_destination,
            is_enabled=True,
            port__isnull=False,
        ).exclude(host="")
        remote = found.order_by("pk").first()
        if remote is None:
            raise DestinationUnknown("no such destination, or it has no address")
        self._destination = destination_of(remote)

    def send(self, supply: InstanceSupply, link: Link) -> Generator[Message, None, bool]:
        """Let a crew send; report and look for a cancel meanwhile."""
        if not len(supply):
            return False
        crew = SendingCrew(supply, self._senders(supply))
        pace = Pace()
        try:
            crew.start()
            while not crew.wait(PENDING_SECONDS_MIN):
                if link.is_cancelled():
                    return True
                if pace.is_due():
                    yield self._asked.pending(supply.progress)
        finally:
            crew.stop()
        return False

    def _senders(self, supply: InstanceSupply) -> list[InstanceSender[HeldInstance]]:
        assert self._destination is not None, "prepared before anything is sent"
        conversation, request = self._asked.desk.conversation, self._asked.request
        amount = min(self._destination.associations_max, len(supply))
        return [
            InstanceSender(
                self._destination,
                calling_ae_title=conversation.called_ae_title,
                kinds=supply.kinds,
                present=instance_in,
                priority=request.priority,
                move_originator=(conversation.calling_ae_title, request.message_id),
            )
            for _ in range(amount)
        ]
