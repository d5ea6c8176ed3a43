"""One hospital's month, told in a process of its own: what stands in it is made by the product's services
alone.
"""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from billing import service as billing
from careloop.assemble import assembled, database_server
from careloop.demo import exports
from careloop.demo.behaviour import Dice
from careloop.demo.calls import Round, make_calls
from careloop.demo.casework import work_cases
from careloop.demo.stage import Stage, StageHospital
from foundation import runtime
from foundation.calendar import add_months, local_day_start
from foundation.logs import configure
from foundation.scope import Actor
from foundation.settings import Settings
from outreach.jobs import expire
from patients.importing import import_file
from reporting import monthly
from revisits import planning
from surveys.samples import draw_sample, find_sample
from surveys.samples import open_tasks as open_survey_tasks

DAY = timedelta(days=1)
# When a round begins (after midnight in Shanghai) and over how many minutes its calls are spread. Three
# hours lie
# between the last call of one and the first of the next, so that a number may be tried again (C4).
ROUNDS = (
    (timedelta(hours=9, minutes=5), 105),
    (timedelta(hours=14, minutes=5), 50),
    (timedelta(hours=18, minutes=5), 95),
)
_process = ExitStack()


@dataclass(frozen=True)
class Chapter:
    """What one process needs to tell one hospital's month.

    `days` is how many of them, None for all. With a number it is the beginning of a month whose file has not
    come yet, and it ends in the morning of the day after.
    """

    hospital: StageHospital
    firm_id: UUID
    agents: tuple[Actor, ...]
    operations: Actor
    seed: str
    month: date
    days: int | None = None


@dataclass
class Told:
    """What became of a chapter: the counts of its files, and how its calls ended."""

    imports: dict[str, dict[str, Any]] = field(default_factory=dict)
    ended: Counter[str] = field(default_factory=Counter)


def begin_process(data_dir: str, runtime_url: str) -> None:
    """Put this process together over the story's database."""
    configure("console", level=logging.WARNING)
    settings = Settings(
        data_dir=Path(data_dir), database_url=SecretStr(runtime_url), owner_database_url=None, demo=True
    )
    server = _process.enter_context(database_server(settings, purpose="careloop demo"))
    _process.enter_context(assembled(settings, server, name="demo", with_broker=False, durable=False))


def tell_chapter(chapter: Chapter) -> Told:
    """The month's files, and its days."""
    stage, told, month = _stage(chapter), Told(), chapter.month
    morning = local_day_start(month) + timedelta(hours=6, minutes=30)
    for name, content in _files(chapter) if chapter.days is None else ():
        with stage.hospital(chapter.hospital) as session:
            counts = import_file(session, content, name, by="careloop demo", now=morning).as_dict()
        told.imports[name] = {
            key: counts[key] for key in ("rows", "created", "updated", "unchanged", "rejected", "warnings")
        }
    _plan(stage, chapter, month)
    last = add_months(month, 1) if chapter.days is None else month + chapter.days * DAY
    dice, day = Dice(chapter.seed), month
    while day < last:
        if day > month:
            _plan(stage, chapter, day)
        for begins, spread in ROUNDS:
            told.ended += make_calls(stage, dice, Round(local_day_start(day) + begins, spread))
        work_cases(stage, dice, local_day_start(day + DAY))
        day += DAY
    if chapter.days is not None:
        _plan(stage, chapter, last)
    return told


def close_chapter(chapter: Chapter) -> Told:
    """The hospital's invoice and report of the month, on the first days of the next one."""
    stage, month = _stage(chapter), chapter.month
    first, second = (local_day_start(add_months(month, 1)) + timedelta(days=days, hours=9) for days in (0, 1))
    with stage.hospital(chapter.hospital, chapter.operations) as session:
        planning.close_windows(session, now=first)
        invoice = billing.close_month(session, month, now=first)
        billing.issue(session, invoice.id, now=second)
    with stage.hospital(chapter.hospital, chapter.operations) as session:
        monthly.make_report(session, month, by=chapter.operations.name, now=second)
    return Told()


def _stage(chapter: Chapter) -> Stage:
    """The stage with this one hospital on it, over this process's database."""
    tenant_id = chapter.hospital.tenant_id
    stage = Stage(runtime.current().database, chapter.firm_id, [chapter.hospital])
    stage.agents = [(agent, (tenant_id,)) for agent in chapter.agents]
    return stage


def _files(chapter: Chapter) -> list[tuple[str, bytes]]:
    cast, month = chapter.hospital.cast, chapter.month
    named = [name for name in cast.files if name.rsplit(".", 1)[0].endswith(f"{month:%Y%m}")]
    if named:
        samples = package_files("careloop") / "samples"
        return [(name, (samples / name).read_bytes()) for name in named]
    found = [exports.discharges(cast, month, chapter.seed)]
    if cast.outpatients:
        found.append(exports.outpatients(cast, month, chapter.seed))
    return found


def _plan(stage: Stage, chapter: Chapter, day: date) -> None:
    """At seven in the morning the plans, and on the first day of a month its sample, become contacts."""
    dawn: datetime = local_day_start(day) + timedelta(hours=7)
    cast, month = chapter.hospital.cast, chapter.month
    with stage.hospital(chapter.hospital) as session:
        expire(session, dawn)
        planning.close_windows(session, now=dawn)
        planning.materialise(session, day, now=dawn)
        planning.open_tasks(session, now=dawn)
        seed = f"{chapter.seed}-{cast.code}-{month:%Y%m}"
        if day == month:
            draw_sample(session, month, now=dawn, seed=f"{seed}-inpatient", audience="inpatient")
        if day == month and cast.outpatients:
            draw_sample(session, month, now=dawn, seed=seed)
        elif (sample := find_sample(session, month)) is not None:
            open_survey_tasks(session, sample, now=dawn)
