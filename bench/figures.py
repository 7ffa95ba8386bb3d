"""What was measured: one figure per cell and peer, with every round and the median."""

from dataclasses import dataclass, field
from statistics import median

RATE = "instances/s"
BANDWIDTH = "MB/s"
REQUESTS = "requests/s"
RESULTS = "results/s"
# Units of which more is better, so that peers are compared by ratio.
COMPARED = frozenset({RATE, BANDWIDTH, REQUESTS, RESULTS})


@dataclass(frozen=True, slots=True)
class Cell:
    """What is measured: a line of the report. `goals` are ratios to reach: peer, times."""

    part: str
    name: str
    unit: str
    goals: tuple[tuple[str, float], ...] = ()


@dataclass(slots=True)
class Figure:
    """A cell of one peer: the result of every round."""

    cell: Cell
    peer: str
    rounds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The middle of the rounds."""
        return median(self.rounds)


class Measurements:
    """Every figure of a run, in the order of first results, and what could not be measured."""

    def __init__(self) -> None:
        self.figures: list[Figure] = []
        self.failures: list[str] = []

    def add(self, cell: Cell, peer: str, result: float) -> None:
        """Add the result of one round."""
        figure = self.figure(cell, peer)
        if figure is None:
            figure = Figure(cell, peer)
            self.figures.append(figure)
        figure.rounds.append(result)

    def figure(self, cell: Cell, peer: str) -> Figure | None:
        """The figure of a peer in this cell, if it has one."""
        found = (one for one in self.figures if one.cell == cell and one.peer == peer)
        return next(found, None)
