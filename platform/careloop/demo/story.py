"""The story, month by month: files come in, plans and samples make contacts, agents call, complaints are
handled, and the month is closed with invoices, reports and a benchmark.

Hospitals know nothing of each other, so each one's month is a chapter of its own, told by whichever process
is
free.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from multiprocessing import get_context
from typing import Any

from careloop.demo.chapters import Chapter, Told, begin_process, close_chapter, tell_chapter
from careloop.demo.stage import Stage
from foundation.calendar import add_months, local_day_start
from foundation.runtime import Runtime
from reporting import benchmark
from reporting.models import BenchmarkRun

SAMPLE_MONTH = date(2026, 9, 1)
MOST_PROCESSES = 4

Tell = Callable[[str], None]


@dataclass
class Telling:
    """A story being told: the stage, the seed, and what has been reported so far."""

    stage: Stage
    seed: str
    told: Tell
    pool: ProcessPoolExecutor
    imports: dict[str, dict[str, Any]] = field(default_factory=dict)
    ended: Counter[str] = field(default_factory=Counter)

    def month(self, month: date) -> None:
        """One month of every hospital, from its files to its last evening."""
        self.told(f"{month:%Y-%m}: files, plans, samples, calls and complaints")
        for done, result in enumerate(self._all(tell_chapter, month), start=1):
            self.imports |= result.imports
            self.ended += result.ended
            self.told(
                f"{month:%Y-%m}: {done} of {len(self.stage.hospitals)} hospitals, "
                f"{sum(self.ended.values())} calls so far, {self.ended['completed']} completed"
            )

    def close(self, month: date) -> BenchmarkRun:
        """What the firm does in the first days after a month: invoices, reports, the benchmark."""
        self.told(f"{month:%Y-%m}: closing the month: invoices, reports, benchmark")
        for _ in self._all(close_chapter, month):
            pass
        after = add_months(month, 1)
        second, third = (local_day_start(after) + timedelta(days=days, hours=9) for days in (1, 2))
        with self.stage.firm(self.stage.operations) as session:
            run = benchmark.run(session, month, by=self.stage.operations.name, now=second)
        with self.stage.firm(self.stage.director) as session:
            released = benchmark.approve(session, run.id, by=self.stage.director.name, now=third)
            reports = {report.tenant_id: report.id for report in released}
            approved = session.get_one(BenchmarkRun, (session.firm_id, run.id))
        for hospital in self.stage.hospitals:
            if hospital.tenant_id in reports:
                with self.stage.hospital(hospital, self.stage.director) as session_of_one:
                    benchmark.store_files(session_of_one, reports[hospital.tenant_id], now=third)
        return approved

    def begin(self, month: date, days: int) -> None:
        """The first days of a month, to the morning on which whoever watches takes over."""
        self.told(f"{month:%Y-%m}: the first days")
        for _ in self._all(tell_chapter, month, days=days):
            pass

    def _all(self, tell: Callable[[Chapter], Told], month: date, days: int | None = None) -> Iterator[Told]:
        """Every hospital's chapter, the longest first, as they are finished."""
        chapters = [
            Chapter(
                hospital=hospital,
                firm_id=self.stage.firm_id,
                agents=tuple(actor for actor, serves in self.stage.agents if hospital.tenant_id in serves),
                operations=self.stage.operations,
                seed=self.seed,
                month=month,
                days=days,
            )
            for hospital in sorted(self.stage.hospitals, key=lambda one: -one.cast.weight(month))
        ]
        futures: list[Future[Told]] = [self.pool.submit(tell, chapter) for chapter in chapters]
        for future in as_completed(futures):
            yield future.result()


@contextmanager
def telling(stage: Stage, seed: str, told: Tell, parts: Runtime, runtime_url: str) -> Iterator[Telling]:
    """A story and the processes that tell it; they end with it."""
    pool = ProcessPoolExecutor(
        max_workers=min(MOST_PROCESSES, os.cpu_count() or 1),
        mp_context=get_context("spawn"),
        initializer=begin_process,
        initargs=(str(parts.settings.data_dir), runtime_url),
    )
    try:
        yield Telling(stage, seed, told, pool)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
