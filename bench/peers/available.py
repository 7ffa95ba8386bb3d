"""Which peers this machine can run, by the name that the report gives them."""

from bench.peers.orthanc import Index, missing_for, orthanc_with
from bench.peers.ours import NAME, start_ours
from bench.peers.peer import StartPeer

OURS = NAME
ORTHANC_POSTGRESQL = f"Orthanc {Index.POSTGRESQL}"
ORTHANC_SQLITE = f"Orthanc {Index.SQLITE}"


def available_peers() -> dict[str, StartPeer]:
    """Ours, and each Orthanc that is installed."""
    installed = [index for index in Index if not missing_for(index)]
    return {OURS: start_ours} | {f"Orthanc {index}": orthanc_with(index) for index in installed}


def durable_peers() -> dict[str, StartPeer]:
    """Those that keep their index as durably as we do."""
    return {name: start for name, start in available_peers().items() if name != ORTHANC_SQLITE}
