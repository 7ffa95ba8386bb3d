"""Peers that ask for storage commitment and are told, as pynetdicom plays them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian
from pynetdicom import AE, build_role, evt
from pynetdicom.association import Association
from pynetdicom.events import Event

from tests.dicom_peers import call

PUSH = UID("1.2.840.10008.1.20.1")
PUSH_INSTANCE = UID("1.2.840.10008.1.20.1.1")
CT = "1.2.840.10008.5.1.4.1.1.2"


@dataclass
class Told:
    """The reports that a peer got; it answers them with `status`."""

    status: int = 0x0000
    reports: list[tuple[int | None, Dataset]] = field(default_factory=list)
    requestors: list[str] = field(default_factory=list)

    def take(self, event: Event) -> tuple[int, None]:
        self.reports.append((event.event_type, event.event_information))
        self.requestors.append(event.assoc.requestor.ae_title)
        return self.status, None

    def committed(self) -> list[str]:
        return [item.ReferencedSOPInstanceUID for item in self._last("ReferencedSOPSequence")]

    def failed(self) -> dict[str, int]:
        return {
            item.ReferencedSOPInstanceUID: item.FailureReason
            for item in self._last("FailedSOPSequence")
        }

    def _last(self, keyword: str) -> list[Dataset]:
        return list(self.reports[-1][1].get(keyword, ()))


def wanted(*uids: str, transaction_uid: str = "1.2.9", sop_class: str = CT) -> Dataset:
    """Action Information for these SOP Instances."""
    data_set = Dataset()
    data_set.TransactionUID = transaction_uid
    data_set.ReferencedSOPSequence = []
    for uid in uids:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
        data_set.ReferencedSOPSequence.append(item)
    return data_set


@contextmanager
def associated(port: int, told: Told) -> Iterator[Association]:
    """MODALITY's association with INGEST, on which it can be told."""
    peer = AE("MODALITY")
    peer.add_requested_context(PUSH, ExplicitVRLittleEndian)
    association = call(peer, port, handlers=[(evt.EVT_N_EVENT_REPORT, told.take)])
    try:
        yield association
    finally:
        if association.is_established:
            association.release()


def ask(association: Association, data_set: Dataset, *, action_type: int = 1) -> int:
    """The status of the N-ACTION-RSP."""
    status, _ = association.send_n_action(data_set, action_type, PUSH, PUSH_INSTANCE)
    return int(status.Status)


@contextmanager
def listening(told: Told, *, port: int = 0) -> Iterator[int]:
    """MODALITY waits to be told on associations of ours; at this port."""
    peer = AE("MODALITY")
    peer.add_supported_context(PUSH, scu_role=False, scp_role=True)
    server = peer.start_server(
        ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, told.take)]
    )
    assert server is not None
    assert server.socket is not None
    try:
        yield server.socket.getsockname()[1]
    finally:
        server.shutdown()


def report(port: int, event_type: int, data_set: Dataset, *, calling: str = "ARCHIVE") -> int:
    """Tell INGEST a result on an association where the caller is the SCP; the status."""
    peer = AE(calling)
    peer.add_requested_context(PUSH)
    role = build_role(PUSH, scp_role=True)
    association = call(peer, port, ext_neg=[role])
    try:
        status, _ = association.send_n_event_report(data_set, event_type, PUSH, PUSH_INSTANCE)
        return int(status.Status)
    finally:
        association.release()
