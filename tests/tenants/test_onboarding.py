"""The way of a new hospital to its first call: what it begins with, and its checklist (SC-51, S3-4)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select
from web_client import browsing
from world import NOW, TODAY, World

from careloop import wiring
from foundation.audit import AuditEvent
from foundation.calendar import is_workday
from foundation.database import Database, HospitalSession
from foundation.scope import FirmScope, HospitalScope
from foundation.web.errors import NotFound, UserMistake
from revisits.models import RevisitPlan
from revisits.schedule import CHECKUP_PLAN, DEFAULT_PLAN, PlanRules
from surveys.models import Questionnaire
from tenants import service
from tenants.labels import HOSPITAL_TYPES
from tenants.life import onboarding, templates_by_type
from tenants.models import HospitalPhase, OnboardingStep

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _wired() -> None:
    wiring.wire()


def make(world: World, hospital_type: str = "general", code: str = "xinyi") -> UUID:
    """A hospital in onboarding, made and not prepared: as if the process had ended right after."""
    new = service.NewHospital(code, "新一医院", "New One", hospital_type, "130100", "2A")
    with world.db.firm(FirmScope(world.firm_id, (), world.agent, "test")) as session:
        return service.create_hospital(session, new, now=NOW, state="onboarding").tenant_id


@pytest.fixture
def fresh(world: World) -> Iterator[HospitalSession]:
    """A hospital just made, with a session over it."""
    scope = HospitalScope(make(world), world.agent, "test")
    with world.db.hospital(scope) as session:
        yield session


def rows(session: HospitalSession) -> dict[str, int]:
    counted = {}
    for table in (HospitalPhase, OnboardingStep, Questionnaire, RevisitPlan):
        own = select(func.count()).select_from(table).where(table.tenant_id == session.tenant_id)
        counted[table.__tablename__] = session.scalar(own) or 0
    return counted


def test_whatever_was_lost_with_a_process_is_put_in_place_when_the_checklist_opens(
    db: Database, world: World
) -> None:
    tenant_id = make(world)
    scope = HospitalScope(tenant_id, world.agent, "test")
    with db.hospital(scope) as session:
        assert set(rows(session).values()) == {0}
    with browsing(db) as browser:
        browser.enter(world.people["operations"])
        assert browser.get("/h/xinyi/onboarding").status_code == 200
        with db.hospital(scope) as session:
            once = rows(session)
        assert browser.get("/h/xinyi/onboarding").status_code == 200
    with db.hospital(scope) as session:
        assert rows(session) == once
        assert once["onboarding_step"] == len(onboarding.STEPS)
        assert once["hospital_phase"] == once["revisit_plan"] == 1
        assert not onboarding.prepare(session, now=NOW)


def test_the_ten_research_steps_and_the_legal_ones_are_due_on_working_days(fresh: HospitalSession) -> None:
    onboarding.prepare(fresh, now=NOW)
    lines = onboarding.lines(fresh, TODAY)
    assert sum(line.step.kind == "research" for line in lines) == 10
    assert {line.step.key for line in lines if line.step.kind == "legal"} == {
        "agreement", "consent", "recording", "regulation", "impact",
    }  # fmt: skip
    assert all(is_workday(line.due_on) for line in lines)
    # 15 September 2026 is a Tuesday; the holidays of late September and October lie between.
    assert next(line.due_on for line in lines if line.step.key == "site_visit") == date(2026, 9, 17)
    assert max(line.due_on for line in lines) > date(2026, 10, 8)


def test_a_year_without_a_holiday_notice_still_gives_days() -> None:
    due = onboarding.due_days(date(2099, 12, 28))
    assert due["site_visit"] == date(2099, 12, 30)
    assert due["go_live"] == date(2099, 12, 28) + timedelta(weeks=4)


def test_progress_counts_what_is_settled_and_what_is_overdue(fresh: HospitalSession, world: World) -> None:
    onboarding.prepare(fresh, now=NOW)
    owner = world.people["operations"]
    change(fresh, "site_visit", "done", owner)
    change(fresh, "consent", "not_needed", None, note="由集团统一约定")
    later = TODAY + 3 * DAY
    lines = onboarding.lines(fresh, later)
    progress = onboarding.progress(lines)
    assert (progress.settled, progress.total, progress.percent) == (2, 15, 13)
    done = next(line for line in lines if line.step.key == "site_visit")
    assert (done.owner_name, done.done_by) == ("何琳", "李敏")
    change(fresh, "site_visit", "open", None)
    assert onboarding.progress(onboarding.lines(fresh, later)).settled == 1
    events = fresh.scalars(
        select(AuditEvent.subject).where(
            AuditEvent.tenant_id == fresh.tenant_id, AuditEvent.action == "onboarding.step"
        )
    ).all()
    assert sorted(events) == sorted(
        ["onboarding_step:site_visit", "onboarding_step:consent", "onboarding_step:site_visit"]
    )


def test_an_overdue_step_is_marked(fresh: HospitalSession) -> None:
    onboarding.prepare(fresh, now=NOW)
    on_the_day = {line.step.key: line.overdue for line in onboarding.lines(fresh, date(2026, 9, 17))}
    the_day_after = {line.step.key: line.overdue for line in onboarding.lines(fresh, date(2026, 9, 18))}
    assert not on_the_day["site_visit"]
    assert the_day_after["site_visit"]
    assert onboarding.progress(onboarding.lines(fresh, date(2026, 9, 18))).overdue == 1


def test_a_step_is_owned_by_somebody_of_this_hospital_or_its_firm(
    fresh: HospitalSession, world: World
) -> None:
    onboarding.prepare(fresh, now=NOW)
    names = {owner.name for owner in onboarding.owners(fresh)}
    assert {"何琳", "郑总"} <= names
    assert not names & {"陈静", "吴芳", "赵院长"}
    with pytest.raises(UserMistake):
        change(fresh, "factors", "open", world.people["heqing_admin"])
    with pytest.raises(UserMistake):
        change(fresh, "factors", "not_needed", None)
    with pytest.raises(NotFound):
        change(fresh, "no_such_step", "done", None)


@pytest.mark.parametrize("hospital_type", HOSPITAL_TYPES)
def test_each_type_brings_its_plan_and_questionnaires(world: World, hospital_type: str) -> None:
    with world.db.hospital(HospitalScope(make(world, hospital_type), world.agent, "test")) as session:
        onboarding.prepare(session, now=NOW)
        own = RevisitPlan.tenant_id == session.tenant_id
        plan = session.scalars(select(RevisitPlan.rules).where(own)).one()
        audiences = set(
            session.scalars(
                select(Questionnaire.audience).where(Questionnaire.tenant_id == session.tenant_id)
            )
        )
    wanted = CHECKUP_PLAN if hospital_type == "checkup" else DEFAULT_PLAN
    assert PlanRules.from_numbers(plan) == wanted
    patients = {"outpatient"} if hospital_type == "checkup" else {"inpatient", "outpatient"}
    # Every hospital works together with others (S1-1).
    assert audiences == patients | {"organisation"}
    told = templates_by_type.brings(hospital_type)
    assert len(told) == 4
    assert all(one.title and one.text for one in told)


def test_the_steps_are_changed_on_the_page_by_the_firm_alone(db: Database, world: World) -> None:
    tenant_id = make(world)
    form = {"state": "done", "due_on": "2026-09-20", "owner": str(world.people["firm_gm"]), "note": "已到院"}
    with browsing(db) as browser:
        browser.enter(world.people["operations"])
        assert browser.get("/h/xinyi/onboarding").status_code == 200
        assert browser.post("/h/xinyi/onboarding/site_visit", form).status_code == 303
        page = browser.get("/h/xinyi/onboarding").text
        assert "郑总" in page
        assert "已到院" in page
        listed = browser.get("/firm/onboarding").text
        assert "1/15" in listed
        assert "新一医院" in listed
        assert browser.post("/h/xinyi/onboarding/site_visit", form | {"due_on": "soon"}).status_code == 422
        browser.enter(world.people["heqing_admin"])
        assert browser.get("/h/xinyi/onboarding").status_code == 404
        assert browser.get("/firm/onboarding").status_code == 403
        assert browser.get("/h/heqing/onboarding").status_code == 200
        assert browser.post("/h/heqing/onboarding/site_visit", form).status_code == 403
    with db.hospital(HospitalScope(tenant_id, world.agent, "test")) as session:
        assert onboarding.progress(onboarding.lines(session, TODAY)).settled == 1


def change(
    session: HospitalSession, key: str, state: str, owner: UUID | None, *, note: str = "", due: date = TODAY
) -> None:
    onboarding.change(session, key, state=state, owner_id=owner, due_on=due, note=note, now=NOW)
