"""What keeps a retrieval from beginning, by status: PS3.4 Tables C.4-2 and C.4-3, restated."""

from collections import Counter
from collections.abc import Iterator

import pytest

from ingestion.dimse.database_use import close_idle_connections
from ingestion.dimse.journal.tally import Tally
from ingestion.dimse.protocol.commands import CommandField, Request
from ingestion.dimse.protocol.negotiation import AnsweredContext, ContextResult
from ingestion.dimse.protocol.supported_services import Service
from ingestion.dimse.services.instance_supply import InstanceSupply
from ingestion.dimse.services.operations import Conversation, Desk, Link, Message
from ingestion.dimse.services.retrieval import Asked, DestinationUnknown, begin_retrieval
from ingestion.errors import (
    DatabaseUnavailable,
    IngestionError,
    MalformedDataSet,
    Misconfigured,
    Unavailable,
)
from ingestion.models import StorageSpace
from tests.command_sets import decode_response
from tests.integration.dimse.retrieving import STUDY_ROOT_GET, STUDY_ROOT_MOVE
from tests.scripted_peer import IMPLICIT_LITTLE
from tests.unit.dimse.custodian import Custodian

REFUSALS: dict[type[IngestionError], int] = {
    Unavailable: 0xA701,
    DatabaseUnavailable: 0xA701,
    DestinationUnknown: 0xA801,
    Misconfigured: 0xC000,
    MalformedDataSet: 0xC000,
}


class Unprepared:
    """A courier that cannot begin."""

    def __init__(self, error: IngestionError) -> None:
        self._error = error

    def prepare(self) -> None:
        raise self._error

    def send(self, _supply: InstanceSupply, _link: Link) -> Iterator[Message]:
        raise AssertionError("nothing is to be sent")


@pytest.fixture(autouse=True)
def _connections_end() -> Iterator[None]:
    yield
    close_idle_connections()


def asked(space: StorageSpace, sop_class_uid: str = STUDY_ROOT_MOVE) -> Asked:
    request = Request(CommandField.C_MOVE_RQ, 7, sop_class_uid, "", has_data_set=True)
    context = AnsweredContext(
        1, STUDY_ROOT_MOVE, IMPLICIT_LITTLE, ContextResult.ACCEPTANCE, Service.MOVE
    )
    conversation = Conversation("id", "MODALITY", "INGEST", "127.0.0.1", space)
    tally = Tally(operations=Counter())
    return Asked(request, context, Desk(conversation, tally, Custodian().take, 1 << 20))


@pytest.mark.parametrize("kind", REFUSALS, ids=lambda kind: kind.__name__)
def test_each_error_has_its_status(space: StorageSpace, kind: type[IngestionError]) -> None:
    operation = begin_retrieval(asked(space), Unprepared(kind("said in words")))  # type: ignore[arg-type]
    (message,) = operation.answers(None)  # type: ignore[arg-type]
    response = decode_response(message.command_set)
    assert (response.status, response.error_comment) == (REFUSALS[kind], "said in words")
    assert (response.message_id, response.sub_operations) == (7, None)


def test_sop_class_is_that_of_the_context(space: StorageSpace) -> None:
    courier = Unprepared(Misconfigured("not asked"))
    operation = begin_retrieval(asked(space, STUDY_ROOT_GET), courier)  # type: ignore[arg-type]
    operation.write(memoryview(b"an identifier"))
    (message,) = operation.answers(None)  # type: ignore[arg-type]
    assert decode_response(message.command_set).status == 0x0122
