"""The Query/Retrieve Service Class as SCP of C-GET: objects return on the same association.

Source: PS3.4 C.4.3; PS3.7 9.1.3 and 9.3.3; PS3.4 B.2 (the C-STORE sub-operations).
"""

from collections import defaultdict
from collections.abc import Callable, Generator, Mapping
from functools import partial
from itertools import cycle

import structlog

from ingestion.dimse.protocol.commands import CommandField, Request, encode_request
from ingestion.dimse.protocol.negotiation import AnsweredContext
from ingestion.dimse.protocol.outgoing_data_sets import OutgoingInstance, opened_data_set
from ingestion.dimse.protocol.supported_services import Service
from ingestion.dimse.protocol.upper_layer import Abort, AssociationEnded, ProtocolViolation
from ingestion.dimse.requestor.presented_instances import instance_in
from ingestion.dimse.services.instance_supply import InstanceSupply
from ingestion.dimse.services.operations import (
    Cancelled,
    Desk,
    Link,
    Message,
    Operation,
    end_if_cancelled,
)
from ingestion.dimse.services.read_ahead import in_background, result_of
from ingestion.dimse.services.retrieval import Asked, begin_retrieval
from ingestion.dimse.services.retrieval_progress import Pace
from ingestion.errors import IngestionError, NotAcceptable
from ingestion.models import StorageSpace
from ingestion.use_cases.retrieve_instances import HeldInstance

log = structlog.get_logger(__name__)

_MESSAGE_ID_MAX = 0xFFFF


def begin_get(request: Request, context: AnsweredContext, desk: Desk) -> Operation:
    """Send what the Identifier names over the association on which it came. Raises nothing."""
    asked = Asked(request, context, desk)
    return begin_retrieval(asked, _SameAssociation(asked))


class _SameAssociation:
    """Sends over the contexts in which the peer took the role of SCP (PS3.7 D.3.3.4)."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked

    def prepare(self) -> None:
        """Nothing is needed."""

    def send(self, supply: InstanceSupply, link: Link) -> Generator[Message, None, bool]:
        """Send one after the other, as far as the peer has contexts for them."""
        outlets = _Outlets(link.contexts, self._asked.desk.conversation.storage_space)
        look = partial(end_if_cancelled, link)
        pace = Pace()
        message_ids = cycle(range(1, _MESSAGE_ID_MAX + 1))
        try:
            while (instance := supply.take(look)) is not None:
                if pace.is_due():
                    yield self._asked.pending(supply.progress)
                self._send_one(
                    instance, outlets, supply=supply, link=link, message_id=next(message_ids)
                )
        except Cancelled:
            return True
        return False

    def _send_one(
        self,
        instance: HeldInstance,
        outlets: "_Outlets",
        *,
        supply: InstanceSupply,
        link: Link,
        message_id: int,
    ) -> None:
        tally, progress = self._asked.desk.tally, supply.progress
        try:
            end_if_cancelled(link)
            outgoing = outlets.presented(instance, partial(end_if_cancelled, link))
            size_bytes = self._send_request(outgoing, outlets, link=link, message_id=message_id)
        except Cancelled:
            supply.put_back(instance)
            raise
        except AssociationEnded:
            raise
        except IngestionError as error:
            log.warning(
                "instance not sent",
                sop_instance_uid=instance.sop_instance_uid,
                code=error.code,
                reason=str(error),
            )
            progress.failed(instance.sop_instance_uid, str(error))
            return
        response = link.receive_response()
        if response.message_id != message_id:
            raise ProtocolViolation(Abort.BY_SERVICE_USER, "a response to another request")
        tally.instances_sent += 1
        tally.bytes_sent += size_bytes
        progress.sent(response.status, instance.sop_instance_uid)

    def _send_request(
        self, outgoing: OutgoingInstance, outlets: "_Outlets", *, link: Link, message_id: int
    ) -> int:
        """Send a C-STORE-RQ; tells how many bytes the data set has."""
        command_set = encode_request(
            CommandField.C_STORE_RQ,
            message_id=message_id,
            sop_class_uid=outgoing.sop_class_uid,
            sop_instance_uid=outgoing.sop_instance_uid,
            has_data_set=True,
            priority=self._asked.request.priority,
        )
        with opened_data_set(outgoing) as data_set:
            link.send(Message(command_set, data_set, outlets.context_id(outgoing)))
        return outgoing.size_bytes - outgoing.data_set_offset


class _Outlets:
    """The contexts of an association in which the peer takes objects."""

    def __init__(self, contexts: Mapping[int, AnsweredContext], space: StorageSpace) -> None:
        self._space = space
        self._ids: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for context in contexts.values():
            if context.service is Service.STORE and context.peer_is_scp:
                syntaxes = self._ids[context.abstract_syntax]
                syntaxes.setdefault(context.transfer_syntax, context.context_id)

    def presented(self, instance: HeldInstance, check: Callable[[], None]) -> OutgoingInstance:
        """The instance in a form for one of them; `check` is called while one is made.

        Raises as `instance_in`, `NotAcceptable`.
        """
        accepted = self._ids.get(instance.sop_class_uid)
        if not accepted:
            raise NotAcceptable("the peer has no context as SCP for its SOP Class")
        if instance.transfer_syntax_uid in accepted:
            return instance
        making = in_background(self._space, partial(instance_in, instance, accepted))
        return result_of(making, check)

    def context_id(self, outgoing: OutgoingInstance) -> int:
        """The context for a form that `presented` returned."""
        return self._ids[outgoing.sop_class_uid][outgoing.transfer_syntax_uid]
