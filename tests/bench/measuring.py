"""Figures and how they are shown: a ratio of two times that were taken side by side, its goal, and whether
it is met.

Machines differ and are busy with other things; a ratio of two times taken in turn on one machine says the
same everywhere, so the ratio is the figure and the times only stand beside it.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

from rich.console import Console
from rich.table import Table

WIDE = 116  # columns, where no terminal says otherwise
console = Console(highlight=False)
if not console.is_terminal:
    console.width = WIDE


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the result. `value` and `goal` are as shown; `absolute` are the times behind it."""

    name: str
    value: str
    goal: str
    met: bool
    absolute: str


@dataclass(frozen=True, slots=True)
class Pair:
    """Times in seconds of the product and of the bare statements, taken in turn."""

    ours: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)

    def ratio(self, share: float) -> float:
        """How many times longer the product takes, at this share of the times (0.5 is the median)."""
        return percentile(self.ours, share) / percentile(self.bare, share)


def ratio_figure(name: str, pair: Pair, share: float, goal: float) -> Figure:
    """The figure «product against bare» at one percentile; met when not above the goal."""
    ratio = pair.ratio(share)
    ours, bare = percentile(pair.ours, share), percentile(pair.bare, share)
    return Figure(name, f"{ratio:.2f} ×", f"≤ {goal:g} ×", ratio <= goal, f"{shown(ours)} / {shown(bare)}")


def percentile(times: Sequence[float], share: float) -> float:
    """The value below which this share of the times lies; the median for 0.5."""
    if len(times) == 1:
        return times[0]
    if share == 0.5:
        return statistics.median(times)
    return statistics.quantiles(times, n=100, method="inclusive")[round(share * 100) - 1]


def shown(seconds: float) -> str:
    """A time for people: milliseconds below a second."""
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"


def timed(work: Callable[[], object]) -> float:
    """How many seconds this takes."""
    started = perf_counter()
    work()
    return perf_counter() - started


@contextmanager
def step(what: str) -> Iterator[None]:
    """Say what is being done, and how long it took."""
    started = perf_counter()
    with console.status(what):
        yield
    console.print(f"{what} [bright_black]({shown(perf_counter() - started)})[/]")


def show(figures: Sequence[Figure]) -> None:
    """Print the table."""
    table = Table(title="Product against the bare statements, taken in turn in one run", title_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("goal", justify="right")
    table.add_column("")
    table.add_column("product / bare", style="bright_black", justify="right")
    for figure in figures:
        verdict = "[green]met[/]" if figure.met else "[bold red]NOT MET[/]"
        table.add_row(figure.name, figure.value, figure.goal, verdict, figure.absolute)
    console.print(table)
