"""Peak memory of every process of ours while one object of 2 GB arrives."""

import time
from collections.abc import Callable
from itertools import chain

from bench.errors import NotMeasured
from bench.figures import Cell
from bench.http import client_of
from bench.peers.available import OURS
from bench.peers.ours import run_ours
from bench.peers.peer import Peer
from bench.processes import peak_megabytes, reset_peaks
from bench.senders import stow
from bench.senders.huge import SOP_CLASS_UID, TRANSFER_SYNTAX_UID, HugeInstance, new_huge_instance
from bench.senders.scripted_store import StoreAssociation
from bench.workshop import Workshop
from ingestion.embedded.processes import wait_until

PART = "memory"
PIXEL_BYTES = 1 << 31
QUICK_PIXEL_BYTES = 1 << 29
PEAK_MEGABYTES_MAX = 250.0
HELD_SECONDS_MAX = 60.0


def measure_memory(workshop: Workshop) -> None:
    """Send one huge object by each way in; once, since peaks hardly vary."""
    pixel_bytes = QUICK_PIXEL_BYTES if workshop.is_quick else PIXEL_BYTES
    task = workshop.progress.add_task(PART, total=len(WAYS))
    with (
        workshop.attempt(f"{PART}, start"),
        run_ours(workshop.fresh_folder("memory")) as run,
    ):
        (supervisor,) = run.peer.pids
        for way, send in WAYS.items():
            with workshop.attempt(f"{PART}, {way}"):
                reset_peaks(supervisor)
                seconds = _send_and_verify(send, run.peer, pixel_bytes=pixel_bytes)
                title = f"{pixel_bytes / (1 << 30):g} GiB by {way}"
                workshop.add(Cell(PART, title, "MB/s"), OURS, pixel_bytes / seconds / 1e6)
                for process, peak in sorted(peak_megabytes(supervisor).items()):
                    goals = ((OURS, PEAK_MEGABYTES_MAX),)
                    workshop.add(Cell(PART, f"{title}, {process}", "MB", goals), OURS, peak)
            workshop.progress.advance(task)


def _send_and_verify(
    send: Callable[[Peer, HugeInstance], None], peer: Peer, *, pixel_bytes: int
) -> float:
    """Seconds until the acknowledgement. Raises `NotMeasured`, also when it is not held."""
    instance = new_huge_instance(pixel_bytes)
    expected = peer.instances_held() + 1
    begun = time.perf_counter()
    send(peer, instance)
    seconds = time.perf_counter() - begun
    if not wait_until(lambda: peer.instances_held() >= expected, within_seconds=HELD_SECONDS_MAX):
        raise NotMeasured("acknowledged, but not held")
    return seconds


def _by_c_store(peer: Peer, instance: HugeInstance) -> None:
    with StoreAssociation(
        peer, sop_class_uid=SOP_CLASS_UID, transfer_syntax_uid=TRANSFER_SYNTAX_UID
    ) as association:
        status = association.store(instance.sop_instance_uid, instance.data_set())
    if status:
        raise NotMeasured(f"C-STORE was answered 0x{status:04X}")


def _by_stow(peer: Peer, instance: HugeInstance) -> None:
    length = len(stow.PART_HEADER) + instance.length + len(stow.END)
    body = chain((stow.PART_HEADER,), instance.file(), (stow.END,))
    with client_of(peer) as client:
        if stow.store(client, peer, body=body, length=length) != 1:
            raise NotMeasured("STOW-RS did not store it")


WAYS: dict[str, Callable[[Peer, HugeInstance], None]] = {
    "C-STORE": _by_c_store,
    "STOW-RS": _by_stow,
}
