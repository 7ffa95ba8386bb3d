"""C-MOVE: a study of big and of small instances, to one destination and to four at once."""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

from bench.archives import LargeStudy
from bench.dimse.query_retrieve import move_study
from bench.dimse.receiver import StoreReceiver
from bench.errors import NotMeasured
from bench.instances import BIG, SMALL, Size
from bench.peers.available import ORTHANC_POSTGRESQL, ORTHANC_SQLITE
from bench.peers.peer import Peer
from bench.retrievals import Retrieval, checked, measure_retrievals, rate_cell
from bench.senders.sent import Sent
from bench.workshop import Workshop

PART = "c-move"
GOALS = {ORTHANC_POSTGRESQL: 2.0, ORTHANC_SQLITE: 2.0}
DESTINATIONS = 4
Receivers = Mapping[str, StoreReceiver]


def measure_c_move(workshop: Workshop) -> None:
    """Measure every cell against every peer; they all send to the same receivers."""
    with ExitStack() as stack:
        receivers = {
            f"BENCH{number}": stack.enter_context(StoreReceiver()) for number in range(DESTINATIONS)
        }
        retrievals = [
            _retrieval(size, dict(list(receivers.items())[:destinations]))
            for size in (BIG, SMALL)
            for destinations in (1, DESTINATIONS)
        ]
        measure_retrievals(workshop, retrievals, prepare=partial(_introduce, receivers))


def _introduce(receivers: Receivers, peer: Peer) -> None:
    for ae_title, receiver in receivers.items():
        peer.introduce(ae_title, receiver.port)


def _retrieval(size: Size, receivers: Receivers) -> Retrieval:
    name = f"{size.name}, {len(receivers)} destination{'s' * (len(receivers) > 1)}"
    return Retrieval(rate_cell(PART, name, GOALS), size, partial(_move, receivers))


def _move(receivers: Receivers, peer: Peer, study: LargeStudy) -> Sent:
    """Have the whole study sent to every destination, each asked for by its own client."""
    for receiver in receivers.values():
        receiver.take_count()
    move = partial(move_study, peer, study.study_instance_uid)
    begun = time.perf_counter()
    with ThreadPoolExecutor(len(receivers)) as pool:
        moved = [pool.submit(move, destination=ae_title) for ae_title in receivers]
        completed = [future.result().count for future in moved]
    seconds = time.perf_counter() - begun
    if set(completed) != {study.instances.count}:
        raise NotMeasured(f"{peer.name} completed {completed}")
    return Sent(sum(_received(peer, study, one) for one in receivers.values()), seconds)


def _received(peer: Peer, study: LargeStudy, receiver: StoreReceiver) -> int:
    instances, data_set_bytes = receiver.take_count()
    return checked(peer, study, instances=instances, data_set_bytes=data_set_bytes)
