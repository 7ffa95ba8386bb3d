"""Measures how many instances a second each peer takes: fresh servers, in turns, all verified."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from bench.errors import NotMeasured
from bench.figures import Cell
from bench.instances import InstanceSet, Size
from bench.peers.peer import Peer, StartPeer
from bench.processes import processor_seconds
from bench.senders.sent import Sent
from bench.workshop import Workshop, settle_the_disk

# Of the server and its database, until everything can be searched.
CPU = "ms CPU/instance"
WARM_UP_INSTANCES = 100
HELD_SECONDS_MAX = 120.0
# Seldom, since asking costs processor time that is counted.
POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class RateCell:
    """One way of sending: what is sent, how, and where the result goes."""

    cell: Cell
    size: Size
    instances: int
    send: Callable[[InstanceSet, Peer], Sent]


def measure_rates(
    workshop: Workshop, cells: Sequence[RateCell], *, peers: Mapping[str, StartPeer]
) -> None:
    """Measure every cell with every peer, round by round; odd rounds go the other way round."""
    part = cells[0].cell.part
    task = workshop.progress.add_task(part, total=workshop.rounds * len(cells) * len(peers))
    for number in range(workshop.rounds):
        for cell in cells:
            for name in sorted(peers, reverse=bool(number % 2)):
                with workshop.attempt(f"{part}, {cell.cell.name}, {name}"):
                    _measure(workshop, cell, name=name, start=peers[name])
                workshop.progress.advance(task)


def _measure(workshop: Workshop, cell: RateCell, *, name: str, start: StartPeer) -> None:
    instances = workshop.instances(cell.size, number=cell.instances)
    warm_up = workshop.warm_up_instances(WARM_UP_INSTANCES)
    with start(workshop.fresh_folder(name)) as peer:
        _send_and_verify(cell, warm_up, peer=peer)
        settle_the_disk()
        before = processor_seconds(peer.pids)
        sent = _send_and_verify(cell, instances, peer=peer)
        used = processor_seconds(peer.pids) - before
    workshop.add(cell.cell, name, sent.acknowledged / sent.seconds)
    workshop.add(replace(cell.cell, unit=CPU, goals=()), name, used * 1000 / sent.acknowledged)


def _send_and_verify(cell: RateCell, instances: InstanceSet, *, peer: Peer) -> Sent:
    """Send, and prove that everything was acknowledged and is held. Raises `NotMeasured`."""
    before = peer.instances_held()
    sent = cell.send(instances, peer)
    if sent.acknowledged != instances.count:
        raise NotMeasured(f"acknowledged {sent.acknowledged} of {instances.count}")
    wait_until_held(before + instances.count, peer=peer)
    return sent


def wait_until_held(expected: int, *, peer: Peer) -> None:
    """Raises `NotMeasured` when the peer does not hold so many in time."""
    deadline = time.monotonic() + HELD_SECONDS_MAX
    while (held := peer.instances_held()) < expected:
        if time.monotonic() > deadline:
            raise NotMeasured(f"holds {held} of {expected} acknowledged")
        time.sleep(POLL_SECONDS)
