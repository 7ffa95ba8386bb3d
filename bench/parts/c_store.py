"""C-STORE: big and small instances, 1 and 4 associations, senders with and without Nagle."""

from functools import partial

from bench.figures import RATE, Cell
from bench.instances import BIG, SMALL, Size
from bench.peers.available import ORTHANC_POSTGRESQL, ORTHANC_SQLITE, available_peers
from bench.peers.orthanc import INSTALLED_PDU_BYTES
from bench.rates import RateCell, measure_rates
from bench.senders.storescu import send_with_storescu
from bench.workshop import Workshop

PART = "c-store"
COUNTS = {BIG: 1000, SMALL: 2000}
QUICK_COUNT = 400
# Nagle's algorithm lets a peer take some 20 a second.
NAGLE_COUNT = 200
GOALS = {ORTHANC_POSTGRESQL: 2.5, ORTHANC_SQLITE: 1.2}
GOALS_WITH_NAGLE = {ORTHANC_POSTGRESQL: 8.0, ORTHANC_SQLITE: 8.0}


def measure_c_store(workshop: Workshop) -> None:
    """Measure every cell against every peer that is installed."""
    counts = dict.fromkeys(COUNTS, QUICK_COUNT) if workshop.is_quick else COUNTS
    cells = [
        _cell(size, counts[size], associations=associations)
        for size in (BIG, SMALL)
        for associations in (1, 4)
    ]
    measure_rates(workshop, cells, peers=available_peers())
    # Nobody tuned anything: larger PDUs would spare Orthanc some of the waits.
    untuned = available_peers(orthanc_pdu_bytes_max=INSTALLED_PDU_BYTES)
    measure_rates(workshop, [_cell_with_nagle(size) for size in (BIG, SMALL)], peers=untuned)


def _cell(size: Size, count: int, *, associations: int) -> RateCell:
    plural = "s" if associations > 1 else ""
    name = f"{size.name}, {associations} association{plural}"
    send = partial(send_with_storescu, associations=associations, is_nagle_off=True)
    return RateCell(Cell(PART, name, RATE, tuple(GOALS.items())), size, count, send)


def _cell_with_nagle(size: Size) -> RateCell:
    name = f"{size.name}, 1 association, sender with Nagle"
    send = partial(send_with_storescu, associations=1, is_nagle_off=False)
    return RateCell(
        Cell(PART, name, RATE, tuple(GOALS_WITH_NAGLE.items())), size, NAGLE_COUNT, send
    )
