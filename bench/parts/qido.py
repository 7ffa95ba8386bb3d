"""QIDO-RS: a page of studies as viewers ask for it, at 1,000 studies and at 100,000.

Orthanc is compared at 1,000 studies, which were really stored; how we grow is measured on generated
rows, for 1,000,000 instances would take hours to store.
"""

from collections.abc import Iterator, Mapping
from statistics import median

from bench.archives import write_many_studies
from bench.curl import fetch
from bench.figures import REQUESTS, Cell
from bench.generated_rows import generate_studies
from bench.instances import InstanceSet
from bench.peers.available import ORTHANC_POSTGRESQL, OURS, durable_peers
from bench.peers.ours import OwnRun, run_ours
from bench.peers.peer import Peer
from bench.senders.stow import send_with_stow
from bench.workshop import Workshop, settle_the_disk

PART = "qido"
STUDIES, INSTANCES = 1000, 10
GENERATED = (1000, 100_000)
FASTER, GROWTH_MAX = 5.0, 2.0
ACCEPT = "application/dicom+json"
FIELDS = "includefield=00081030%2C00080060%2C00080090%2C00100030"
# As OHIF's study list asks (its page is 100 and one more). Of one patient there is one study:
# no page of 100, so no goal.
PAGES: Mapping[str, str] = {
    "newest": f"/studies?limit=101&offset=0&fuzzymatching=false&{FIELDS}",
    "date range": f"/studies?limit=101&StudyDate=20210101-20211231&{FIELDS}",
    "name": f"/studies?limit=101&PatientName=*oe*&{FIELDS}",
    "modality": f"/studies?limit=101&ModalitiesInStudy=CT&{FIELDS}",
    "patient": f"/studies?limit=101&PatientID=P00007&{FIELDS}",
}
GENERATED_PAGES = dict(PAGES) | {
    "name": f"/studies?limit=101&PatientName=*abc*&{FIELDS}",
    "patient": f"/studies?limit=101&PatientID=P0000007&{FIELDS}",
}


def measure_qido(workshop: Workshop) -> None:
    """Compare on stored studies, then measure growth, in every round."""
    studies = 100 if workshop.is_quick else STUDIES
    stored = write_many_studies(
        workshop.fresh_folder("studies"), studies=studies, instances=INSTANCES
    )
    peers = durable_peers()
    task = workshop.progress.add_task(PART, total=workshop.rounds * (len(peers) + 1))
    for number in range(workshop.rounds):
        for name in sorted(peers, reverse=bool(number % 2)):
            with (
                workshop.attempt(f"{PART}, {name}"),
                peers[name](workshop.fresh_folder(name)) as peer,
            ):
                _compare(workshop, peer, stored)
            workshop.progress.advance(task)
        with workshop.attempt(PART), run_ours(workshop.fresh_folder("generated")) as run:
            _grow(workshop, run)
        workshop.progress.advance(task)


def _compare(workshop: Workshop, peer: Peer, stored: InstanceSet) -> None:
    send_with_stow(stored, peer, clients=1, instances_per_request=25)
    settle_the_disk()
    for name, path in PAGES.items():
        cell = Cell(
            PART,
            f"{name}, {len(stored.studies)} studies",
            REQUESTS,
            () if name == "patient" else ((ORTHANC_POSTGRESQL, FASTER),),
        )
        with workshop.attempt(f"{PART}, {cell.name}, {peer.name}"):
            fetch(peer, [path] * 3, accept=ACCEPT)
            repeats = 5 if workshop.is_quick else 40
            fetched = fetch(peer, [path] * repeats, accept=ACCEPT)
            workshop.add(cell, peer.name, fetched.requests_per_second)


def _grow(workshop: Workshop, run: OwnRun) -> None:
    """The p50 of each page at both sizes, and how many times the one is the other."""
    smaller: dict[str, float] = {}
    first = 0
    for studies in GENERATED:
        generate_studies(run, first=first, last=studies - 1)
        first = studies
        for name, p50 in _p50s_ms(run.peer, repeats=5 if workshop.is_quick else 40):
            cell = Cell(PART, f"{name}, {studies} studies of generated rows: p50", "ms")
            workshop.add(cell, OURS, p50)
            if name in smaller:
                growth = Cell(PART, f"{name}: growth of p50", "×", ((OURS, GROWTH_MAX),))
                workshop.add(growth, OURS, p50 / smaller[name])
            smaller[name] = p50


def _p50s_ms(peer: Peer, *, repeats: int) -> Iterator[tuple[str, float]]:
    for name, path in GENERATED_PAGES.items():
        fetch(peer, [path] * 3, accept=ACCEPT)
        seconds = [fetch(peer, [path] * 4, accept=ACCEPT).seconds / 4 for _ in range(repeats)]
        yield name, median(seconds) * 1000
