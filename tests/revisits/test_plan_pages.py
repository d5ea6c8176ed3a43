"""The pages of plans, questionnaires and samples: what is due and who was drawn, without naming anybody."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select
from web_client import Browser, browsing
from world import NOW, TODAY, World

from careloop import app, wiring
from foundation.database import Database
from outreach.models import Call, ContactTask
from patients.models import ContactPoint
from revisits import figures, jobs, pages, queries
from revisits.schedule import DEFAULT_PLAN
from surveys import pages as survey_pages
from surveys import samples, service
from surveys.queries import questionnaires
from surveys.queries import samples as sample_figures

DAY = timedelta(days=1)
PLANS, SURVEYS = "/h/heqing/plans", "/h/heqing/surveys"


@pytest.fixture
def browser(db: Database, world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    wiring.wire()
    known = {id(handler) for handler in app.PAGES}
    own = [one for one in (*pages.handlers, *survey_pages.handlers) if id(one) not in known]
    monkeypatch.setattr(app, "PAGES", [*app.PAGES, *own])
    with browsing(db) as made:
        yield made.enter(world.people["operations"])


def discharged(world: World, days_ago: int, count: int = 1) -> None:
    with world.hospital(world.heqing) as session:
        for _ in range(count):
            world.patient(session, name="欧阳建国", discharged_on=TODAY - days_ago * DAY)
        jobs.plan(session, NOW)


def test_the_counts_add_up_and_the_days_ahead_hold_what_is_due(world: World, browser: Browser) -> None:
    discharged(world, 1, 2)
    discharged(world, 4)
    with world.hospital(world.yunling) as session:
        world.patient(session, discharged_on=TODAY)
        jobs.plan(session, NOW)
    with world.hospital(world.heqing) as session:
        view = queries.plan_view(session, now=NOW)
    first = view.counts[0]
    assert (first.number, first.tasked, first.planned, first.done_share) == (1, 3, 0, None)
    # Day 3 after discharge is in two days for two; it was yesterday for the third, who is still open today.
    assert view.due[:3] == [1, 0, 2]
    assert sum(view.due) == 3 * 4
    assert view.open_total == 3
    assert view.peak == (TODAY + 2 * DAY, 2)
    assert (view.agents, view.capacity) == (0, 0)


def test_capacity_is_that_of_the_agents_who_called_lately(world: World, browser: Browser) -> None:
    discharged(world, 1)
    with world.hospital(world.heqing) as session:
        task = session.scalars(select(ContactTask).where(ContactTask.tenant_id == session.tenant_id)).one()
        point = session.scalars(select(ContactPoint).where(ContactPoint.tenant_id == session.tenant_id)).one()
        for agent, ago in ((world.agent, 1), (world.agent, 2), (world.agent2, 3), (world.admin, 30)):
            session.add(
                Call(
                    tenant_id=session.tenant_id, task_id=task.id, patient_id=task.patient_id,
                    contact_point_id=point.id, number_index=point.number_index, agent_id=agent.id,
                    agent_name=agent.name, dialled_at=NOW - ago * DAY,
                )
            )  # fmt: skip
        session.flush()
        view = queries.plan_view(session, now=NOW)
    assert (view.agents, view.capacity) == (2, 40)


def test_the_page_names_nobody_and_needs_no_inline_style(world: World, browser: Browser) -> None:
    discharged(world, 6)
    text = browser.get(PLANS).text
    assert "欧**" in text
    assert "欧阳建国" not in text
    assert "第 1 次回访" in text
    assert text.count("<svg role") + text.count("<svg") >= 2
    assert not re.search(r"\sstyle=|<style|<script(?![^>]*src=)", text)
    english = browser.enter(world.people["operations"], "en").get(PLANS).text
    assert "weeks 1, 3, 6, 10" in english
    assert "7 contacts in the first year after discharge" in english


def test_the_figure_shows_the_windows_of_the_rule() -> None:
    shown = figures.timeline(DEFAULT_PLAN).table.rows
    assert len(shown) == 7
    assert [row[1:] for row in shown[:4]] == [
        ("1", "3", "7"), ("15", "21", "21"), ("36", "42", "42"), ("64", "70", "70"),
    ]  # fmt: skip
    days = figures.due_by_day([0, 3, 0, 5], TODAY, 4).table.rows
    assert [row[1] for row in days] == ["3", "5"]


def test_an_empty_hospital_says_what_is_missing(world: World, browser: Browser) -> None:
    assert "导入出院数据后即生成回访计划" in browser.get(PLANS).text
    text = browser.get(SURVEYS).text
    assert "尚未抽样" in text
    # What would be asked is there before anybody was.
    assert "住院患者满意度问卷" in text
    assert "门诊患者满意度问卷" in text


def test_a_sample_shows_whom_it_drew_from_and_how_far_it_came(world: World, browser: Browser) -> None:
    month = date(2026, 8, 1)
    with world.hospital(world.heqing) as session:
        for n in range(30):
            world.patient(
                session,
                kind="outpatient",
                enrolled=False,
                discharged_on=month
                + (5 + n % 25) * DAY,  # late enough that everybody drawn can still be asked
                contact_state="no_number" if n == 7 else "reachable",
            )
        samples.draw_sample(session, month, now=NOW, seed="heqing-202608-seed")
        first, second, _third = session.scalars(
            select(ContactTask).where(ContactTask.tenant_id == session.tenant_id)
        ).all()
        response = service.open_response(session, first, agent=world.agent, mode="phone", now=NOW)
        asked = service.instrument_of(service.questionnaire_for(session, "outpatient", now=NOW)).questions()
        service.record_answers(session, response.id, {question.code: 5 for question in asked}, NOW)
        service.finish_response(session, response.id, now=NOW)
        first.state, first.closed_at = "completed", NOW
        second.state, second.closed_at = "refused", NOW
        session.flush()
        (shown,) = sample_figures(session)
        assert (shown.frame, shown.drawn, shown.tasked, shown.excluded) == (30, 3, 3, {"no_number": 1})
        assert (shown.reached, shown.completed, shown.open) == (1, 1, 1)
        (outpatient,) = [one for one in questionnaires(session) if one.audience == "outpatient"]
        assert (outpatient.complete, outpatient.partial, outpatient.mean) == (1, 0, Decimal(80))
    text = browser.get(SURVEYS).text
    assert "heqing-202608-seed" in text
    assert "无号码 1" in text
    with world.hospital(world.yunling) as session:
        assert sample_figures(session) == []


def test_the_index_is_shown_to_those_who_see_statistics_only(world: World, browser: Browser) -> None:
    assert "平均满意度指数" in browser.get(SURVEYS).text
    assert "平均满意度指数" not in browser.enter(world.people["heqing_admin"]).get(SURVEYS).text
    assert "平均满意度指数" in browser.enter(world.people["heqing_gm"]).get(SURVEYS).text
    for path in (PLANS, SURVEYS):
        assert browser.enter(world.people["yunling_admin"]).get(path).status_code == 404
