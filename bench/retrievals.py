"""Measures how many instances a second each peer sends: filled once, then asked in every way."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from bench.archives import LargeStudy, write_large_study
from bench.errors import NotMeasured
from bench.figures import RATE, Cell
from bench.instances import BIG, SMALL, Size
from bench.peers.available import available_peers
from bench.peers.peer import Peer
from bench.processes import processor_seconds
from bench.rates import CPU, wait_until_held
from bench.senders.sent import Sent
from bench.senders.stow import send_with_stow
from bench.turns import take_turns
from bench.workshop import Workshop, settle_the_disk

INSTANCES, QUICK_INSTANCES = 1000, 200
INSTANCES_PER_REQUEST = 25
DATA_SET_SHARE_MIN = 0.99  # of a file: without preamble and meta information
Retrieve = Callable[[Peer, LargeStudy], Sent]


@dataclass(frozen=True, slots=True)
class Retrieval:
    """One way of retrieving a study; `retrieve` tells what arrived, and how long that took."""

    cell: Cell
    size: Size
    retrieve: Retrieve


def measure_retrievals(
    workshop: Workshop,
    retrievals: Sequence[Retrieval],
    *,
    prepare: Callable[[Peer], None] = lambda _: None,
) -> None:
    """Fill each peer, then retrieve in every way, round by round, in turns."""
    part = retrievals[0].cell.part
    studies = _studies(workshop)

    def measure(peer: Peer) -> None:
        prepare(peer)
        _fill(peer, studies)
        for retrieval in retrievals:
            with workshop.attempt(f"{part}, {retrieval.cell.name}, {peer.name}"):
                _measure(workshop, retrieval, peer, studies[retrieval.size])

    take_turns(workshop, part, peers=available_peers(), measure=measure)


def checked(peer: Peer, study: LargeStudy, *, instances: int, data_set_bytes: int) -> int:
    """How many instances came. Raises `NotMeasured` unless it was all of the study, once."""
    expected = study.instances.count
    bytes_min = expected * study.instances.size.file_bytes * DATA_SET_SHARE_MIN
    if instances != expected or not bytes_min <= data_set_bytes <= bytes_min / DATA_SET_SHARE_MIN:
        raise NotMeasured(f"{peer.name} sent {instances} of {expected}, {data_set_bytes} bytes")
    return instances


def rate_cell(part: str, name: str, goals: Mapping[str, float]) -> Cell:
    """A cell of instances a second."""
    return Cell(part, name, RATE, tuple(goals.items()))


def _studies(workshop: Workshop) -> dict[Size, LargeStudy]:
    count = QUICK_INSTANCES if workshop.is_quick else INSTANCES
    return {
        size: write_large_study(workshop.fresh_folder(f"study {size.name}"), size, count=count)
        for size in (SMALL, BIG)
    }


def _fill(peer: Peer, studies: Mapping[Size, LargeStudy]) -> None:
    for study in studies.values():
        send_with_stow(
            study.instances, peer, clients=1, instances_per_request=INSTANCES_PER_REQUEST
        )
    wait_until_held(sum(study.instances.count for study in studies.values()), peer=peer)
    settle_the_disk()


def _measure(workshop: Workshop, retrieval: Retrieval, peer: Peer, study: LargeStudy) -> None:
    """After a warm-up: pages of files and database are in memory for all alike."""
    retrieval.retrieve(peer, study)
    before = processor_seconds(peer.pids)
    received = retrieval.retrieve(peer, study)
    used = processor_seconds(peer.pids) - before
    workshop.add(retrieval.cell, peer.name, received.acknowledged / received.seconds)
    cell = replace(retrieval.cell, unit=CPU, goals=())
    workshop.add(cell, peer.name, used * 1000 / received.acknowledged)
