"""The audit pages: what is recorded, how it is found again, that the files say the same, and who may look."""

from __future__ import annotations

import ast
import csv
import html
import io
import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from feedback_cases import case_of
from litestar.handlers import HTTPRouteHandler
from python_calamine import CalamineWorkbook
from reporting_rows import SEPTEMBER, crowd
from sqlalchemy import Engine, func, select, text, update
from web_client import Browser, browsing
from world import NOW, World

from billing.service import close_month, ensure_contract
from careloop import app
from foundation import audit, files, runtime, work
from foundation.audit import AuditEvent
from foundation.clock import SetClock
from foundation.database import Database
from foundation.ids import new_id
from foundation.languages import gettext, speaking
from foundation.outbox import OutboxMessage
from foundation.scope import Actor, PlatformScope
from patients.importing import import_file
from reporting.monthly import make_report
from tenants import audit_jobs, audit_labels, service, signin
from tenants.firm_audit import note
from tenants.keys import data_key
from tenants.labels import SIGNIN_RESULTS
from tenants.models import FirmEvent, Person, ProcessingAgreement, SigninEvent
from tenants.rights import MATRIX, Action, Role

OCTOBER_4 = datetime.fromisoformat("2026-10-04T09:00:00+08:00")
ROOT = Path(__file__).parents[2]
PAGE, FIRM = "/h/heqing/audit", "/firm/audit"
SYSTEM = PlatformScope(Actor.system("test"), "test")
SECRETS = ("欧阳建国", "13877776666", "R-SECRET-1", "饭菜凉了", "孙女")


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


# ------------------------------------------------------------------------- what is recorded: sign-ins


@pytest.fixture
def working(browser: Browser) -> Iterator[Callable[[], list[str]]]:
    """Works through the outbox, as the worker does; returns the jobs done."""
    before = list(runtime._current)
    runtime.install(browser.runtime)

    def work_through() -> list[str]:
        with browser.runtime.database.platform(SYSTEM) as session:
            rows = session.execute(select(OutboxMessage.job, OutboxMessage.arguments)).all()
        for job, arguments in rows:
            work.run_inline(job, **arguments)
        return [job for job, _arguments in rows]

    yield work_through
    runtime._current[:] = before


def test_a_sign_in_stands_in_the_chain_of_the_hospital_once_and_survives_a_death_in_between(
    world: World, working: Callable[[], list[str]]
) -> None:
    person_id = world.people["heqing_admin"]
    with world.db.platform(SYSTEM) as session:
        signin.record(
            session, "signed_in", now=NOW, email="x@example.com", person_id=person_id, address="10.0.0.9"
        )
        signin.record(
            session, "wrong_password", now=NOW, email="x@example.com", person_id=person_id, address="10.0.0.9"
        )
        signin.record(
            session, "unknown", now=NOW, email="who@example.com", person_id=None, address="10.0.0.9"
        )
    assert working() == [audit_jobs.IN_HOSPITAL] * 2
    working()  # sent again, because the process died before it was marked as sent
    with world.hospital(world.heqing) as session:
        events = session.scalars(select(AuditEvent).order_by(AuditEvent.seq)).all()
        assert audit.first_broken(session) is None
    assert [(one.action, one.actor_id, one.subject, one.detail["address"]) for one in events] == [
        ("signin.signed_in", person_id, f"person:{person_id}", "10.0.0.9"),
        ("signin.wrong_password", None, f"person:{person_id}", "10.0.0.9"),
    ]
    assert "example.com" not in str([one.detail for one in events]), "ids, no addresses of people"
    with world.hospital(world.yunling) as session:
        assert session.scalars(select(AuditEvent)).all() == []


def test_a_sign_in_of_the_firms_people_stands_in_the_firms_record(
    world: World, working: Callable[[], list[str]]
) -> None:
    with world.db.platform(SYSTEM) as session:
        signin.record(
            session, "locked", now=NOW, email="x", person_id=world.people["firm_gm"], address="10.0.0.9"
        )
    working()
    working()
    with world.firm() as session:
        assert session.scalars(select(FirmEvent.action)).all() == ["signin.locked"]


def test_the_word_about_a_sign_in_is_undone_with_it(world: World) -> None:
    with pytest.raises(RuntimeError):
        fail_after_signing_in(world)
    with world.db.platform(SYSTEM) as session:
        for table in (SigninEvent, OutboxMessage):
            assert session.scalar(select(func.count()).select_from(table)) == 0


def fail_after_signing_in(world: World) -> None:
    with world.db.platform(SYSTEM) as session:
        signin.record(session, "signed_in", now=NOW, email="x", person_id=world.people["firm_gm"], address="")
        session.flush()
        raise RuntimeError


# ------------------------------------------------------------------------ what is recorded: downloads

# Downloads that need a world of their own, and where they are tried.
ELSEWHERE = {
    "/h/{code:str}/departure/data": "tests/tenants",
    "/firm/departures/{departure_id:uuid}/certificate": "tests/tenants",
}


def downloads() -> list[str]:
    """Every address that hands out a file."""
    return sorted(
        path
        for handler in [*app.PAGES, *app.API]
        if isinstance(handler, HTTPRouteHandler) and "GET" in handler.http_methods
        for path in handler.paths
        if re.search(r"\.(pdf|xlsx|csv|zip|json)$|/(export|rejected|download)", path)
        or "bytes" in str(handler.fn.__annotations__.get("return"))
        or "Stream" in str(handler.fn.__annotations__.get("return"))
    )


def lived(world: World, browser: Browser) -> dict[str, str]:
    """A month with a report, an invoice, a comparison and an import; returns the ids that addresses name."""
    for hospital in (world.heqing, world.yunling):
        crowd(world, hospital.tenant_id, [70, 80] * 6)
    with world.hospital(world.heqing) as session:
        ensure_contract(session, starts_on=date(2026, 1, 1), now=OCTOBER_4)
        close_month(session, SEPTEMBER, now=OCTOBER_4)
        make_report(session, SEPTEMBER, by="何琳", now=OCTOBER_4)
        signed = files.put(
            session, data_key(session), name="a.pdf", media_type="application/pdf", content=b"%PDF", now=NOW
        )
        session.execute(update(ProcessingAgreement).values(document_file_id=signed))
        content = (ROOT / "platform/careloop/samples/heqing_discharges_202609.csv").read_bytes()
        found = import_file(session, content, "a.csv", by="何琳", now=OCTOBER_4, translate=gettext).as_dict()
    browser.enter(world.people["operations"])
    assert browser.post("/firm/benchmark/2026-09/run").status_code == 303
    browser.enter(world.people["firm_gm"])
    assert browser.post("/firm/benchmark/2026-09/approve").status_code == 303
    return {
        "code": "heqing",
        "month": "2026-09",
        "import_id": str(found["import_id"]),
        "file_id": str(signed),
    }


def test_every_download_leaves_a_record_of_what_was_taken(world: World, browser: Browser) -> None:
    values = lived(world, browser)
    paths = [path for path in downloads() if path not in ELSEWHERE]
    assert len(paths) >= 14
    for path in paths:
        who = "heqing_gm" if "/reports/" in path or "/benchmark.{" in path else "firm_gm"
        browser.enter(world.people[who])
        before = exported(world)
        address = re.sub(r"\{(\w+):\w+\}", lambda found: values[found[1]], path)
        assert browser.get(address).status_code == 200, address
        added = exported(world)[len(before) :]
        assert len(added) == 1, f"{path} left no record"
        assert added[0], f"{path} does not say what was taken"


def exported(world: World) -> list[str]:
    """What each export on record was of, the firm's first."""
    wanted = audit_labels.actions_of("export")
    found: list[str] = []
    with world.firm() as firm, world.hospital(world.heqing) as session:
        for opened, model in ((firm, FirmEvent), (session, AuditEvent)):
            rows = opened.execute(
                select(model.subject, model.detail).where(model.action.in_(wanted)).order_by(model.seq)
            )
            for subject, detail in rows:
                said = {key: value for key, value in detail.items() if key != "address"}
                found.append(f"{subject} {said or ''}".strip())
    return found


def test_looking_at_a_patient_or_a_case_is_on_record_and_no_record_holds_anything_of_a_patient(
    world: World, browser: Browser
) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(
            session,
            name=SECRETS[0],
            phone=SECRETS[1],
            record_number=SECRETS[2],
            discharged_on=date(2026, 9, 20),
        )
        case = case_of(session, patient, world.admin, text=SECRETS[3], wish="换")
        point = session.execute(
            text("SELECT id FROM contact_point WHERE patient_id = :p"), {"p": patient.id}
        ).scalar_one()
    browser.enter(world.people["heqing_admin"])
    at = f"/h/heqing/patients/{patient.id}"
    assert browser.get(at).status_code == 200
    assert browser.get(f"/h/heqing/cases/{case.id}").status_code == 200
    assert browser.post(f"{at}/numbers/{point}/reveal", {"reason": f"回拨{SECRETS[1]}"}).status_code == 200
    assert browser.post(f"{at}/words", {"words": SECRETS[4]}).status_code == 303
    assert browser.post(f"{at}/suppress", {"reason": "refused", "note": SECRETS[4]}).status_code == 303
    assert browser.get(f"/h/heqing/cases/export?format=csv&view=all&search={SECRETS[0]}").status_code == 200
    with world.hospital(world.heqing) as session:
        events = session.scalars(select(AuditEvent)).all()
    actions = {event.action for event in events}
    assert {"patients.viewed", "feedback.read", "patients.number_revealed", "feedback.exported"} <= actions
    for event in events:
        whole = f"{event.action} {event.subject} {event.reason} {event.detail} {event.actor_name}"
        assert not any(secret in whole for secret in SECRETS), event.action


# ----------------------------------------------------------------------------------- what it is called

RECORDERS = {"record", "note", "_record", "_note", "_tell", "tell"}
# Actions whose name is put together, and what they can come to.
FAMILIES = {
    "feedback.{kind}": ("feedback.plan", "feedback.investigate"),
    "tenants.departure_{action}": tuple(
        f"tenants.departure_{step}"
        for step in ("exported", "signed", "downloaded", "key_destroyed", "erased")
    ),
    "patients.{action}": tuple(
        f"patients.request_{step}"
        for step in (
            "registered",
            "identity_checked",
            "refused",
            "copy_ordered",
            "copy_made",
            "copy_handed_out",
            "done",
            "restricted",
            "overdue",
        )
    ),
    "support.{decision}": ("support.granted", "support.refused"),
    "patients.{what}_revealed": ("patients.name_revealed", "patients.id_number_revealed"),
}


def recorded_actions() -> dict[str, str]:
    """Every action that a source records, and where."""
    found: dict[str, str] = {}
    for base in ("platform", "tenants", "billing", "reporting"):
        for path in (ROOT / base).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if not isinstance(node, ast.Call) or len(node.args) < 2:
                    continue
                name = (
                    node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                )
                if name in RECORDERS:
                    place = f"{path.relative_to(ROOT)}:{node.lineno}"
                    for argument in node.args[1:3]:
                        found |= dict.fromkeys(names_in(argument), place)
    return found


def names_in(argument: ast.expr) -> Iterator[str]:
    if isinstance(argument, ast.JoinedStr):
        pattern = ast.unparse(argument)[2:-1]
        if re.match(r"[a-z_]+\.", pattern):
            yield from FAMILIES.get(pattern, (pattern,))
        return
    for part in ast.walk(argument):
        if (
            isinstance(part, ast.Constant)
            and isinstance(part.value, str)
            and re.fullmatch(r"[a-z]+\.[a-z_]+", part.value)
        ):
            yield part.value


def test_every_action_that_is_recorded_has_a_name_in_both_languages() -> None:
    actions = recorded_actions()
    assert len(actions) > 40
    unnamed = {action: place for action, place in actions.items() if not audit_labels.known(action)}
    assert not unnamed
    for language in ("zh_Hans", "en"):
        with speaking(language):
            for action in [*audit_labels.ACTIONS, *(f"signin.{result}" for result in SIGNIN_RESULTS)]:
                label = audit_labels.label_of(action)
                assert label != action
                assert (re.search(r"[\u4e00-\u9fff]", label) is not None) == (language == "zh_Hans")


def test_an_action_of_another_version_is_shown_by_its_code() -> None:
    assert audit_labels.label_of("robots.danced") == "robots.danced"
    assert audit_labels.group_of("robots.danced") == "other"
    assert audit_labels.label_of("signin.by_moonlight") == "signin.by_moonlight"


def test_people_are_not_named_by_the_person_table(world: World) -> None:
    """A name in a record stays as it was when the record was written."""
    some(world, 1)
    with world.db.platform(SYSTEM) as session:
        session.get_one(Person, world.people["heqing_admin"]).name = "新名字"
    with world.hospital(world.heqing) as session:
        assert session.scalars(select(AuditEvent.actor_name)).one() == "陈静"
        assert audit.first_broken(session) is None
