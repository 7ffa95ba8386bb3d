"""STOW-RS: big and small instances, one and many per request, one and four clients."""

from functools import partial

from bench.figures import RATE, Cell
from bench.instances import BIG, SMALL, Size
from bench.peers.available import ORTHANC_POSTGRESQL, durable_peers
from bench.rates import RateCell, measure_rates
from bench.senders.stow import send_with_stow
from bench.workshop import Workshop

PART = "stow"
COUNTS = {BIG: 800, SMALL: 2000}
QUICK_COUNT = 400
# (size, instances per request) → times Orthanc with PostgreSQL.
GOALS = {(BIG, 25): 1.5, (SMALL, 25): 3.0, (BIG, 1): 1.1, (SMALL, 1): 1.1}


def measure_stow(workshop: Workshop) -> None:
    """Measure every cell against Orthanc with PostgreSQL."""
    counts = dict.fromkeys(COUNTS, QUICK_COUNT) if workshop.is_quick else COUNTS
    cells = [
        _cell(size, counts[size], per_request=per_request, clients=clients)
        for size, per_request in GOALS
        for clients in (1, 4)
    ]
    measure_rates(workshop, cells, peers=durable_peers())


def _cell(size: Size, count: int, *, per_request: int, clients: int) -> RateCell:
    name = f"{size.name}, {per_request} per request, {clients} client{'s' * (clients > 1)}"
    goals = ((ORTHANC_POSTGRESQL, GOALS[size, per_request]),)
    send = partial(send_with_stow, clients=clients, instances_per_request=per_request)
    return RateCell(Cell(PART, name, RATE, goals), size, count, send)
