"""Lets peers take turns: each begins afresh in every round, and none is always the first."""

from collections.abc import Callable, Mapping

from bench.peers.peer import Peer, StartPeer
from bench.workshop import Workshop


def take_turns(
    workshop: Workshop,
    part: str,
    *,
    peers: Mapping[str, StartPeer],
    measure: Callable[[Peer], None],
) -> None:
    """Measure every peer in every round; odd rounds go the other way round.

    A peer that cannot be measured fails alone, and the report says why.
    """
    task = workshop.progress.add_task(part, total=workshop.rounds * len(peers))
    for number in range(workshop.rounds):
        for name in sorted(peers, reverse=bool(number % 2)):
            with (
                workshop.attempt(f"{part}, {name}"),
                peers[name](workshop.fresh_folder(name)) as peer,
            ):
                measure(peer)
            workshop.progress.advance(task)
