"""C-FIND of studies: a hundred of them by date, and all of them; plain, and as workstations ask."""

from dataclasses import dataclass
from statistics import median

from bench.archives import FIRST_DAY, write_study_list
from bench.dimse.query_retrieve import Answered, find_studies
from bench.errors import NotMeasured
from bench.figures import RESULTS, Cell
from bench.instances import InstanceSet
from bench.peers.available import ORTHANC_POSTGRESQL, ORTHANC_SQLITE, available_peers
from bench.peers.peer import Peer
from bench.rates import wait_until_held
from bench.senders.stow import send_with_stow
from bench.turns import take_turns
from bench.workshop import Workshop, settle_the_disk

PART = "c-find"
STUDIES, QUICK_STUDIES = 10_000, 1000
DAYS = 100  # the studies are spread evenly
REPEATS_OF_DAY, QUICK_REPEATS_OF_DAY = 20, 3
INSTANCES_PER_REQUEST, CLIENTS = 50, 2
GOALS = {ORTHANC_POSTGRESQL: 5.0, ORTHANC_SQLITE: 2.0}
STUDY_DATE = 0x00080020
# Keys of a study list that every index has in a column.
PLAIN: dict[int, str] = {
    STUDY_DATE: "",
    0x00080030: "",  # Study Time
    0x00080050: "",  # Accession Number
    0x00081030: "",  # Study Description
    0x00100010: "",  # Patient's Name
    0x00100020: "",  # Patient ID
    0x00100030: "",  # Patient's Birth Date
    0x00100040: "",  # Patient's Sex
    0x0020000D: "",  # Study Instance UID
    0x00200010: "",  # Study ID
}
# And those that must be counted or gathered (PS3.4 C.3.4), as workstations want them.
WITH_COUNTS = PLAIN | {
    0x00080061: "",  # Modalities in Study
    0x00201206: "",  # Number of Study Related Series
    0x00201208: "",  # Number of Study Related Instances
}


@dataclass(frozen=True, slots=True)
class Query:
    """One way of asking, and how many results there are."""

    cell: Cell
    keys: dict[int, str]
    results: int
    repeats: int


def measure_c_find(workshop: Workshop) -> None:
    """Fill each peer, then ask in every way, round by round, in turns."""
    count = QUICK_STUDIES if workshop.is_quick else STUDIES
    studies = write_study_list(workshop.fresh_folder("studies"), studies=count)

    def measure(peer: Peer) -> None:
        _fill(peer, studies)
        for query in _queries(count, is_quick=workshop.is_quick):
            with workshop.attempt(f"{PART}, {query.cell.name}, {peer.name}"):
                _measure(workshop, query, peer)

    take_turns(workshop, PART, peers=available_peers(), measure=measure)


def _queries(studies: int, *, is_quick: bool) -> list[Query]:
    repeats = QUICK_REPEATS_OF_DAY if is_quick else REPEATS_OF_DAY
    of_day = {STUDY_DATE: f"{FIRST_DAY:%Y%m%d}"}
    return [
        Query(_cell(f"{results:,} of {studies:,}, {name}"), keys | narrowed, results, times)
        for name, keys in (("plain", PLAIN), ("with counts", WITH_COUNTS))
        for results, narrowed, times in ((studies // DAYS, of_day, repeats), (studies, {}, 1))
    ]


def _cell(name: str) -> Cell:
    return Cell(PART, name, RESULTS, tuple(GOALS.items()))


def _fill(peer: Peer, studies: InstanceSet) -> None:
    send_with_stow(studies, peer, clients=CLIENTS, instances_per_request=INSTANCES_PER_REQUEST)
    wait_until_held(studies.count, peer=peer)
    settle_the_disk()


def _measure(workshop: Workshop, query: Query, peer: Peer) -> None:
    _asked(query, peer)
    answers = [_asked(query, peer) for _ in range(query.repeats)]
    seconds = sum(answer.seconds for answer in answers)
    workshop.add(query.cell, peer.name, query.results * query.repeats / seconds)
    first = Cell(PART, f"{query.cell.name}: first result", "ms")
    workshop.add(first, peer.name, median(one.first_seconds for one in answers) * 1000)


def _asked(query: Query, peer: Peer) -> Answered:
    answer = find_studies(peer, query.keys)
    if answer.count != query.results:
        raise NotMeasured(f"{peer.name} found {answer.count} of {query.results}")
    return answer
