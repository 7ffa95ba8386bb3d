"""Where measurements are made: fresh folders, generated instances, rounds, results, progress."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from bench.errors import NotMeasured
from bench.figures import Cell, Measurements
from bench.instances import INSTANCES_PER_STUDY, SMALL, InstanceSet, Size, write_instances


@dataclass(slots=True)
class Workshop:
    """What every part is given. `folder` is on the disk that is measured."""

    folder: Path
    rounds: int
    is_quick: bool
    console: Console
    progress: Progress
    measurements: Measurements = field(default_factory=Measurements)
    _instances: dict[Size, InstanceSet] = field(default_factory=dict)
    _warm_up: InstanceSet | None = None
    _numbers: Iterator[int] = field(default_factory=count)

    def fresh_folder(self, name: str) -> Path:
        """The path of a folder that does not exist yet, and is kept until the whole run ends.

        Deleting files slows the file system for whoever writes next, so nobody does.
        """
        return self.folder / f"{next(self._numbers):03}-{name.replace(' ', '-').lower()}"

    def instances(self, size: Size, *, number: int) -> InstanceSet:
        """About so many instances of the size, in whole studies, generated once per run."""
        known = self._instances.get(size)
        if known is None or known.count + INSTANCES_PER_STUDY <= number:
            self.console.print(f"generating {number} instances of {size.name}…")
            folder = self.fresh_folder(f"instances {size.name}")
            known = self._instances[size] = write_instances(folder, size, count=number)
        return known.first(number)

    def warm_up_instances(self, number: int) -> InstanceSet:
        """Small instances that no measurement sends."""
        if self._warm_up is None:
            folder = self.fresh_folder("warm-up")
            self._warm_up = write_instances(folder, SMALL, count=number)
        return self._warm_up

    def add(self, cell: Cell, peer: str, result: float) -> None:
        """Keep and show the result of one round."""
        self.measurements.add(cell, peer, result)
        line = f"{cell.part:<8} {cell.name:<42} {peer:<20} {result:10.1f} {cell.unit}"
        self.console.print(line, highlight=False, soft_wrap=True)

    @contextmanager
    def attempt(self, what: str) -> Iterator[None]:
        """Let a measurement fail without its neighbours: what it says goes into the report."""
        try:
            yield
        except NotMeasured as failure:
            self.measurements.failures.append(f"{what}: {failure}")
            self.console.print(f"{what}: not measured: {failure}", markup=False)


def settle_the_disk() -> None:
    """Write out what earlier runs left in memory, so that nobody else pays for it."""
    os.sync()
