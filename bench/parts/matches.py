"""C-FIND of a million instances: results a second, memory beside that of ten thousand, cancel."""

from bench.dimse.query_retrieve import find_instances, seconds_of_cancel
from bench.errors import NotMeasured
from bench.figures import RESULTS, Cell
from bench.generated_rows import INSTANCES_OF_STUDY, generate_studies
from bench.peers.available import OURS
from bench.peers.ours import OwnRun, run_ours
from bench.processes import holdings_of, peak_megabytes, peaks_together, reset_peaks
from bench.workshop import Workshop

PART = "matches"
MATCHES, QUICK_MATCHES = (10_000, 1_000_000), (1000, 10_000)
CANCEL_AFTER = 500
GROWTH_MEGABYTES_MAX, CANCEL_MS_MAX = 20.0, 1000.0
SERVICE = "DIMSE service"
KEYS: dict[int, str] = {
    0x00080016: "",  # SOP Class UID
    0x00080018: "",  # SOP Instance UID
    0x0020000D: "",  # Study Instance UID
    0x0020000E: "",  # Series Instance UID
    0x00200013: "",  # Instance Number
}


def measure_matches(workshop: Workshop) -> None:
    """Ask for everything that is there, at both sizes, in every round."""
    task = workshop.progress.add_task(PART, total=workshop.rounds)
    for _ in range(workshop.rounds):
        with workshop.attempt(PART), run_ours(workshop.fresh_folder("matches")) as run:
            generated = 0
            for matches in QUICK_MATCHES if workshop.is_quick else MATCHES:
                studies = matches // INSTANCES_OF_STUDY
                generate_studies(run, first=generated, last=studies - 1)
                generated = studies
                _measure(workshop, run, matches)
        workshop.progress.advance(task)


def _measure(workshop: Workshop, run: OwnRun, matches: int) -> None:
    (supervisor,) = run.peer.pids
    before = holdings_of(supervisor, name=SERVICE).megabytes
    reset_peaks(supervisor)
    answer = find_instances(run.peer, KEYS)
    growth = peaks_together(supervisor, name=SERVICE) - before
    peak = peak_megabytes(supervisor)[SERVICE]
    if answer.count != matches:
        raise NotMeasured(f"found {answer.count} of {matches}")
    title = f"{matches:,} instances"
    workshop.add(Cell(PART, title, RESULTS), OURS, matches / answer.seconds)
    workshop.add(Cell(PART, f"{title}: first result", "ms"), OURS, answer.first_seconds * 1000)
    workshop.add(Cell(PART, f"{title}, {SERVICE}: highest peak", "MB"), OURS, peak)
    goals = ((OURS, GROWTH_MEGABYTES_MAX),)
    workshop.add(Cell(PART, f"{title}, {SERVICE}: more than before", "MB", goals), OURS, growth)
    seconds = seconds_of_cancel(run.peer, KEYS, after=CANCEL_AFTER)
    cell = Cell(PART, f"{title}: C-CANCEL to the last answer", "ms", ((OURS, CANCEL_MS_MAX),))
    workshop.add(cell, OURS, seconds * 1000)
