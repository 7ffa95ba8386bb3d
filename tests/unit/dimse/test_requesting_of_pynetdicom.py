"""pynetdicom as the peer that we call: it stores, answers queries, and takes reports."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, evt

from ingestion.dimse.protocol.association_proposal import Proposal
from ingestion.dimse.protocol.commands import CommandField, encode_request
from ingestion.dimse.requestor.requesting import associate
from tests.builders import build_ct, data_set_bytes
from tests.scripted_peer import CT_IMAGE_STORAGE, EXPLICIT_LITTLE, IMPLICIT_LITTLE, VERIFICATION
from tests.unit.dimse.outgoing import Outgoing, destination

STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
COMMITMENT = "1.2.840.10008.1.20.1"
PENDING, SUCCESS, CANCEL = 0xFF00, 0x0000, 0xFE00


class Peer:
    """An AE of pynetdicom's, and what was told to it."""

    def __init__(self) -> None:
        self.stored: list[bytes] = []
        self.reported: list[tuple[int, str]] = []
        ae = AE("PEER")
        ae.add_supported_context(VERIFICATION)
        ae.add_supported_context(CT_IMAGE_STORAGE, [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
        ae.add_supported_context(STUDY_ROOT_FIND)
        ae.add_supported_context(COMMITMENT, scu_role=True, scp_role=True)
        server = ae.start_server(
            ("127.0.0.1", 0),
            block=False,
            evt_handlers=[
                (evt.EVT_C_STORE, self._store),
                (evt.EVT_C_FIND, self._find),
                (evt.EVT_N_EVENT_REPORT, self._report),
            ],
        )
        assert server is not None
        self._server = server
        self.port: int = server.server_address[1]

    def close(self) -> None:
        self._server.shutdown()

    def _store(self, event: Any) -> int:
        self.stored.append(event.request.DataSet.getvalue())
        return SUCCESS

    def _find(self, event: Any) -> Iterator[tuple[int, Dataset | None]]:
        for number in range(100):
            if event.is_cancelled:
                yield CANCEL, None
                return
            found = Dataset()
            found.QueryRetrieveLevel = "STUDY"
            found.StudyID = str(number)
            yield PENDING, found

    def _report(self, event: Any) -> tuple[int, None]:
        self.reported.append((event.event_type, event.event_information.TransactionUID))
        return SUCCESS, None


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer()
    yield peer
    peer.close()


def identifier(**values: str) -> bytes:
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return data_set_bytes(dataset, ImplicitVRLittleEndian)


def test_echo(peer: Peer) -> None:
    proposals = [Proposal(VERIFICATION, (IMPLICIT_LITTLE,))]
    with associate(
        destination(peer.port), calling_ae_title="US", proposals=proposals
    ) as association:
        assert association.echo().status == SUCCESS
        assert association.acceptance.implementation_version_name.startswith("PYNETDICOM")


@pytest.mark.parametrize("syntax", [IMPLICIT_LITTLE, EXPLICIT_LITTLE])
def test_store(peer: Peer, syntax: str) -> None:
    dataset = build_ct(transfer_syntax_uid=syntax, rows=300, columns=300)
    instance = Outgoing(
        data_set_bytes(dataset),
        sop_instance_uid=dataset.SOPInstanceUID,
        transfer_syntax_uid=syntax,
    )
    proposals = [Proposal(CT_IMAGE_STORAGE, (syntax,))]
    with associate(
        destination(peer.port), calling_ae_title="US", proposals=proposals
    ) as association:
        for _ in range(3):
            assert association.store(instance, context_id=1).status == SUCCESS
    assert peer.stored == [instance.data_set] * 3


def test_find_and_cancel(peer: Peer) -> None:
    proposals = [Proposal(STUDY_ROOT_FIND, (IMPLICIT_LITTLE,))]
    with associate(
        destination(peer.port), calling_ae_title="US", proposals=proposals
    ) as association:
        for is_cancelled in (False, True):
            message_id = association.next_message_id()
            command = encode_request(
                CommandField.C_FIND_RQ,
                message_id=message_id,
                sop_class_uid=STUDY_ROOT_FIND,
                has_data_set=True,
                priority=0,
            )
            question = identifier(QueryRetrieveLevel="STUDY", StudyID="")
            association.send(command, context_id=1, data_set=[question])
            answers = [association.receive_response(message_id)]
            if is_cancelled:
                cancel = encode_request(CommandField.C_CANCEL_RQ, message_id=message_id)
                association.send(cancel, context_id=1)
            while answers[-1].command.status == PENDING:
                answers.append(association.receive_response(message_id))
            assert answers[0].data_set == identifier(QueryRetrieveLevel="STUDY", StudyID="0")
            if is_cancelled:
                assert answers[-1].command.status in {CANCEL, SUCCESS}
            else:
                assert (len(answers), answers[-1].command.status) == (101, SUCCESS)


def test_report_as_scp(peer: Peer) -> None:
    proposals = [Proposal(COMMITMENT, (IMPLICIT_LITTLE,), as_scp=True)]
    with associate(
        destination(peer.port), calling_ae_title="US", proposals=proposals
    ) as association:
        assert association.contexts[1].peer_is_scu
        command = encode_request(
            CommandField.N_EVENT_REPORT_RQ,
            message_id=1,
            sop_class_uid=COMMITMENT,
            sop_instance_uid="1.2.840.10008.1.20.1.1",
            has_data_set=True,
            event_type_id=1,
        )
        association.send(command, context_id=1, data_set=[identifier(TransactionUID="1.2.3")])
        assert association.receive_response(1).command.status == SUCCESS
    assert peer.reported == [(1, "1.2.3")]
