"""C-GET: a study of big and of small instances, by one client and by four at once.

Each client is a process: as threads they would wait for each other.
"""

import time
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

from bench.archives import LargeStudy
from bench.dimse.query_retrieve import get_study
from bench.instances import BIG, SMALL, Size
from bench.peers.available import ORTHANC_POSTGRESQL, ORTHANC_SQLITE
from bench.peers.peer import Peer
from bench.retrievals import Retrieval, checked, measure_retrievals, rate_cell
from bench.senders.sent import Sent
from bench.workshop import Workshop

PART = "c-get"
CLIENTS = 4
GOALS = {ORTHANC_POSTGRESQL: 2.0, ORTHANC_SQLITE: 2.0}


def measure_c_get(workshop: Workshop) -> None:
    """Measure every cell against every peer that is installed."""
    with ProcessPoolExecutor(CLIENTS, mp_context=get_context("spawn")) as pool:
        retrievals = [
            _retrieval(pool, size, clients=clients)
            for size in (BIG, SMALL)
            for clients in (1, CLIENTS)
        ]
        measure_retrievals(workshop, retrievals)


def _retrieval(pool: Executor, size: Size, *, clients: int) -> Retrieval:
    name = f"{size.name}, {clients} client{'s' * (clients > 1)}"
    return Retrieval(rate_cell(PART, name, GOALS), size, partial(_get, pool, clients=clients))


def _get(pool: Executor, peer: Peer, study: LargeStudy, *, clients: int) -> Sent:
    """Every client fetches the whole study."""
    begun = time.perf_counter()
    answers = list(pool.map(get_study, [peer] * clients, [study.study_instance_uid] * clients))
    seconds = time.perf_counter() - begun
    counts = (
        checked(peer, study, instances=answer.count, data_set_bytes=answer.data_set_bytes)
        for answer in answers
    )
    return Sent(sum(counts), seconds)
