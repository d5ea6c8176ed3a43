"""The story, month by month: files come in, plans and samples make contacts, agents call, complaints are
handled,
and the month is closed with invoices, reports and a benchmark.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from importlib.resources import files as package_files
from typing import Any

from billing import service as billing
from careloop.demo import exports
from careloop.demo.behaviour import Dice
from careloop.demo.calls import Round, make_calls
from careloop.demo.casework import work_cases
from careloop.demo.stage import Stage, StageHospital
from foundation.calendar import add_months, local_day_start
from patients.importing import import_file
from reporting import benchmark, monthly
from reporting.models import BenchmarkRun
from revisits import planning
from surveys.samples import draw_sample, find_sample
from surveys.samples import open_tasks as open_survey_tasks

SAMPLE_MONTH = date(2026, 9, 1)
DAY = timedelta(days=1)
# When a round begins (after midnight in Shanghai) and over how many minutes its calls are spread. Three
# hours lie between the last call of one and the first of the next, so that a number may be tried again (C4).
ROUNDS = (
    (timedelta(hours=9, minutes=5), 105),
    (timedelta(hours=14, minutes=5), 50),
    (timedelta(hours=18, minutes=5), 95),
)

Told = Callable[[str], None]


@dataclass
class Telling:
    """A story being told: the stage, the dice, and what has been reported so far."""

    stage: Stage
    seed: str
    told: Told
    imports: dict[str, dict[str, Any]] = field(default_factory=dict)
    ended: Counter[str] = field(default_factory=Counter)

    @property
    def dice(self) -> Dice:
        """The dice of this story."""
        return Dice(self.seed)

    def month(self, month: date) -> None:
        """One month, from its files to its last evening."""
        self.told(f"{month:%Y-%m}: importing the hospitals' files")
        morning = local_day_start(month) + timedelta(hours=6, minutes=30)
        for hospital in self.stage.hospitals:
            self._import(hospital, month, morning)
        day = month
        while day < add_months(month, 1):
            self._day(day, month)
            day += DAY
        self.told(f"{month:%Y-%m}: {self._calls_so_far()}")

    def last_morning(self, month: date) -> None:
        """The morning on which the story hands over to whoever watches: the new month's files and plans."""
        morning = local_day_start(month) + timedelta(hours=6, minutes=30)
        for hospital in self.stage.hospitals:
            self._import(hospital, month, morning)
        self._plan(month, month, local_day_start(month) + timedelta(hours=7))

    def close(self, month: date) -> BenchmarkRun:
        """What the firm does in the first days after a month: invoices, reports, the benchmark."""
        self.told(f"{month:%Y-%m}: closing the month, invoices, reports, benchmark")
        after = add_months(month, 1)
        first, second, third = (local_day_start(after) + timedelta(days=days, hours=9) for days in range(3))
        for hospital in self.stage.hospitals:
            with self.stage.hospital(hospital, self.stage.operations) as session:
                planning.close_windows(session, now=first)
                invoice = billing.close_month(session, month, now=first)
                billing.issue(session, invoice.id, now=second)
            with self.stage.hospital(hospital, self.stage.operations) as session:
                monthly.make_report(session, month, by=self.stage.operations.name, now=second)
        with self.stage.firm(self.stage.operations) as session:
            run = benchmark.run(session, month, by=self.stage.operations.name, now=second)
        with self.stage.firm(self.stage.director) as session:
            benchmark.approve(session, run.id, by=self.stage.director.name, now=third)
            return session.get_one(BenchmarkRun, (session.firm_id, run.id))

    def _import(self, hospital: StageHospital, month: date, now: datetime) -> None:
        for name, content in self._files(hospital, month):
            with self.stage.hospital(hospital) as session:
                result = import_file(session, content, name, by="careloop demo", now=now)
            counts = result.as_dict()
            self.imports[name] = {
                key: counts[key]
                for key in ("rows", "created", "updated", "unchanged", "rejected", "warnings")
            }

    def _files(self, hospital: StageHospital, month: date) -> list[tuple[str, bytes]]:
        if month == SAMPLE_MONTH and hospital.cast.files:
            samples = package_files("careloop") / "samples"
            return [(name, (samples / name).read_bytes()) for name in hospital.cast.files]
        found = [exports.discharges(hospital.cast, month, self.seed)]
        if hospital.cast.outpatients:
            found.append(exports.outpatients(hospital.cast, month, self.seed))
        return found

    def _day(self, day: date, month: date) -> None:
        """One day: plan at dawn, three rounds of calls, and the hospitals' casework."""
        self._plan(day, month, local_day_start(day) + timedelta(hours=7))
        for begins, spread in ROUNDS:
            self.ended += make_calls(self.stage, self.dice, Round(local_day_start(day) + begins, spread))
        work_cases(self.stage, self.dice, local_day_start(day + DAY))

    def _plan(self, day: date, month: date, dawn: datetime) -> None:
        """The plans, and on the first day of a month its sample, become contacts."""
        for hospital in self.stage.hospitals:
            with self.stage.hospital(hospital) as session:
                planning.close_windows(session, now=dawn)
                planning.materialise(session, day, now=dawn)
                planning.open_tasks(session, now=dawn)
                if day == month and hospital.cast.outpatients:
                    draw_sample(
                        session, month, now=dawn, seed=f"{self.seed}-{hospital.cast.code}-{month:%Y%m}"
                    )
                elif (sample := find_sample(session, month)) is not None:
                    open_survey_tasks(session, sample, now=dawn)

    def _calls_so_far(self) -> str:
        dialled = sum(self.ended.values())
        return f"{dialled} calls so far, {self.ended['completed']} completed"
