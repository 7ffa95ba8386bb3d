"""Writes what was measured: JSON for machines, Markdown for people, both with every figure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from bench.figures import COMPARED, Figure, Measurements
from bench.peers.ours import NAME as OURS

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Report:
    """One run of the bench, complete."""

    title: str
    command: str
    machine: Mapping[str, str]
    measurements: Measurements

    def write(self, folder: Path = RESULTS) -> Path:
        """Write `<title>.json` and `<title>.md`; returns the path of the latter."""
        folder.mkdir(exist_ok=True)
        page = folder / f"{self.title}.md"
        page.write_text(self.markdown(), "utf-8")
        document = json.dumps(self.document(), indent=2, ensure_ascii=False)
        page.with_suffix(".json").write_text(document + "\n", "utf-8")
        return page

    def document(self) -> dict[str, object]:
        """Everything, as JSON has it."""
        return {
            "command": self.command,
            "machine": dict(self.machine),
            "figures": [self._entry(figure) for figure in self.measurements.figures],
            "not_measured": self.measurements.failures,
        }

    def markdown(self) -> str:
        """Everything, as a page."""
        lines = [f"# {self.title}", "", f"`{self.command}`", "", "| | |", "|---|---|"]
        lines += [f"| {name} | {text} |" for name, text in self.machine.items()]
        for part, figures in groupby(self.measurements.figures, lambda one: one.cell.part):
            lines += ["", f"## {part}", "", *self._table(figures)]
        if self.measurements.failures:
            lines += ["", "## Not measured", ""]
            lines += [f"* {failure}" for failure in self.measurements.failures]
        return "\n".join(lines) + "\n"

    def _table(self, figures: Iterable[Figure]) -> list[str]:
        head = ["| Cell | Server | Median | Unit | Rounds | Ours : theirs | Goal |"]
        return [*head, "|---|---|---|---|---|---|---|", *map(self._row, figures)]

    def _row(self, figure: Figure) -> str:
        rounds = " ".join(f"{result:.1f}" for result in figure.rounds)
        ratio, goal = self._ratio(figure), _goal(figure)
        columns = (
            figure.cell.name,
            figure.peer,
            f"**{figure.median:.1f}**",
            figure.cell.unit,
            rounds,
            "" if ratio is None else f"**{ratio:.2f} ×**",
            "" if goal is None else f"{goal:g}",
        )
        return f"| {' | '.join(columns)} |"

    def _entry(self, figure: Figure) -> dict[str, object]:
        return {
            "part": figure.cell.part,
            "cell": figure.cell.name,
            "server": figure.peer,
            "unit": figure.cell.unit,
            "rounds": [round(result, 3) for result in figure.rounds],
            "median": round(figure.median, 3),
            "ratio_of_ours": self._ratio(figure),
            "goal": _goal(figure),
        }

    def _ratio(self, figure: Figure) -> float | None:
        """How many times as fast we are in the same run; None where nothing is compared."""
        ours = self.measurements.figure(figure.cell, OURS)
        if ours is None or figure.peer == OURS or figure.cell.unit not in COMPARED:
            return None
        return round(ours.median / figure.median, 3)


def _goal(figure: Figure) -> float | None:
    """The ratio to reach against a peer; for ourselves the figure not to exceed."""
    return dict(figure.cell.goals).get(figure.peer)
