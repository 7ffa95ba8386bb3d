"""Query/Retrieve as SCU: asks peers what they have, and to send it elsewhere.

Source: PS3.4 C.4.1 (C-FIND), C.4.2 (C-MOVE), C.6 (information models); PS3.7 9.1.2, 9.1.4.
"""

import enum
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from ingestion.dicom.attributes import Level
from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.status_texts import status_text
from ingestion.dicom.statuses import Status
from ingestion.dicom.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from ingestion.dimse.protocol.association_proposal import Proposal
from ingestion.dimse.protocol.commands import CommandField, Response, SubOperations, encode_request
from ingestion.dimse.protocol.identifiers import decode_identifier, encode_identifier
from ingestion.dimse.protocol.negotiation import AnsweredContext
from ingestion.dimse.requestor.requested_association import ReceivedResponse, RequestedAssociation
from ingestion.errors import IngestionError

_PENDING = frozenset({0xFF00, 0xFF01})
_SOME_KEYS_NOT_SUPPORTED = 0xFF01
_SYNTAXES = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)
_FAILED_SOP_INSTANCE_UID_LIST = "00080058"
_MEDIUM_PRIORITY = 0


class Root(enum.Enum):
    """Information models, with their SOP Classes for C-FIND and C-MOVE (PS3.4 C.6)."""

    PATIENT = ("1.2.840.10008.5.1.4.1.2.1.1", "1.2.840.10008.5.1.4.1.2.1.2")
    STUDY = ("1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.2.2.2")

    @property
    def find(self) -> str:
        """The SOP Class of C-FIND."""
        return self.value[0]

    @property
    def move(self) -> str:
        """The SOP Class of C-MOVE."""
        return self.value[1]


class NotServed(IngestionError):
    """A peer that does not offer what is asked, or answers it with a failure."""

    code = "not-served"


@dataclass(frozen=True, slots=True)
class Match:
    """What a peer found; it may say that some keys had no part in that (PS3.4 C.4.1.1.4)."""

    data_set: JsonDataSet
    are_all_keys_supported: bool


@dataclass(frozen=True, slots=True)
class MoveProgress:
    """What a peer says of a C-MOVE; `is_final` in its last word. Counts may be missing."""

    status: int
    counts: SubOperations
    is_final: bool
    comment: str = ""
    failed_sop_instance_uids: tuple[str, ...] = ()


def proposal_of(sop_class_uid: str) -> Proposal:
    """The one presentation context that a query needs."""
    return Proposal(sop_class_uid, _SYNTAXES)


def with_level(identifier: JsonDataSet, level: Level) -> JsonDataSet:
    """The identifier with its Query/Retrieve Level."""
    return {"00080052": {"vr": "CS", "Value": [level.name]}} | identifier


def find(
    association: RequestedAssociation, root: Root, identifier: JsonDataSet, *, matches_max: int
) -> Iterator[Match]:
    """The matches as they come, decoded; beyond `matches_max` the query is cancelled.

    Raises `NotServed` (then the association is released), `AssociationEnded`, and
    `MalformedDataSet` for what is no identifier.
    """
    query = _Query(association, root.find, CommandField.C_FIND_RQ)
    query.ask(identifier)
    matches = 0
    while (received := query.receive()).command.status in _PENDING:
        if matches == matches_max:
            query.cancel()
        elif matches < matches_max:
            yield Match(
                decode_identifier(received.data_set, query.context.transfer_syntax),
                are_all_keys_supported=received.command.status != _SOME_KEYS_NOT_SUPPORTED,
            )
        matches += 1
    if received.command.status not in {Status.SUCCESS, Status.CANCEL}:
        association.release()  # a refusal is no reason to abort
        raise NotServed(_refusal("C-FIND", received.command))


def move(
    association: RequestedAssociation, root: Root, identifier: JsonDataSet, *, destination: str
) -> Generator[MoveProgress, None, None]:
    """What the peer says while it sends, to its last word, whatever that is.

    Closing the iterator early cancels the retrieval and waits for the peer's last word.
    Raises `NotServed` when the peer does not offer C-MOVE, and `AssociationEnded`.
    """
    query = _Query(association, root.move, CommandField.C_MOVE_RQ)
    query.ask(identifier, move_destination=destination)
    is_final = False
    try:
        while not is_final:
            received = query.receive()
            is_final = received.command.status not in _PENDING
            yield _progress(received, query.context, is_final=is_final)
    finally:
        if association.is_open and not is_final:
            query.cancel()
            while query.receive().command.status in _PENDING:
                pass


class _Query:
    """One request with an Identifier and its responses."""

    def __init__(
        self, association: RequestedAssociation, sop_class_uid: str, command: CommandField
    ) -> None:
        context = association.context_for(sop_class_uid)
        if context is None:
            reasons = ", ".join(set(association.acceptance.refusals.values())) or "no reason given"
            association.release()
            raise NotServed(f"the peer accepted the association, but not the query: {reasons}")
        self.context: AnsweredContext = context
        self._association = association
        self._command = command
        self._message_id = association.next_message_id()

    def ask(self, identifier: JsonDataSet, *, move_destination: str = "") -> None:
        """Send the request."""
        command = encode_request(
            self._command,
            message_id=self._message_id,
            sop_class_uid=self.context.abstract_syntax,
            has_data_set=True,
            priority=_MEDIUM_PRIORITY,
            move_destination=move_destination,
        )
        encoded = encode_identifier(identifier, self.context.transfer_syntax)
        self._association.send(command, context_id=self.context.context_id, data_set=[encoded])

    def receive(self) -> ReceivedResponse:
        """The next response."""
        return self._association.receive_response(self._message_id)

    def cancel(self) -> None:
        """Ask the peer to stop; it still has the last word (PS3.7 9.3.2.3)."""
        command = encode_request(CommandField.C_CANCEL_RQ, message_id=self._message_id)
        self._association.send(command, context_id=self.context.context_id)


def _progress(
    received: ReceivedResponse, context: AnsweredContext, *, is_final: bool
) -> MoveProgress:
    failed: list[str] = []
    if received.data_set:
        data_set = decode_identifier(received.data_set, context.transfer_syntax)
        failed = data_set.get(_FAILED_SOP_INSTANCE_UID_LIST, {}).get("Value", [])
    return MoveProgress(
        status=received.command.status,
        counts=received.command.sub_operations or SubOperations(),
        is_final=is_final,
        comment=received.command.error_comment,
        failed_sop_instance_uids=tuple(uid for uid in failed if uid),
    )


def _refusal(name: str, response: Response) -> str:
    comment = f" ({response.error_comment})" if response.error_comment else ""
    return f"the peer answered {name} with status {status_text(response.status)}{comment}"
