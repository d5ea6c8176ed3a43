"""The demo's story: told by the product's services, and the same from the same seed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from conftest import TestServer, sqlalchemy_url
from sqlalchemy import create_engine, func, select

from billing.models import Invoice, LedgerEntry
from careloop.demo.cast import HOSPITALS, DemoHospital
from careloop.demo.chapters import Chapter, close_chapter, tell_chapter
from careloop.demo.house import furnish
from careloop.demo.stage import Stage, set_stage
from careloop.wiring import wire
from feedback.models import FeedbackCase
from foundation import runtime
from foundation.audit import first_broken
from foundation.calendar import local_day_start
from foundation.clock import SystemClock
from foundation.database import Database
from foundation.ids import new_id
from foundation.runtime import Runtime
from foundation.scope import Actor, PlatformScope
from foundation.settings import Settings
from outreach.models import Call, ContactTask
from reporting.models import MonthlyReport
from surveys.models import Response
from tenants.models import DirectoryEntry, StatisticsGrant, SupportAccess

MONTH = date(2026, 9, 1)
SMALL = next(hospital for hospital in HOSPITALS if hospital.code == "kangning")


def tell(server: TestServer, seed: str) -> tuple[Stage, dict[str, object]]:
    """One small hospital's September in a database of its own."""
    from conftest import MASTER_KEY

    urls = server.new_database(f"story_{new_id().hex[-12:]}")
    database = Database(create_engine(sqlalchemy_url(urls.runtime)), master_key=MASTER_KEY)
    runtime.install(Runtime(Settings(), database, SystemClock(), MASTER_KEY))
    wire()
    hospital: DemoHospital = SMALL
    stage = set_stage(database, local_day_start(MONTH) + timedelta(hours=6), [hospital])
    chapter = Chapter(
        hospital=stage.hospitals[0],
        firm_id=stage.firm_id,
        agents=tuple(agent for agent, serves in stage.agents if serves),
        operations=stage.operations,
        seed=seed,
        month=MONTH,
    )
    told = tell_chapter(chapter)
    close_chapter(chapter)
    return stage, {"imports": told.imports, "ended": dict(told.ended), **_facts(stage)}


def _facts(stage: Stage) -> dict[str, object]:
    states = select(ContactTask.state, func.count().label("tasks")).group_by(ContactTask.state)
    with stage.hospital(stage.hospitals[0]) as session:
        return {
            "states": {row.state: row.tasks for row in session.execute(states)},
            "indexes": sorted(session.scalars(select(Response.index_value)).all(), key=str),
            "cases": session.scalars(select(FeedbackCase.tag).order_by(FeedbackCase.tag)).all(),
            "invoice": session.scalars(select(Invoice.total_fen)).all(),
            "report": session.scalars(select(MonthlyReport.figures)).one(),
        }


@pytest.fixture(scope="module")
def first(server: TestServer) -> Iterator[tuple[Stage, dict[str, object]]]:
    told = tell(server, "2026")
    yield told
    told[0].database.close()


def test_the_same_seed_tells_the_same_story(
    first: tuple[Stage, dict[str, object]], server: TestServer
) -> None:
    stage, again = tell(server, "2026")
    stage.database.close()
    assert again == first[1]


def test_nobody_is_called_outside_calling_hours(first: tuple[Stage, dict[str, object]]) -> None:
    stage, _ = first
    with stage.hospital(stage.hospitals[0]) as session:
        local = func.timezone("Asia/Shanghai", Call.dialled_at)
        hours = session.scalars(select(func.extract("hour", local)).distinct()).all()
    assert hours
    assert {int(hour) for hour in hours} <= {9, 10, 11, 14, 15, 16, 17, 18, 19}


def test_the_month_ends_in_an_invoice_of_its_ledger(first: tuple[Stage, dict[str, object]]) -> None:
    stage, _ = first
    with stage.hospital(stage.hospitals[0]) as session:
        invoice = session.scalars(select(Invoice)).one()
        billed = session.scalar(select(func.count()).select_from(LedgerEntry))
        assert invoice.state == "issued"
        assert invoice.subtotal_fen == 1250 * (billed or 0) > 0


def test_the_story_leaves_a_whole_audit_trail(first: tuple[Stage, dict[str, object]]) -> None:
    stage, _ = first
    with stage.hospital(stage.hospitals[0]) as session:
        assert first_broken(session) is None


def test_a_hospital_on_its_way_and_open_questions_lie_on_the_table(db: Database) -> None:
    """Whoever opens the demo finds a checklist begun, a look asked for, and months opened to somebody."""
    wire()
    begins = local_day_start(date(2026, 12, 4))
    stage = set_stage(db, begins - timedelta(days=90), [HOSPITALS[0]])
    furnish(stage, begins)
    with db.platform(PlatformScope(Actor.system("test"), "test")) as session:
        states = {
            row.code: row.state for row in session.execute(select(DirectoryEntry.code, DirectoryEntry.state))
        }
        asked = session.scalars(select(SupportAccess)).one()
    assert states["mingzhu"] == "onboarding"
    assert asked.decision is None
    with stage.hospital(stage.hospitals[0]) as session_of_one:
        assert session_of_one.scalars(select(StatisticsGrant.subject)).all() == ["report"]
