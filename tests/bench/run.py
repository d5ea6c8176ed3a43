"""What the product costs above the statements that do the work, as ratios: `make bench`.

Everything is measured on a server of its own that is gone afterwards. A figure that misses its goal is
printed as NOT MET and the exit code stays 0: on a busy machine a figure says too little to fail a build.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import firm as firms
from bench import imports, next_card, plans, screens, search
from bench.measuring import Figure, console, show, step
from bench.throwaway import MASTER_KEY, Place, place

AGENTS = 3  # one for each side, and one who booked appointments


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    hospitals: int
    tasks: int
    draws: int
    import_rows: int
    imports: int
    enrolments: int
    rounds: int
    requests: int
    cases: int
    searched: int


FULL = Size(
    hospitals=20,
    tasks=500_000,
    draws=150,
    import_rows=200_000,
    imports=1,
    enrolments=20_000,
    rounds=3,
    requests=30,
    cases=200,
    searched=1_000_000,
)
SMALL = Size(
    hospitals=20,
    tasks=20_000,
    draws=60,
    import_rows=10_000,
    imports=2,
    enrolments=2_000,
    rounds=3,
    requests=15,
    cases=200,
    searched=50_000,
)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description="CareLoop's benchmarks, as ratios")
    options.add_argument("--small", action="store_true", help="a quick run: 20,000 tasks, 10,000 rows")
    size = SMALL if options.parse_args().small else FULL
    with place() as here:
        figures = _measure(here, size)
    show(figures)
    console.print("[bright_black]The server does not wait for the disk; times are of this machine, today.[/]")


def _measure(here: Place, size: Size) -> list[Figure]:
    with step(f"Load {size.tasks:,} open tasks of {size.hospitals} hospitals"):
        firm = firms.make_firm(
            here.db, MASTER_KEY, hospitals=size.hospitals, imports=size.imports, agents=AGENTS
        )
        firms.load_queue(here.db, firm, size.tasks)
        here.tidy(*firms.LOADED)
    with step(f"Draw {size.draws} cards, and ask as much of the driver alone"):
        figures = next_card.measure(here, firm, size.draws)
    with step("Open pages, and ask their statements alone"):
        figures += screens.measure(here, firm, size.requests, size.cases)
    figures += imports.measure(here, firm, size.import_rows)
    with step(f"Plan {size.enrolments:,} enrolments, {size.rounds} times each way"):
        figures += plans.measure(here, firm, firm.imports[0], size.enrolments, size.rounds)
    figures += search.measure(here, firm, size.searched)
    return figures


if __name__ == "__main__":
    main()
