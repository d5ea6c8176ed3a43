"""The gate before statistics (S4-16): a role, or what the director opened, that month and until that day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from feedback_cases import case_of
from reporting_rows import SEPTEMBER, answered
from sqlalchemy import select
from web_client import Browser, browsing
from world import World

from foundation.audit import AuditEvent
from foundation.clock import SetClock
from foundation.database import Database, FirmSession
from foundation.scope import Actor, FirmScope, PlatformScope
from reporting import benchmark
from reporting.models import BenchmarkReport
from reporting.monthly import make_report
from tenants.models import Membership
from tenants.oversight import grants
from tenants.oversight.statistics import VIEWS

OCTOBER_4 = datetime.fromisoformat("2026-10-04T09:00:00+08:00")
AUGUST = date(2026, 8, 1)
REPORTS, BENCHMARK = "/h/heqing/reports", "/h/heqing/benchmark"
FILES = ("report.pdf", "report.xlsx", "figures.csv")


@pytest.fixture
def clock() -> SetClock:
    return SetClock(OCTOBER_4)


@pytest.fixture
def browser(db: Database, world: World, clock: SetClock) -> Iterator[Browser]:
    with world.hospital(world.heqing) as session:
        for place in range(12):
            answered(session, world.patient(session), 70 + place)
        for month in (AUGUST, SEPTEMBER):
            make_report(session, month, by="何琳", now=OCTOBER_4)
    with browsing(db, clock=clock) as made:
        yield made.enter(world.people["heqing_admin"])


def opened(world: World, subject: str, month: date | None, **to: Any) -> str:
    """Something the director has opened, to the patient service director unless told; the grant's id."""
    gm = Actor("person", world.people["heqing_gm"], "赵院长")
    values: dict[str, Any] = {"kind": "person", "grantee_id": world.people["heqing_admin"]} | to
    with world.hospital(world.heqing, gm) as session:
        made = grants.give(
            session,
            subject=subject,
            month=month,
            ends_on=date(2026, 10, 31),
            now=OCTOBER_4,
            **values,
        )
        return str(made.id)


def looks(world: World) -> list[tuple[str, str, Any]]:
    with world.hospital(world.heqing) as session:
        events = session.scalars(
            select(AuditEvent).where(AuditEvent.action.in_(VIEWS)).order_by(AuditEvent.seq)
        )
        return [(event.action, event.detail["form"], event.detail["grant"]) for event in events]


def refusals(world: World) -> list[str]:
    with world.hospital(world.heqing) as session:
        found = session.scalars(
            select(AuditEvent).where(AuditEvent.action == "access.refused").order_by(AuditEvent.seq)
        )
        return [f"{event.reason} {event.detail['route']}" for event in found]


def test_without_a_grant_every_address_is_the_gate_and_the_try_is_on_record(
    browser: Browser, world: World
) -> None:
    for path in (
        REPORTS,
        f"{REPORTS}/2026-09",
        *(f"{REPORTS}/2026-09/{file}" for file in FILES),
        BENCHMARK,
        f"{BENCHMARK}/2026-09",
        f"{BENCHMARK}/2026-09/benchmark.pdf",
        f"{BENCHMARK}/2026-09/benchmark.xlsx",
    ):
        answer = browser.get(path)
        assert answer.status_code == 403, path
        assert "统计报表由院长开放" in answer.text, path
        assert "请向院长申请" in answer.text, path
        assert "75.5" not in answer.text, path
    assert looks(world) == []
    assert len(refusals(world)) == 9
    assert set(refusals(world)) >= {"statistics /h/{code}/reports/{month}/report.pdf"}


def test_a_hospital_beyond_reach_has_no_gate(browser: Browser) -> None:
    for path in ("/h/yunling/reports", "/h/yunling/reports/2026-09", "/h/yunling/benchmark"):
        assert browser.get(path).status_code == 404


def test_one_month_opens_exactly_that_month(browser: Browser, world: World) -> None:
    grant = opened(world, "report", SEPTEMBER)
    listed = browser.get(REPORTS)
    assert listed.status_code == 200
    assert "2026年9月" in listed.text
    assert "2026年8月" not in listed.text
    assert "2026年10月" not in listed.text, "nor the month that runs"
    page = browser.get(f"{REPORTS}/2026-09")
    assert page.status_code == 200
    assert "75.5" in page.text
    assert "/reports/2026-08" not in page.text
    assert "/reports/2026-10" not in page.text
    for file in FILES:
        assert browser.get(f"{REPORTS}/2026-09/{file}").status_code == 200
        assert browser.get(f"{REPORTS}/2026-08/{file}").status_code == 403
    other = browser.get(f"{REPORTS}/2026-08")
    assert other.status_code == 403
    assert "2026年9月" in other.text, "the gate says what is open"
    assert browser.get(f"{REPORTS}/2026-10").status_code == 403
    assert browser.get(BENCHMARK).status_code == 403
    assert looks(world) == [
        ("reporting.months_read", "page", grant),
        ("reporting.month_read", "page", grant),
        ("reporting.month_downloaded", "pdf", grant),
        ("reporting.month_downloaded", "xlsx", grant),
        ("reporting.month_downloaded", "csv", grant),
    ]


def test_the_series_opens_all_months_and_the_index(browser: Browser, world: World) -> None:
    one = opened(world, "report", SEPTEMBER)
    assert "平均指数" not in browser.get("/h/heqing/surveys").text, "one month is not the index of all time"
    series = opened(world, "report", None)
    for month in ("2026-08", "2026-09", "2026-10"):
        assert browser.get(f"{REPORTS}/{month}").status_code == 200
    browser.get("/h/heqing/surveys")
    assert ("surveys.index_read", "page", series) in looks(world)
    assert one != series


def test_a_grant_ends_by_itself_and_the_try_after_it_is_on_record(
    browser: Browser, world: World, clock: SetClock
) -> None:
    opened(world, "report", SEPTEMBER)
    clock.at = datetime.fromisoformat("2026-10-31T23:30:00+08:00")
    browser.enter(world.people["heqing_admin"])
    assert browser.get(f"{REPORTS}/2026-09").status_code == 200
    clock.at += timedelta(minutes=31)
    browser.enter(world.people["heqing_admin"])
    assert browser.get(f"{REPORTS}/2026-09").status_code == 403
    assert refusals(world) == ["statistics /h/{code}/reports/{month}"]


def test_a_withdrawn_grant_is_closed_at_once(browser: Browser, world: World) -> None:
    grant = opened(world, "report", SEPTEMBER)
    assert browser.get(f"{REPORTS}/2026-09").status_code == 200
    gm = Browser(browser.client, browser.runtime).enter(world.people["heqing_gm"])
    assert gm.post(f"/h/heqing/grants/{grant}/withdraw").status_code == 303
    browser.enter(world.people["heqing_admin"])
    assert browser.get(f"{REPORTS}/2026-09").status_code == 403


def test_a_department_head_reads_what_is_opened_to_the_department_and_no_case_of_another(
    browser: Browser, world: World
) -> None:
    """D7: casework is the department's own; statistics pass the gate."""
    head = world.people["agent2"]
    with world.db.platform(PlatformScope(Actor.system("test"), "test")) as session:
        member = session.scalars(select(Membership).where(Membership.person_id == head)).one()
        member.firm_id, member.tenant_id, member.role = None, world.heqing.tenant_id, "department_head"
        member.department_id = world.heqing.departments["骨科"]
    with world.hospital(world.heqing) as session:
        own = case_of(session, world.patient(session), world.agent)
        other = case_of(session, world.patient(session, department="儿科"), world.agent)
    browser.enter(head)
    assert browser.get(f"/h/heqing/cases/{own.id}").status_code == 200
    assert browser.get(f"/h/heqing/cases/{other.id}").status_code == 404
    assert browser.get(f"{REPORTS}/2026-09").status_code == 403
    opened(world, "report", SEPTEMBER, kind="department", grantee_id=world.heqing.departments["儿科"])
    assert browser.get(f"{REPORTS}/2026-09").status_code == 403
    opened(world, "report", SEPTEMBER, kind="department", grantee_id=world.heqing.departments["骨科"])
    assert browser.get(f"{REPORTS}/2026-09").status_code == 200
    assert "/h/heqing/reports" in browser.get("/h/heqing/cases").text, "it stands in the menu"


def test_a_role_reads_by_role_and_the_provisional_month_is_on_record_too(
    browser: Browser, world: World
) -> None:
    browser.enter(world.people["heqing_gm"])
    browser.get(REPORTS)
    browser.get(f"{REPORTS}/2026-10")
    browser.get(BENCHMARK)
    browser.get(f"{BENCHMARK}/2026-09")
    assert looks(world) == [
        ("reporting.months_read", "page", None),
        ("reporting.month_read", "page", None),
        ("reporting.benchmarks_read", "page", None),
        ("reporting.benchmark_read", "page", None),
    ]


def test_a_comparison_opened_for_a_month_is_found_in_the_menu(browser: Browser, world: World) -> None:
    with world.hospital(world.heqing) as session:
        assert session.scalars(select(BenchmarkReport)).all() == []
    opened(world, "benchmark", SEPTEMBER)
    page = browser.get(BENCHMARK)
    assert page.status_code == 200
    assert 'href="/h/heqing/benchmark"' in page.text
    assert browser.get(f"{BENCHMARK}/2026-09").status_code == 200
    assert browser.get(f"{BENCHMARK}/2026-08").status_code == 403
    assert browser.get(REPORTS).status_code == 403


# --------------------------------------------------------------------------------------------- four eyes


def test_four_eyes_are_two_people_and_not_two_names(db: Database, world: World) -> None:
    """Two people of one name may run and approve; one person may not, whatever they are called."""
    namesakes = [Actor("person", world.people[key], "王伟") for key in ("operations", "firm_gm")]
    ids = (world.heqing.tenant_id, world.yunling.tenant_id)

    def firm(actor: Actor) -> FirmScope:
        return FirmScope(world.firm_id, ids, actor, "test")

    with db.firm(firm(namesakes[0])) as session:
        made = run(session)
    renamed = Actor("person", namesakes[0].id, "王伟(新)")
    with db.firm(firm(renamed)) as session, pytest.raises(benchmark.FourEyes):
        benchmark.approve(session, made, by=renamed.name, now=OCTOBER_4)
    with db.firm(firm(namesakes[1])) as session:
        assert len(benchmark.approve(session, made, by="王伟", now=OCTOBER_4)) == 2


def run(session: FirmSession) -> Any:
    return benchmark.run(session, SEPTEMBER, by="王伟", now=OCTOBER_4).id
