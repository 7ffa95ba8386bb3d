"""`python -m bench`: measure, show, and keep what was measured in `bench/results/`."""

import argparse
import shutil
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp

from rich.console import Console
from rich.markdown import Markdown
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.machine import describe_machine
from bench.parts.c_find import measure_c_find
from bench.parts.c_get import measure_c_get
from bench.parts.c_move import measure_c_move
from bench.parts.c_store import measure_c_store
from bench.parts.lag import measure_lag
from bench.parts.matches import measure_matches
from bench.parts.memory import measure_memory
from bench.parts.qido import measure_qido
from bench.parts.read import measure_read
from bench.parts.soak import measure_soak
from bench.parts.stow import measure_stow
from bench.peers.orthanc import Index, missing_for
from bench.report import Report
from bench.workshop import Workshop

PARTS: dict[str, Callable[[Workshop], None]] = {
    "c-store": measure_c_store,
    "c-find": measure_c_find,
    "c-get": measure_c_get,
    "c-move": measure_c_move,
    "stow": measure_stow,
    "read": measure_read,
    "qido": measure_qido,
    "lag": measure_lag,
    "matches": measure_matches,
    "memory": measure_memory,
    "soak": measure_soak,
}
ROUNDS = 3


def main(words: Sequence[str]) -> int:
    """The exit status: 0 when every cell was measured."""
    options = _parser().parse_args(words)
    console = Console()
    for index in Index:
        if missing := missing_for(index):
            console.print(f"no Orthanc with {index} ({missing}): sh bench/install.sh")
    folder = Path(mkdtemp(prefix="bench-", dir=options.folder))
    try:
        report = _measured(options, console=console, folder=folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    page = report.write()
    console.print(Markdown(page.read_text("utf-8")))
    return 1 if report.measurements.failures else 0


def _measured(options: argparse.Namespace, *, console: Console, folder: Path) -> Report:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        workshop = Workshop(
            folder=folder,
            rounds=1 if options.quick else options.rounds,
            is_quick=options.quick,
            console=console,
            progress=progress,
        )
        for part in options.parts or PARTS:
            PARTS[part](workshop)
    today = datetime.now(UTC).date().isoformat()
    return Report(
        title=f"{today}-{options.name or '-'.join(options.parts) or 'all'}",
        command=_command(options),
        machine=describe_machine(folder),
        measurements=workshop.measurements,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=PARTS, help="What to measure; else all.")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="Rounds of every cell.")
    parser.add_argument("--quick", action="store_true", help="One short round: a smoke test.")
    parser.add_argument("--name", default="", help="Name of the files of results.")
    parser.add_argument(
        "--folder", type=Path, help="Where to work: on the disk to measure, with 60 GB free."
    )
    return parser


def _command(options: argparse.Namespace) -> str:
    """The command, without the folder: results name no paths."""
    words = ["python -m bench", *options.parts]
    words += ["--quick"] if options.quick else ["--rounds", str(options.rounds)]
    return " ".join(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
