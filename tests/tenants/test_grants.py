"""What the director opens to others (S4-16): to whom, what, until when, and that it is on record."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from web_client import Browser, browsing
from world import NOW, TODAY, World

from foundation.audit import AuditEvent
from foundation.clock import SetClock
from foundation.database import Database
from foundation.ids import new_id
from foundation.scope import Actor, PlatformScope
from tenants.faces import Grant
from tenants.models import Membership, Person, StatisticsGrant
from tenants.oversight import grants
from tenants.rights import MATRIX, Action, Role

HERE = "/h/heqing/grants"


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOW)


@pytest.fixture
def browser(db: Database, world: World, clock: SetClock) -> Iterator[Browser]:
    with browsing(db, clock=clock) as made:
        yield made.enter(world.people["heqing_gm"])


def form(world: World, **changes: str) -> dict[str, str]:
    return {
        "to": f"person:{world.people['heqing_admin']}",
        "subject": "report",
        "month": "2026-08",
        "ends_on": "2026-10-15",
    } | changes


def rows(world: World) -> list[StatisticsGrant]:
    with world.hospital(world.heqing) as session:
        return list(session.scalars(select(StatisticsGrant).order_by(StatisticsGrant.granted_at)))


def told(world: World, *actions: str) -> list[tuple[str, dict[str, Any]]]:
    with world.hospital(world.heqing) as session:
        found = select(AuditEvent).where(AuditEvent.action.in_(actions)).order_by(AuditEvent.seq)
        return [(event.action, event.detail) for event in session.scalars(found)]


def test_only_the_director_opens_statistics() -> None:
    assert [role for role in Role if Action.GRANT_STATISTICS in MATRIX[role]] == [Role.HOSPITAL_GM]


def test_a_grant_and_its_withdrawal_are_on_record_and_in_the_list(browser: Browser, world: World) -> None:
    assert "尚未向任何人开放" in browser.get(HERE).text
    assert browser.post(HERE, form(world)).status_code == 303
    (row,) = rows(world)
    assert (row.subject, row.month, row.ends_on) == ("report", date(2026, 8, 1), date(2026, 10, 15))
    page = browser.get(HERE).text
    assert "陈静" in page
    assert "2026年8月" in page
    assert browser.post(f"{HERE}/{row.id}/withdraw").status_code == 303
    assert browser.post(f"{HERE}/{row.id}/withdraw").status_code == 303, "twice is once"
    assert "已收回" in browser.get(HERE).text
    events = told(world, "statistics.granted", "statistics.withdrawn")
    assert [action for action, _detail in events] == ["statistics.granted", "statistics.withdrawn"]
    detail = events[0][1]
    assert detail["person"] == str(world.people["heqing_admin"])
    assert (detail["month"], detail["ends_on"]) == ("2026-08", "2026-10-15")


def test_a_double_click_is_one_grant(browser: Browser, world: World) -> None:
    for _ in range(2):
        assert browser.post(HERE, form(world)).status_code == 303
    assert len(rows(world)) == 1
    assert len(told(world, "statistics.granted")) == 1


def test_a_grant_that_is_over_says_so(browser: Browser, world: World, clock: SetClock) -> None:
    browser.post(HERE, form(world, ends_on="2026-09-15"))
    assert "已到期" not in browser.get(HERE).text
    clock.at = NOW + timedelta(days=1)
    browser.enter(world.people["heqing_gm"])
    assert "已到期" in browser.get(HERE).text


@pytest.mark.parametrize(
    "changes",
    [
        {"ends_on": "2026-09-14"}, {"ends_on": "2027-09-16"}, {"ends_on": ""}, {"ends_on": "morgen"},
        {"subject": "cases"}, {"subject": ""}, {"month": "2026-13"}, {"month": "2026-10"}, {"to": ""},
        {"to": "person:"}, {"to": "firm:1"},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_said_in_a_sentence(
    browser: Browser, world: World, changes: dict[str, str]
) -> None:
    assert browser.post(HERE, form(world, **changes)).status_code == 422
    assert rows(world) == []


@pytest.mark.parametrize("ends_on", ["2026-09-15", "2027-09-15"])
def test_today_and_a_year_from_today_are_the_bounds(browser: Browser, world: World, ends_on: str) -> None:
    assert browser.post(HERE, form(world, ends_on=ends_on)).status_code == 303


def test_somebody_who_is_not_of_this_hospital_does_not_exist_here(browser: Browser, world: World) -> None:
    others = [
        f"person:{world.people['yunling_admin']}",
        f"person:{world.people['agent']}",
        f"person:{new_id()}",
        f"department:{world.yunling.departments['骨科']}",
        f"department:{world.people['heqing_admin']}",
    ]
    for to in others:
        assert browser.post(HERE, form(world, to=to)).status_code == 404, to
    assert rows(world) == []
    page = browser.get(HERE).text
    assert "陈静" in page
    assert "吴芳" not in page
    assert f"person:{world.people['heqing_gm']}" not in page, "the director reads anyway"


def test_another_hospitals_director_withdraws_nothing(browser: Browser, world: World) -> None:
    browser.post(HERE, form(world))
    (row,) = rows(world)
    with world.db.platform(PlatformScope(Actor.system("test"), "test")) as session:
        member = session.scalars(
            select(Membership).where(Membership.person_id == world.people["yunling_admin"])
        ).one()
        member.role = "hospital_gm"
    browser.enter(world.people["yunling_admin"])
    assert browser.post(f"/h/yunling/grants/{row.id}/withdraw").status_code == 404
    assert browser.post(f"{HERE}/{row.id}/withdraw").status_code == 404
    assert rows(world)[0].revoked_at is None


@pytest.mark.parametrize("who", ["heqing_admin", "firm_gm", "operations", "agent"])
def test_nobody_else_sees_or_changes_them(browser: Browser, world: World, who: str) -> None:
    browser.enter(world.people[who])
    wanted = 404 if who == "agent" else 403
    assert browser.get(HERE).status_code == wanted
    assert browser.post(HERE, form(world)).status_code == wanted
    assert 'href="/h/heqing/grants"' not in browser.get("/h/heqing/cases").text


def test_the_director_sees_how_often_and_by_whom(browser: Browser, world: World) -> None:
    browser.post(HERE, form(world, month=""))
    browser.enter(world.people["heqing_admin"]).get("/h/heqing/reports/2026-08")
    browser.enter(world.people["operations"]).get("/h/heqing/reports/2026-08")
    page = browser.enter(world.people["heqing_gm"]).get(HERE).text
    with world.hospital(world.heqing) as session:
        (line,) = grants.lines(session, TODAY)
        looks = grants.looks(session)
    assert (line.views, line.last_view) == (1, NOW)
    assert [(look.name, look.granted, look.month) for look in looks if look.month] == [
        ("何琳", False, "2026-08"),
        ("陈静", True, "2026-08"),
    ]
    assert "您的授权" in page


def heads(world: World, name: str, at: datetime) -> UUID:
    """Somebody who came to head orthopaedics at this moment."""
    with world.db.platform(PlatformScope(Actor.system("test"), "test")) as session:
        person = Person(
            id=new_id(), email=f"{new_id()}@example.com", name=name, language="zh_Hans", created_at=at
        )
        session.add(person)
        session.flush()
        session.add(
            Membership(
                person_id=person.id, role="department_head", tenant_id=world.heqing.tenant_id,
                department_id=world.heqing.departments["骨科"], created_at=at, accepted_at=at,
            )
        )  # fmt: skip
    return person.id


def reads(browser: Browser, person_id: UUID) -> int:
    return browser.enter(person_id).get("/h/heqing/reports/2026-08").status_code


def test_a_departments_grant_opens_to_who_headed_it_then_and_to_a_new_head_after_a_new_one(
    browser: Browser, world: World, clock: SetClock
) -> None:
    wanted = form(world, to=f"department:{world.heqing.departments['骨科']}")
    old = heads(world, "周主任", NOW - timedelta(days=9))
    assert browser.post(HERE, wanted).status_code == 303
    clock.at = NOW + timedelta(minutes=5)
    new = heads(world, "新主任", clock.at)
    assert (reads(browser, old), reads(browser, new)) == (200, 403)
    browser.enter(world.people["heqing_gm"])
    assert "授权时的 1 人；新任负责人须重新授权" in browser.get(HERE).text
    assert browser.post(HERE, wanted).status_code == 303
    assert browser.post(HERE, wanted).status_code == 303
    assert len(rows(world)) == 2, "the second word is new, the third is not"
    assert "授权时的 2 人" in browser.get(HERE).text
    assert (reads(browser, old), reads(browser, new)) == (200, 200)


@pytest.mark.parametrize("way", ["changed", "reopened"])
def test_nobody_is_made_a_head_again_to_read_what_was_opened_before(
    browser: Browser, world: World, clock: SetClock, way: str
) -> None:
    """Whoever manages people cannot turn a role that was there before the grant into one that opens it."""
    puppet = heads(world, "新主任", NOW - timedelta(days=9))
    with world.db.platform(PlatformScope(Actor.system("test"), "test")) as session:
        held = session.scalars(select(Membership).where(Membership.person_id == puppet)).one()
        if way == "changed":
            held.role, held.department_id = "hospital_auditor", None
        else:
            held.closed_at = NOW - timedelta(days=1)
    browser.post(HERE, form(world, to=f"department:{world.heqing.departments['骨科']}"))
    clock.at = NOW + timedelta(minutes=5)
    browser.enter(world.people["heqing_admin"])
    if way == "changed":
        path, act = f"/h/heqing/people/roles/{held.id}", {"act": "change", "role": "department_head"}
    else:
        path, act = f"/h/heqing/people/{puppet}/account", {"act": "reopen"}
    assert browser.post(path, act | {"department": "骨科"}).status_code == 303
    assert reads(browser, puppet) == 403


def test_somebody_who_has_left_reads_nothing_any_more(browser: Browser, world: World) -> None:
    browser.post(HERE, form(world, month=""))
    person_id = world.people["heqing_admin"]
    with world.db.platform(PlatformScope(Actor.system("test"), "test")) as session:
        session.delete(session.scalars(select(Membership).where(Membership.person_id == person_id)).one())
        session.get_one(Person, person_id)
    browser.enter(person_id)
    assert browser.get("/h/heqing/reports/2026-08").status_code == 404


MONTHS = st.dates(date(2020, 1, 1), date(2030, 12, 1)).map(lambda day: day.replace(day=1))


@given(MONTHS, MONTHS, st.sampled_from(["report", "benchmark"]), st.sampled_from(["report", "benchmark"]))
def test_a_month_covers_itself_alone_and_the_series_every_month(
    given_month: date, wanted: date, subject: str, asked: str
) -> None:
    one, series = Grant(UUID(int=1), subject, given_month), Grant(UUID(int=2), subject, None)
    assert one.covers(asked, wanted) == (subject == asked and given_month == wanted)
    assert series.covers(asked, wanted) == (subject == asked)
