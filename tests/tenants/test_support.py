"""Support access (SC-57): asked, granted, read-only, under both names, and over by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from web_client import Browser, browsing
from world import NOW, World

from careloop.app import create_app
from foundation.audit import AuditEvent
from foundation.clock import SetClock
from foundation.database import Database
from foundation.ids import new_id
from foundation.scope import Actor, HospitalScope, PlatformScope
from foundation.web.access import PUBLIC, SIGNED_IN
from tenants.models import Membership, Person, SupportAccess
from tenants.rights import MATRIX, Action, Role

ASKING, HERE, FIRM = "/operations/support", "/h/heqing/support", "/firm/support"
FORM = {"code": "heqing", "reason": "回访计划页面打不开", "minutes": "30"}


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOW)


@pytest.fixture
def browser(db: Database, clock: SetClock) -> Iterator[Browser]:
    with browsing(db, clock=clock) as made:
        yield made


@pytest.fixture
def operator(world: World) -> UUID:
    """The platform's operator, who holds no other role."""
    return add_operator(world, None)


def add_operator(world: World, tenant_id: UUID | None) -> UUID:
    with world.db.platform(PlatformScope(Actor.system("test"), "test")) as session:
        person = Person(
            id=new_id(), email=f"{new_id()}@example.com", name="丁运维", language="zh_Hans", created_at=NOW
        )
        session.add(person)
        session.flush()
        roles: list[tuple[str, UUID | None]] = [("operator", None)]
        if tenant_id is not None:
            roles.append(("hospital_admin", tenant_id))
        for role, where in roles:
            session.add(
                Membership(person_id=person.id, role=role, tenant_id=where, created_at=NOW, accepted_at=NOW)
            )
    return person.id


def newest(world: World) -> SupportAccess:
    with world.db.platform(PlatformScope(Actor.system("test"), "test")) as session:
        return session.scalars(
            select(SupportAccess).order_by(SupportAccess.asked_at.desc(), SupportAccess.id.desc())
        ).first() or SupportAccess(id=new_id())


def running(browser: Browser, world: World, operator: UUID) -> SupportAccess:
    """A request that the hospital's director has granted; the operator is at the browser."""
    assert browser.enter(operator).post(ASKING, FORM).status_code == 303
    row = newest(world)
    assert browser.enter(world.people["heqing_gm"]).post(f"{HERE}/{row.id}/grant").status_code == 303
    browser.enter(operator)
    return newest(world)


def told(world: World, *actions: str) -> list[AuditEvent]:
    with world.hospital(world.heqing) as session:
        found = select(AuditEvent).where(AuditEvent.action.in_(actions)).order_by(AuditEvent.seq)
        return list(session.scalars(found))


# --------------------------------------------------------------------------------- what an operator sees


def test_outside_support_the_operator_reaches_no_hospital_by_any_address(
    browser: Browser, world: World, operator: UUID
) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session, name="欧阳兰兰")
    browser.enter(operator)
    seen = 0
    for method, path, needs in addresses(browser):
        if needs in {PUBLIC, SIGNED_IN}:
            continue
        concrete = re.sub(
            r"\{(\w+)(:\w+)?\}", lambda m: "heqing" if m[1] == "code" else str(patient.id), path
        )
        answer = browser.client.request(
            method, concrete, headers={"x-csrftoken": browser.token()}, follow_redirects=False
        )
        if "{code" in path:
            assert answer.status_code == 404, (method, path)
        elif needs not in MATRIX[Role.OPERATOR]:
            assert answer.status_code in {403, 404}, (method, path)
        assert "欧阳兰兰" not in answer.text
        seen += 1
    assert seen > 50


def addresses(browser: Browser) -> list[tuple[str, str, Any]]:
    """Every method and path of the product with what it needs."""
    app = create_app(browser.runtime)
    return [
        (method, route.path_format, handler.opt.get("needs"))
        for route in app.routes
        for handler in getattr(route, "route_handlers", [])
        for method in handler.http_methods
        if method in {"GET", "POST", "DELETE", "PUT", "PATCH"}
    ]


def test_while_it_runs_the_operator_reads_inside_a_red_frame(
    browser: Browser, world: World, operator: UUID
) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session, name="欧阳兰兰")
    running(browser, world, operator)
    page = browser.get("/h/heqing/cases")
    assert page.status_code == 200
    assert "cl-under-support" in page.text
    assert 'data-seconds="1800"' in page.text
    assert "由 赵院长 批准" in page.text
    shown = browser.get(f"/h/heqing/patients/{patient.id}")
    assert shown.status_code == 200
    assert "cl-under-support" in shown.text
    assert "cl-under-support" in browser.get("/h/heqing/patients/" + str(new_id())).text, "on errors too"
    assert "cl-under-support" not in browser.get(ASKING).text
    assert browser.get("/h/yunling/cases").status_code == 404, "this hospital and no other"


def test_nothing_can_be_changed_taken_away_or_revealed(
    browser: Browser, world: World, operator: UUID
) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session)
    running(browser, world, operator)
    for method, path, needs in addresses(browser):
        if "{code" not in path or needs in {PUBLIC, SIGNED_IN}:
            continue
        concrete = re.sub(
            r"\{(\w+)(:\w+)?\}", lambda m: "heqing" if m[1] == "code" else str(patient.id), path
        )
        answer = browser.client.request(
            method, concrete, headers={"x-csrftoken": browser.token()}, follow_redirects=False
        )
        assert answer.status_code < 500, (method, path)
        if needs not in MATRIX[Role.SUPPORT] or (method != "GET" and not path.endswith("/search")):
            assert answer.status_code in {403, 404}, (method, path)
    assert browser.post("/h/heqing/patients/search", {"search": "王"}).status_code == 200, "reading by form"


def test_the_database_itself_refuses_to_write(world: World) -> None:
    scope = HospitalScope(world.heqing.tenant_id, Actor.system("test"), "test", read_only=True)
    with pytest.raises(DBAPIError, match="read-only"), world.db.hospital(scope) as session:
        session.execute(text("UPDATE hospital SET name = 'x'"))


def test_every_click_is_on_record_under_both_names(browser: Browser, world: World, operator: UUID) -> None:
    running(browser, world, operator)
    browser.get("/h/heqing/cases?search=13812345678")
    browser.get("/h/heqing/reports")
    events = told(world, "support.viewed")
    assert [event.detail["route"] for event in events] == ["/h/{code}/cases", "/h/{code}/reports"]
    assert {(event.actor_name, event.detail["granted_by"]) for event in events} == {("丁运维", "赵院长")}
    assert all(event.actor_id == operator for event in events)
    assert "13812345678" not in str([event.detail for event in events])
    (refused,) = told(world, "access.refused")
    assert (refused.actor_name, refused.detail["granted_by"]) == ("丁运维", "赵院长")
    log = browser.enter(world.people["heqing_admin"]).get(HERE).text
    assert "GET /h/{code}/cases" in log
    assert [event.action for event in told(world, "support.asked", "support.granted")] == [
        "support.asked",
        "support.granted",
    ]


# ------------------------------------------------------------------------------------------ how it ends


def test_it_ends_by_itself(browser: Browser, world: World, operator: UUID, clock: SetClock) -> None:
    running(browser, world, operator)
    clock.at = NOW + timedelta(minutes=29, seconds=59)
    assert browser.enter(operator).get("/h/heqing/cases").status_code == 200
    clock.at = NOW + timedelta(minutes=30)
    assert browser.get("/h/heqing/cases").status_code == 404
    assert len(told(world, "support.viewed")) == 1
    assert "已结束" in browser.get(ASKING).text


@pytest.mark.parametrize("who", ["hospital", "firm", "operator"])
def test_each_side_ends_it_at_once(browser: Browser, world: World, operator: UUID, who: str) -> None:
    row = running(browser, world, operator)
    person, path = {
        "hospital": (world.people["heqing_admin"], HERE),
        "firm": (world.people["firm_gm"], FIRM),
        "operator": (operator, ASKING),
    }[who]
    assert browser.enter(person).post(f"{path}/{row.id}/end").status_code == 303
    assert browser.enter(operator).get("/h/heqing/cases").status_code == 404
    assert browser.enter(person).post(f"{path}/{row.id}/end").status_code == 303, "twice is once"
    assert len(told(world, "support.ended")) == 1


def test_it_ends_with_the_operators_role(browser: Browser, world: World, operator: UUID) -> None:
    running(browser, world, operator)
    with world.db.platform(PlatformScope(Actor.system("test"), "test")) as session:
        session.delete(session.scalars(select(Membership).where(Membership.person_id == operator)).one())
    assert browser.enter(operator).get("/h/heqing/cases").status_code == 404


# ------------------------------------------------------------------------------------- asking and answering


@pytest.mark.parametrize(
    "changes",
    [
        {"minutes": "4"}, {"minutes": "241"}, {"minutes": "-30"}, {"minutes": "1.5"}, {"minutes": ""},
        {"minutes": "٣٠"}, {"reason": "  "}, {"code": "nowhere"}, {"code": ""}, {"code": "hk"},
    ],
)  # fmt: skip
def test_a_request_names_a_hospital_a_reason_and_some_minutes(
    browser: Browser, world: World, operator: UUID, changes: dict[str, str]
) -> None:
    assert browser.enter(operator).post(ASKING, FORM | changes).status_code == 422
    assert told(world, "support.asked") == []


def test_nobody_but_an_operator_asks(browser: Browser, world: World) -> None:
    for key in ("firm_gm", "heqing_admin", "agent"):
        browser.enter(world.people[key])
        assert browser.get(ASKING).status_code == 403
        assert browser.post(ASKING, FORM).status_code == 403


def test_a_second_request_while_one_is_open_is_refused(
    browser: Browser, world: World, operator: UUID
) -> None:
    browser.enter(operator)
    assert browser.post(ASKING, FORM).status_code == 303
    assert browser.post(ASKING, FORM).status_code == 422
    assert len(told(world, "support.asked")) == 1


def test_a_double_click_on_grant_is_one_grant(browser: Browser, world: World, operator: UUID) -> None:
    row = running(browser, world, operator)
    browser.enter(world.people["heqing_gm"])
    assert browser.post(f"{HERE}/{row.id}/grant").status_code == 303
    assert newest(world).ends_at == row.ends_at
    assert len(told(world, "support.granted")) == 1
    assert browser.post(f"{HERE}/{row.id}/refuse").status_code == 422, "answered already"


def test_a_refused_request_opens_nothing(browser: Browser, world: World, operator: UUID) -> None:
    browser.enter(operator).post(ASKING, FORM)
    row = newest(world)
    browser.enter(world.people["firm_gm"])
    assert "回访计划页面打不开" in browser.get(FIRM).text
    assert browser.post(f"{FIRM}/{row.id}/refuse").status_code == 303
    assert browser.enter(operator).get("/h/heqing/cases").status_code == 404


def test_a_request_lapses_after_a_day(
    browser: Browser, world: World, operator: UUID, clock: SetClock
) -> None:
    browser.enter(operator).post(ASKING, FORM)
    row = newest(world)
    clock.at = NOW + timedelta(hours=24)
    browser.enter(world.people["heqing_gm"])
    assert browser.post(f"{HERE}/{row.id}/grant").status_code == 422
    assert browser.enter(operator).get("/h/heqing/cases").status_code == 404
    assert browser.post(ASKING, FORM).status_code == 303, "and may be asked anew"


def test_one_hospital_does_not_answer_for_another(browser: Browser, world: World, operator: UUID) -> None:
    browser.enter(operator).post(ASKING, FORM)
    row = newest(world)
    browser.enter(world.people["yunling_admin"])
    for answer in ("grant", "refuse", "end"):
        assert browser.post(f"/h/yunling/support/{row.id}/{answer}").status_code == 404
        assert browser.post(f"{HERE}/{row.id}/{answer}").status_code == 404
    assert newest(world).decision is None
    assert str(row.id) not in browser.get("/h/yunling/support").text


def a_role(world: World, person_id: UUID, **where: UUID) -> None:
    with world.db.platform(PlatformScope(Actor.system("test"), "test")) as session:
        role = "hospital_admin" if "tenant_id" in where else "firm_gm"
        session.add(Membership(person_id=person_id, role=role, created_at=NOW, accepted_at=NOW, **where))


def test_nobody_grants_what_they_asked_for(browser: Browser, world: World, operator: UUID) -> None:
    browser.enter(operator).post(ASKING, FORM)
    a_role(world, operator, tenant_id=world.heqing.tenant_id)
    row = newest(world)
    assert browser.post(f"{HERE}/{row.id}/grant").status_code == 422
    assert newest(world).decision is None


@pytest.mark.parametrize("side", ["hospital", "firm"])
def test_whoever_has_a_role_there_neither_asks_nor_is_granted(
    browser: Browser, world: World, operator: UUID, side: str
) -> None:
    where = {"tenant_id": world.heqing.tenant_id} if side == "hospital" else {"firm_id": world.firm_id}
    both = add_operator(world, None)
    a_role(world, both, **where)
    assert browser.enter(both).post(ASKING, FORM).status_code == 422
    assert told(world, "support.asked") == []
    assert browser.enter(operator).post(ASKING, FORM).status_code == 303
    a_role(world, operator, **where)
    row = newest(world)
    browser.enter(world.people["heqing_gm"])
    assert browser.post(f"{HERE}/{row.id}/grant").status_code == 422
    assert browser.post(f"{HERE}/{row.id}/refuse").status_code == 303


def test_whoever_looks_under_support_answers_no_request(
    browser: Browser, world: World, operator: UUID
) -> None:
    running(browser, world, operator)
    assert browser.get(HERE).status_code == 403
    assert Action.GRANT_SUPPORT not in MATRIX[Role.SUPPORT]


@pytest.mark.parametrize("side", ["hospital", "firm"])
def test_a_role_that_is_given_meanwhile_does_not_lift_the_frame(
    world: World, browser: Browser, operator: UUID, clock: SetClock, side: str
) -> None:
    """While support access runs, it alone counts there; afterwards the role does."""
    running(browser, world, operator)
    where = {"tenant_id": world.heqing.tenant_id} if side == "hospital" else {"firm_id": world.firm_id}
    a_role(world, operator, **where)
    assert "cl-under-support" in browser.get("/h/heqing/cases").text
    assert len(told(world, "support.viewed")) == 1
    assert browser.post("/h/heqing/departments", {"names": "新科"}).status_code == 403
    assert browser.get("/h/heqing/people").status_code == 403
    clock.at = NOW + timedelta(minutes=30)
    page = browser.enter(operator).get("/h/heqing/cases")
    assert page.status_code == 200
    assert "cl-under-support" not in page.text


@pytest.mark.parametrize("minutes", ["9" * 5000, "１２", "", "-5", "241"])
def test_minutes_that_are_none_are_said_in_a_sentence(browser: Browser, operator: UUID, minutes: str) -> None:
    assert browser.enter(operator).post(ASKING, FORM | {"minutes": minutes}).status_code == 422
