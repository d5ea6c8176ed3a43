"""The audit pages: how a record is found again, that the files say the same, and who may look."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy import Engine, select, text
from web_client import Browser, browsing
from world import NOW, World

from foundation import audit
from foundation.audit import AuditEvent
from foundation.clock import SetClock
from foundation.database import Database
from foundation.ids import new_id
from foundation.scope import Actor, PlatformScope
from tenants import service
from tenants.oversight.firm_audit import note
from tenants.rights import MATRIX, Action, Role

OCTOBER_4 = datetime.fromisoformat("2026-10-04T09:00:00+08:00")
PAGE, FIRM = "/h/heqing/audit", "/firm/audit"
SYSTEM = PlatformScope(Actor.system("test"), "test")


@pytest.fixture
def browser(db: Database, world: World) -> Iterator[Browser]:
    with browsing(db, clock=SetClock(OCTOBER_4)) as made:
        yield made


def some(world: World, count: int, action: str = "patients.viewed", **more: Any) -> None:
    with world.hospital(world.heqing) as session:
        for number in range(count):
            audit.record(
                session, action, now=OCTOBER_4 - timedelta(hours=count - number),
                subject=f"patient:{number:04d}", **more,
            )  # fmt: skip


def rows_of(page: str) -> list[str]:
    """The records on a page, as text."""
    body = page.partition("<tbody>")[2].partition("</tbody>")[0]
    return [" ".join(html.unescape(re.sub(r"<[^>]+>", " ", row)).split()) for row in body.split("</tr>")[:-1]]


# ------------------------------------------------------------------------------------------ the page


def test_the_newest_come_first_page_by_page_and_none_is_lost(world: World, browser: Browser) -> None:
    some(world, 120)
    browser.enter(world.people["heqing_gm"])
    seen: list[str] = []
    address: str | None = PAGE
    while address:
        answer = browser.get(address)
        assert answer.status_code == 200
        found = rows_of(answer.text)
        assert len(found) <= 50
        seen += found
        following = re.search(r'href="([^"]+)" rel="next"', answer.text)
        address = html.unescape(following[1]) if following else None
    numbers = [int(match[1]) for row in seen if (match := re.search(r"序号\D*(\d+)|编号\D*(\d+)", row))]
    assert len(seen) >= 120
    assert numbers == sorted(numbers, reverse=True)


def test_days_people_kinds_and_subjects_narrow_it_down(world: World, browser: Browser) -> None:
    some(world, 3)
    with world.hospital(world.heqing, world.agent) as session:
        audit.record(session, "feedback.exported", now=OCTOBER_4, detail={"rows": 7})
        audit.record(
            session, "patients.viewed", now=OCTOBER_4 - timedelta(days=40), subject=f"patient:{new_id()}"
        )
        one = new_id()
        audit.record(
            session, "patients.number_revealed", now=OCTOBER_4, subject=f"patient:{one}", reason="回拨"
        )
    browser.enter(world.people["heqing_gm"])

    def count(query: str) -> int:
        answer = browser.get(f"{PAGE}?{query}")
        assert answer.status_code == 200
        return len(rows_of(answer.text))

    assert count("") == 5, "the last thirty days"
    assert count("since=2026-01-01") == 6
    assert count("since=2026-10-05") == 0
    assert count("until=2026-08-30&since=2026-08-01") == 1
    assert count(f"person={world.agent.name}") == 2
    assert count("kind=export") == 1
    assert count("kind=feedback.exported") == 1
    assert count(f"subject={one}") == count(f"subject=patient:{one}") == 1
    assert count("person=%25") == 0, "a sign of the search language is searched for as it is"
    for wrong in ("since=gestern", "kind=nothing", "since=0001-01-01"):
        assert browser.get(f"{PAGE}?{wrong}").status_code == 422


def test_a_cursor_of_another_hospital_or_of_nobody_is_not_there(world: World, browser: Browser) -> None:
    some(world, 1)
    with world.hospital(world.yunling) as session:
        audit.record(session, "patients.viewed", now=NOW)
        other = session.scalars(select(AuditEvent.id)).one()
    browser.enter(world.people["heqing_gm"])
    for cursor in (other, new_id()):
        for address in (PAGE, "/api/v1/h/heqing/audit"):
            assert browser.get(f"{address}?after={cursor}").status_code == 404
    assert browser.get("/h/yunling/audit").status_code == 404
    assert browser.get("/api/v1/h/yunling/audit").status_code == 404


@pytest.mark.parametrize("role", [Role.HOSPITAL_AUDITOR, Role.DEPARTMENT_HEAD, Role.HOSPITAL_FINANCE])
def test_only_who_may_audit_sees_it(world: World, browser: Browser, role: Role) -> None:
    browser.enter(member(world, role))
    expected = 200 if Action.VIEW_AUDIT in MATRIX[role] else 403
    for address in (PAGE, f"{PAGE}/months", f"{PAGE}/export?format=csv", "/api/v1/h/heqing/audit"):
        assert browser.get(address).status_code == expected
    assert browser.post(f"{PAGE}/verify").status_code == expected
    assert browser.get(FIRM).status_code == 403, "the firm's record is the firm's"


def member(world: World, role: Role) -> UUID:
    with world.db.platform(SYSTEM) as session:
        person = service.make_person(
            session, email=f"{role}@example.com", name="某人", language="zh_Hans", now=NOW
        )
        service.add_member(session, person.id, role, tenant_id=world.heqing.tenant_id, now=NOW)
    return person.id


def test_the_firms_page_shows_the_firms_record_and_leads_to_each_hospital(
    world: World, browser: Browser
) -> None:
    some(world, 2)
    with world.firm() as session:
        note(session, "tenants.hospitals_assigned", now=OCTOBER_4, subject=f"person:{new_id()}")
    page = browser.enter(world.people["firm_gm"]).get(FIRM)
    assert page.status_code == 200
    (row,) = rows_of(page.text)
    assert "为坐席分配医院" in row
    assert 'href="/h/heqing/audit"' in page.text
    assert 'href="/h/yunling/audit"' in page.text
    assert len(rows_of(browser.get(PAGE).text)) == 2


def test_the_page_says_where_the_chain_is_broken(
    engine_world: World, owner_engine: Engine, engine_db: Database
) -> None:
    some(engine_world, 5)
    with browsing(engine_db, clock=SetClock(OCTOBER_4)) as browser:
        browser.enter(engine_world.people["heqing_gm"])
        assert "尚未核验" in browser.get(PAGE).text
        assert "完整" in browser.post(f"{PAGE}/verify").text
        assert "完整至第5条" in browser.get(PAGE).text.replace(" ", "")
        with owner_engine.begin() as owner:
            owner.execute(
                text("SELECT set_config('careloop.tenant_ids', :ids, true)"),
                {"ids": f"{{{engine_world.heqing.tenant_id}}}"},
            )
            owner.execute(text("UPDATE audit_event SET reason = 'x' WHERE seq = 3"))
        told = browser.post(f"{PAGE}/verify").text
        assert "断链" in told
        assert "3" in told
        assert "断链" in browser.get(PAGE).text


# ------------------------------------------------------------------------------------------- the files


def test_screen_csv_excel_and_api_hold_the_same_records(world: World, browser: Browser) -> None:
    some(world, 60, reason="=HYPERLINK(1)")
    browser.enter(world.people["heqing_gm"])
    sent = browser.get(f"{PAGE}/export?format=csv&kind=access")
    rows = list(csv.DictReader(io.StringIO(sent.content.decode("utf-8-sig"))))
    assert len(rows) == 60
    assert {row["原因"] for row in rows} == {"'=HYPERLINK(1)"}, "no cell is a formula"
    book = CalamineWorkbook.from_filelike(
        io.BytesIO(browser.get(f"{PAGE}/export?format=xlsx&kind=access").content)
    )
    records, months = (book.get_sheet_by_name(name).to_python() for name in book.sheet_names)
    assert [str(int(float(str(line[0])))) for line in records[1:61]] == [row[next(iter(row))] for row in rows]
    assert sum(float(str(line[2])) for line in months[1:3] if line[2]) == 60
    listed: list[dict[str, Any]] = []
    after = ""
    while True:
        answer = browser.get(f"/api/v1/h/heqing/audit?kind=access{after}").json()
        listed += answer["records"]
        if answer["after"] is None:
            break
        after = f"&after={answer['after']}"
    assert [str(record["seq"]) for record in listed] == [row[next(iter(row))] for row in rows]
    with world.hospital(world.heqing) as session:
        exported = session.scalars(
            select(AuditEvent.detail).where(AuditEvent.action == "audit.exported").order_by(AuditEvent.seq)
        ).all()
    assert [(one["rows"], one["format"]) for one in exported] == [(60, "csv"), (60, "xlsx")]


def test_months_are_counted_for_the_audit_of_compliance(world: World, browser: Browser) -> None:
    """PIPL 54."""
    some(world, 3)
    with world.hospital(world.heqing) as session:
        audit.record(session, "patients.consent_given", now=NOW)
        audit.record(session, "agreement.refused", now=NOW - timedelta(days=70))
        # 23:30 in China on the last day of August, which is August although London is at 15:30.
        audit.record(session, "feedback.exported", now=datetime.fromisoformat("2026-08-31T23:30:00+08:00"))
    page = browser.enter(world.people["heqing_gm"]).get(f"{PAGE}/months")
    lines = rows_of(page.text)
    assert [line.split() for line in lines] == [
        ["2026年10月", "0", "3", "0", "0", "0", "0", "0"],
        ["2026年9月", "1", "0", "0", "0", "0", "0", "0"],
        ["2026年8月", "0", "0", "1", "0", "0", "0", "0"],
        ["2026年7月", "0", "0", "0", "0", "1", "0", "0"],
    ]


def test_a_format_that_does_not_exist_is_not_there(browser: Browser, world: World) -> None:
    browser.enter(world.people["heqing_gm"])
    assert browser.get(f"{PAGE}/export?format=exe").status_code == 404
    browser.enter(world.people["firm_gm"])
    assert browser.get("/firm/audit/export?format=exe").status_code == 404
