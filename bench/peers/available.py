"""Which peers this machine can run, by the name that the report gives them."""

from bench.peers.orthanc import LARGEST_PDU_BYTES, Index, missing_for, orthanc_with
from bench.peers.ours import NAME, start_ours
from bench.peers.peer import StartPeer

OURS = NAME
ORTHANC_POSTGRESQL = f"Orthanc {Index.POSTGRESQL}"
ORTHANC_SQLITE = f"Orthanc {Index.SQLITE}"


def available_peers(*, orthanc_pdu_bytes_max: int = LARGEST_PDU_BYTES) -> dict[str, StartPeer]:
    """Ours, and each Orthanc that is installed."""
    return {OURS: start_ours} | {
        f"Orthanc {index}": orthanc_with(index, pdu_bytes_max=orthanc_pdu_bytes_max)
        for index in Index
        if not missing_for(index)
    }


def durable_peers() -> dict[str, StartPeer]:
    """Those that keep their index as durably as we do."""
    return {name: start for name, start in available_peers().items() if name != ORTHANC_SQLITE}
