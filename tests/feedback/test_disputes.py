"""A medical dispute is the hospital's own (S4-9): the firm keeps a status line and changes nothing."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from typing import Any, get_args
from uuid import UUID

import pytest
from feedback_cases import LATER, case_of, handled_case, member, table_of, text_of
from sqlalchemy import select
from web_client import Browser, browsing
from world import NOW, World

from careloop.app import create_app
from careloop.wiring import wire
from feedback import hooks, service
from feedback.access import Act
from feedback.errors import CaseRefused
from feedback.models import CaseClock, CaseEvent, FeedbackCase
from foundation.database import Database, HospitalSession
from foundation.scope import Actor, HospitalScope
from outreach.models import ContactTask
from outreach.outcomes import Outcome
from patients import timeline
from tenants.rights import MATRIX, SIDES, Action, Role
from workforce.service import assign

FIRM = [role for role in Role if SIDES[role] != "hospital"]
HEAD = ("agent", "department_head", "complaint_officer")


@pytest.fixture
def browser(db: Database, world: World) -> Iterator[Browser]:
    wire()
    with browsing(db) as made:
        yield made


def somebody(world: World, role: Role) -> Actor:
    """Somebody of the firm, or of the platform, with this one role, who reaches the hospital if it can."""
    where = {"firm_id": world.firm_id} if SIDES[role] == "firm" else {}
    with world.hospital(world.heqing) as session:
        made = member(session, role.value, "公司的人", **where)
    if role is Role.AGENT and made.id is not None:
        with world.firm() as firm:
            assign(firm, made.id, world.heqing.tenant_id, NOW)
    return made


def dispute(session: HospitalSession, world: World, stage: str) -> FeedbackCase:
    if stage == "received":
        return case_of(session, world.patient(session), world.agent, medical_dispute=True, text="要求赔偿")
    case = handled_case(session, world, text="要求赔偿")
    service.hand_to_medical_affairs(session, case.id, actor=world.admin, note="赔偿", now=LATER)
    return case


def state_of(world: World, case_id: UUID) -> tuple[Any, ...]:
    with world.hospital(world.heqing) as session:
        case = session.get_one(FeedbackCase, (session.tenant_id, case_id), populate_existing=True)
        events = session.scalars(select(CaseEvent.id).where(CaseEvent.case_id == case_id)).all()
        met = session.scalars(select(CaseClock.met_at).where(CaseClock.case_id == case_id)).all()
        columns = {name: getattr(case, name) for name in FeedbackCase.__table__.columns.keys()}  # noqa: SIM118
        return columns, sorted(events), sorted(str(at) for at in met)


@pytest.mark.parametrize("stage", ["received", "handled"])
@pytest.mark.parametrize("role", FIRM)
def test_no_role_of_the_firm_changes_it_by_any_form(
    browser: Browser, world: World, role: Role, stage: str
) -> None:
    with world.hospital(world.heqing) as session:
        case = dispute(session, world, stage)
    before = state_of(world, case.id)
    who = somebody(world, role)
    assert who.id is not None
    browser.enter(who.id)
    here = f"/h/heqing/cases/{case.id}"
    for act in get_args(Act):
        for owner in ("", *HEAD):
            form = {"note": "已联系", "owner": owner, "told": "yes", "level": "6"}
            assert browser.post(f"{here}/{act}", form).status_code in {403, 404, 422}, act
    answer = browser.post(f"{here}/callback-answer", {"task_id": str(case.id), "level": "6"})
    assert answer.status_code in {403, 404, 422}
    assert state_of(world, case.id) == before


@pytest.mark.parametrize("role", FIRM)
def test_no_role_of_the_firm_changes_it_by_a_service(world: World, role: Role) -> None:
    """The services ask by themselves, whatever page, job or interface calls them."""
    actor = somebody(world, role)
    who: dict[str, Any] = {"actor": actor, "now": LATER}
    with world.hospital(world.heqing) as session:
        open_, handled = dispute(session, world, "received"), dispute(session, world, "handled")
        before = state_of(world, open_.id), state_of(world, handled.id)
        attempts: list[Callable[[], Any]] = [
            lambda: service.acknowledge(session, open_.id, owner="agent", **who),
            lambda: service.add_progress(session, open_.id, "已联系", **who),
            lambda: service.record_plan(session, open_.id, note="方案", **who),
            lambda: service.record_investigation(session, open_.id, note="调查", **who),
            lambda: service.mark_handled(session, open_.id, note="好了", **who),
            lambda: service.hand_to_medical_affairs(session, open_.id, note="", **who),
            lambda: service.record_callback(session, handled.id, 6, note="", **who),
            lambda: service.record_callback(session, handled.id, None, note="", **who),
        ]
        for attempt in attempts:
            with pytest.raises(CaseRefused) as refused:
                attempt()
            assert refused.value.reason == "medical_affairs"
    assert (state_of(world, open_.id), state_of(world, handled.id)) == before


def test_a_call_that_was_waiting_when_it_became_a_dispute_does_not_close_it(world: World) -> None:
    wire()
    with world.hospital(world.heqing) as session:
        case = dispute(session, world, "handled")
        clock = session.scalars(
            select(CaseClock.id).where(CaseClock.case_id == case.id, CaseClock.kind == "callback")
        ).one()
        task = session.scalars(select(ContactTask).where(ContactTask.source_id == clock)).one()
    scope = HospitalScope(world.heqing.tenant_id, world.agent, "test")
    for state, outcome in (
        ("unreachable", Outcome.NO_ANSWER),
        ("refused", Outcome.REFUSED_NOW),
        ("open", Outcome.COMPLETED),
    ):
        with world.db.hospital(scope) as session, session.no_autoflush:
            ended = session.get_one(ContactTask, (session.tenant_id, task.id))
            ended.state = state
            hooks.task_closed(session, ended, outcome, LATER)
            session.refresh(ended)
    with world.hospital(world.heqing) as session:
        after = session.get_one(FeedbackCase, (session.tenant_id, case.id))
        assert (after.stage, after.close_reason) == ("handled", None)


def test_lists_and_files_tell_the_firm_no_more_than_the_status_line(browser: Browser, world: World) -> None:
    with world.hospital(world.heqing) as session:
        case = case_of(
            session,
            world.patient(session),
            world.agent,
            medical_dispute=True,
            tag="treatment_error",
            category="quality",
        )
    number, hidden_words = case.number, ("骨科", "医疗质量", "紧急", "剩")
    browser.enter(world.people["firm_gm"])
    page = browser.get("/h/heqing/cases?view=all").text
    (line,) = (row for row in table_of(page) if row[0] == number)
    assert line[3] == "医疗纠纷"
    assert [cell for cell in line if cell] == [number, line[1], "医疗纠纷", "医务处", "新受理"]
    plain = browser.get("/h/heqing/cases/export?view=all&format=csv").content.decode("utf-8-sig")
    (row,) = (found for found in csv.reader(io.StringIO(plain)) if found[:1] == [number])
    assert [cell for cell in row if cell] == [number, row[1], "医疗纠纷", "医务处", "新受理"]
    for text in (" ".join(line), " ".join(row), text_of(browser.get(f"/h/heqing/cases/{case.id}").text)):
        assert not [word for word in hidden_words if word in text]
    assert number not in browser.get("/h/heqing/cases?view=all&category=quality").text
    assert number not in browser.get(f"/h/heqing/cases?view=all&department={case.department_id}").text
    with world.hospital(world.heqing) as session:
        assert case.patient_id is not None
        (entry,) = (one for one in timeline.of(session, case.patient_id) if one.kind == "case")
        assert entry.detail == "医疗纠纷 · 新受理"
    browser.enter(world.people["heqing_admin"])
    (line,) = (row for row in table_of(browser.get("/h/heqing/cases?view=all").text) if row[0] == number)
    assert "骨科" in line
    assert number in browser.get("/h/heqing/cases?view=all&category=quality").text


def test_programs_read_the_status_line_and_have_no_way_to_change_a_case(
    browser: Browser, world: World
) -> None:
    routes = [route for route in create_app(browser.runtime).routes if route.path.startswith("/api/")]
    ways = {way for route in routes if "case" in route.path for way in getattr(route, "methods", ())}
    assert ways <= {"GET", "HEAD", "OPTIONS"}, "a way to change a case needs its part of the walk above"
    with world.hospital(world.heqing) as session:
        case = dispute(session, world, "received")
    told = browser.enter(world.people["firm_gm"]).get(f"/api/v1/h/heqing/cases/{case.id}").json()
    assert {key for key, value in told.items() if value not in (None, "", [])} == {
        "id", "number", "received_at", "stage", "medical_dispute", "hidden",
    }  # fmt: skip


def test_the_matrix_gives_no_firm_role_a_say_in_disputes() -> None:
    for role in FIRM:
        assert not MATRIX[role] & {Action.VIEW_DISPUTES, Action.HANDLE_DISPUTES, Action.ACT_FOR_OFFICE}


def test_an_agent_answers_for_the_case_on_the_card_and_for_no_other(browser: Browser, world: World) -> None:
    with world.firm() as firm:
        assign(firm, world.people["agent"], world.heqing.tenant_id, NOW)
    with world.hospital(world.heqing) as session:
        mine, other = handled_case(session, world), handled_case(session, world)
        tasks = {
            clock.case_id: task.id
            for clock, task in session.execute(
                select(CaseClock, ContactTask).join(ContactTask, ContactTask.source_id == CaseClock.id)
            )
        }
    browser.enter(world.people["agent"])
    form = {"task_id": str(tasks[mine.id]), "level": "6"}
    before = state_of(world, other.id)
    assert browser.post(f"/h/heqing/cases/{other.id}/callback-answer", form).status_code in {404, 422}
    assert state_of(world, other.id) == before
