"""What people, files, machines and clocks do wrong: the product refuses it in one sentence, or goes on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from breaking_rows import AUGUST, LIST, due_task
from feedback_cases import handled_case, member
from imports import run_imports
from litestar import Litestar
from litestar.routes import HTTPRoute
from sqlalchemy import Connection, func, select
from web_client import Browser, browsing
from world import NOW, TestHospital, World

from billing.service import close_month, ensure_contract, issue
from careloop import wiring
from foundation.clock import SetClock
from foundation.database import Database
from foundation.ids import new_id
from foundation.scope import FirmScope
from foundation.web.errors import UserMistake
from outreach.models import Call, ContactTask
from patients import suppression
from patients.models import DataImport, Patient
from reporting.monthly import make_report
from tenants import service
from tenants.models import Membership
from tenants.rights import Role
from workforce.service import assign

# What is typed into every field, and put into every address.
TYPED = ["a\x00b", "²", "9" * 30, "0001-01-01", "9999-12-31T23:59", "sNaN", "𠮷😀", "x" * 5_000]
IN_ADDRESSES = ["%00", "2026-13", "0001-01", "2000-01", "2099-12", "..%2f..", "%F0%A0%AE%B7", "-1"]
PLAUSIBLE = {
    "outcome": "completed",
    "reason": "other",
    "level": "5",
    "tag": "meals",
    "text": "饭凉",
    "note": "x",
    "month": "2026-08",
    "role": "agent",
    "starts_on": "2026-12-01",
    "yearly": "150",
    "vat_percent": "6",
    "due_days": "30",
    "payment": "bank",
    "email": "q@example.com",
    "code": "newone",
    "hospital_type": "general",
    "region": "130100",
    "grade": "3A",
    "beds": "800",
    "outpatient_percent": "10",
    "assigned": "heqing",
    "confirmed": "yes",
    "after": str(new_id()),
} | dict.fromkeys(("owner", "then", "department", "tier", "dispute", "told", "hospital", "callback_at"), "")


def all_routes(app: Litestar) -> Iterator[tuple[str, str, Any]]:
    """Method, address and handler of every page and form."""
    for route in app.routes:
        if isinstance(route, HTTPRoute) and not route.path.startswith(("/static", "/api/schema", "/sign")):
            for handler in route.route_handlers:
                for method in handler.http_methods & {"GET", "POST"}:
                    yield method, route.path_format, handler


def form_fields(handler: Any) -> tuple[str, ...]:
    """The fields of a handler's form."""
    data = handler.parsed_fn_signature.parameters.get("data")
    return tuple(getattr(data.annotation, "__struct_fields__", ())) if data else ()


def address(path: str, values: dict[str, Any]) -> str:
    """An address of the application with these values in it."""
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda part: str(values.get(part[1], new_id())), path)


def form(handler: Any, values: dict[str, Any]) -> dict[str, str]:
    """A form filled in as a person would, with these ids."""
    known = PLAUSIBLE | {name: str(value) for name, value in values.items()}
    return {name: known.get(name, "x") for name in form_fields(handler)}


def fill_hospital(world: World, hospital: TestHospital) -> dict[str, Any]:
    """One of everything in a hospital; the ids by the names that addresses and forms use."""
    with world.hospital(hospital) as session:
        ensure_contract(session, starts_on=date(2026, 1, 1), now=NOW)
        world.patient(session, discharged_on=date(2026, 8, 3))
        issue(session, close_month(session, AUGUST, now=NOW).id, now=NOW)
        make_report(session, AUGUST, by="何琳", now=NOW)
        stopped = suppression.suppress(
            session, world.patient(session).id, "refused", source="card", now=NOW, note=""
        )
        ids: dict[str, Any] = {
            **due_task(world, session),
            "case_id": handled_case(session, world).id,
            "suppression_id": stopped.id,
            "month": "2026-08",
            "key": "new-202608",
            "act": "callback",
            "name": "feedback",
            "question": "overall",
        }
    return ids


@pytest.fixture
def filled(db: Database, world: World) -> Iterator[tuple[Browser, dict[str, Any]]]:
    """A browser, and heqing's ids; an agent of heqing is on the phone with one of its patients."""
    wiring.wire()
    ids = fill_hospital(world, world.heqing)
    fill_hospital(world, world.yunling)
    with world.firm() as firm:
        assign(firm, world.people["agent"], world.heqing.tenant_id, NOW)
        assign(firm, world.people["agent2"], world.yunling.tenant_id, NOW)
    with browsing(db, clock=SetClock(NOW)) as browser:
        browser.enter(world.people["heqing_admin"])
        sent = browser.post("/h/heqing/imports", files={"file": ("../a.csv", LIST.encode())})
        run_imports(browser.runtime)
        assert browser.post(f"{sent.headers['location']}/confirm").status_code == 303
        run_imports(browser.runtime)
        ids["import_id"] = sent.headers["location"].rsplit("/", 1)[1]
        browser.enter(world.people["agent"]).post("/workbench/next")
        path = f"/h/heqing/contacts/{ids['task_id']}/dial"
        assert browser.post(path, {"contact_point_id": str(ids["contact_point_id"])}).status_code == 200
        with world.hospital(world.heqing) as session:
            ids["call_id"] = session.scalars(select(Call.id).where(Call.task_id == ids["task_id"])).one()
        yield browser, ids


# ------------------------------------------------------------------------------------------------- walls


@pytest.mark.parametrize("who", ["everybody of yunling", "agent of yunling", "another firm", "operator"])
def test_no_address_opens_to_somebody_of_another_hospital(
    world: World, filled: tuple[Browser, dict[str, Any]], who: str
) -> None:
    """Every route, with heqing's code and with the own hospital's code and heqing's ids."""
    browser, ids = filled
    person: UUID | None = world.people["agent2"]
    with world.hospital(world.yunling) as session:
        if who == "another firm":
            person = member(session, "firm_gm", "某", firm_id=new_id()).id
        elif who == "operator":
            person = member(session, "operator", "某").id
        elif who == "everybody of yunling":
            person = member(session, "hospital_admin", "某", tenant_id=session.tenant_id).id
            for role in ("hospital_gm", "medical_affairs", "hospital_finance", "department_head"):
                made = Membership(
                    person_id=person, role=role, tenant_id=session.tenant_id, created_at=NOW, accepted_at=NOW
                )
                session.add(made)

    browser.client.cookies.delete("careloop_session")
    assert person is not None
    browser.enter(person)
    opened = []
    for method, path, handler in all_routes(browser.client.app):
        for code in ("heqing", "yunling") if "{code" in path else ():
            url = address(path, {**ids, "code": code})
            answer = browser.get(url) if method == "GET" else browser.post(url, form(handler, ids))
            told = answer.text.replace(url, "") if "text" in answer.headers.get("content-type", "") else ""
            inside = code == "heqing" and answer.status_code in (200, 201, 303)
            if inside or answer.status_code >= 500 or "河清" in told or "HEQING-" in told:
                opened.append((method, path, code, answer.status_code))
    assert opened == []
    with world.hospital(world.heqing) as session:
        task = session.get_one(ContactTask, (session.tenant_id, ids["task_id"]))
        assert (task.state, task.attempts) == ("open", 0)
        assert suppression.active_reasons(session, ids["patient_id"]) == []


def test_an_invitation_of_one_firm_is_no_key_to_another(world: World) -> None:
    """Who was invited by one firm and has no password yet: the other firm's link would open the account."""
    with world.firm() as own:
        first = service.invite_person(own, email="gm@example.com", name="甲", role=Role.FIRM_GM, now=NOW)
        again = service.invite_person(own, email="gm@example.com", name="甲", role=Role.QA, now=NOW)
    assert first.token
    assert again.token
    foreign = FirmScope(new_id(), (), world.agent, "test")
    with world.db.firm(foreign) as other:
        service.create_firm(other, code="other", name="别家", name_en="Other", now=NOW)
    with pytest.raises(UserMistake, match="其他单位"), world.db.firm(foreign) as other:
        service.invite_person(other, email="GM@example.com", name="乙", role=Role.QA, now=NOW)


# --------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize("who", ["agent", "firm_gm", "heqing_admin"])
def test_nothing_typed_into_a_form_or_an_address_breaks_a_page(
    db: Database, world: World, filled: tuple[Browser, dict[str, Any]], who: str
) -> None:
    """Each try is undone, so that the next finds everything as it was."""
    browser, ids = filled
    browser.client.cookies.delete("careloop_session")
    browser.enter(world.people[who])
    assert isinstance(db.bind, Connection)
    broken = []
    for method, path, handler in all_routes(browser.client.app):
        for url, filled_in, wrong in tries(method, path, handler, ids):
            undo = db.bind.begin_nested()
            answer = browser.get(url, params=filled_in) if method == "GET" else browser.post(url, filled_in)
            if undo.is_active:
                undo.rollback()
            if answer.status_code in (403, 404) and wrong not in IN_ADDRESSES:
                break  # not open to this person, whatever is typed
            if answer.status_code >= 500:
                broken.append((method, path, wrong[:20]))
    assert broken == []


def tries(
    method: str, path: str, handler: Any, ids: dict[str, Any]
) -> Iterator[tuple[str, dict[str, str], str]]:
    """Address, form or query, and what is wrong in it: one field after the other."""
    known = {**ids, "code": "heqing"}
    usual = form(handler, ids) if method == "POST" else {}
    places = form_fields(handler) if method == "POST" else query_names(handler)
    for name in places:
        for wrong in TYPED:
            yield address(path, known), usual | {name: wrong}, wrong
    for name in ("code", "month", "key", "question", "name", "token", "act"):
        if f"{{{name}" in path:
            for wrong in IN_ADDRESSES:
                yield address(path, known | {name: wrong}), usual, wrong


def query_names(handler: Any) -> list[str]:
    """What may stand behind the question mark."""
    parameters = handler.parsed_fn_signature.parameters
    return [name for name in parameters if "QueryParameter" in repr(parameters[name])]


@pytest.mark.parametrize("ticked", [["heqing"], ["heqing", "yunling"]])
def test_an_agent_is_given_one_hospital_or_several(db: Database, world: World, ticked: list[str]) -> None:
    """A form brings one ticked box otherwise than two."""
    wiring.wire()
    with browsing(db, clock=SetClock(NOW)) as browser:
        browser.enter(world.people["firm_gm"])
        person = {"name": "新人", "email": "new@example.com", "role": "agent", "assigned": ticked}
        assert browser.post("/firm/people", person).status_code == 200
        path = f"/firm/people/{world.people['agent']}/hospitals"
        assert browser.post(path, {"assigned": ticked}).status_code == 303
        browser.enter(world.people["agent"])
        assert browser.get("/h/heqing/cases").status_code == 200
        assert (browser.get("/h/yunling/cases").status_code == 200) is ("yunling" in ticked)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "空"),
        (b"\x00\x01\x02" * 500, ""),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), ""),
        (b"%PDF-1.7 \xff\xfe", ""),
        (b"PK\x03\x04" + b"broken" * 100, ""),
        (b",".join([b"x"] * 1_000_000) + b"\n", ""),
        (LIST.encode("utf-16")[:61], ""),
        ("病案号,姓名\n".encode("gb18030") + b"\xff\xff\xff\n", ""),
        (b'"' + b"x" * 300_000, ""),
    ],
)
def test_a_file_that_is_no_list_is_refused_in_one_sentence(
    db: Database, world: World, content: bytes, told: str
) -> None:
    with browsing(db, clock=SetClock(NOW)) as browser:
        browser.enter(world.people["heqing_admin"])
        for path in ("/h/heqing/imports", "/api/v1/h/heqing/imports"):
            headers = {"x-csrftoken": browser.token()}
            answer = browser.post(path, files={"file": ("../../x.csv", content)}, headers=headers)
            assert answer.status_code == 422
            assert told in answer.text
    with world.hospital(world.heqing) as session:
        assert session.scalar(select(func.count()).select_from(DataImport)) == 0
        assert session.scalar(select(func.count()).select_from(Patient)) == 0


def test_a_strange_list_is_taken_as_it_is(db: Database, world: World) -> None:
    """A rare name, a formula, a huge number, a day far away: rows are judged one by one."""
    rows = (
        "A2,=HYPERLINK(1),女,200,=1+1,2026-09-10,骨科\n"
        f"{'9' * 300},王,男,{'9' * 40},{'1' * 40},2026-09-10,骨科\n"
        "A3,李,男,30,13811112223,9999-12-31,骨科\nA4,赵,男,30,13811112224,2024-02-29,骨科\n"
    )
    with browsing(db, clock=SetClock(NOW)) as browser:
        browser.enter(world.people["heqing_admin"])
        headers = {"x-csrftoken": browser.token()}
        files = {"file": ("a.csv", (LIST + rows).encode())}
        answer = browser.post("/api/v1/h/heqing/imports", files=files, headers=headers)
        assert answer.status_code == 202, answer.text
        run_imports(browser.runtime)
        counts = browser.get(answer.json()["address"]).json()
        assert counts["state"] == "done"
        assert counts["rows"] == counts["created"] + counts["rejected"] == 5
        found = browser.post("/h/heqing/patients/search", {"search": "𠮷田"})
        assert "𠮷" in found.text


def test_a_form_without_its_token_or_of_another_kind_changes_nothing(
    world: World, filled: tuple[Browser, dict[str, Any]]
) -> None:
    browser, ids = filled
    path = f"/h/heqing/contacts/{ids['task_id']}/finish"
    bare = browser.client.post(path, data={"outcome": "deceased", "reported_by": "x"}, follow_redirects=False)
    assert bare.status_code == 403
    headers = {"x-csrftoken": browser.token()}
    as_json = browser.client.post(path, json={"outcome": []}, headers=headers, follow_redirects=False)
    assert as_json.status_code in (400, 422)
    for outcome in ("expired", "COMPLETED", "nothing"):
        assert browser.post(path, {"outcome": outcome}).status_code == 422
    past = {"outcome": "callback_booked", "callback_at": "2026-09-01T10:00"}
    assert browser.post(path, past).status_code == 422
    with world.hospital(world.heqing) as session:
        task = session.get_one(ContactTask, (session.tenant_id, ids["task_id"]))
        assert (task.state, task.attempts, task.appointment_at) == ("open", 0, None)


def test_nobody_is_dialled_who_was_stopped_while_on_a_card(
    world: World, filled: tuple[Browser, dict[str, Any]]
) -> None:
    browser, ids = filled
    with world.hospital(world.heqing) as session:
        suppression.suppress(session, ids["patient_id"], "refused", source="card", now=NOW, note="")
    card = f"/h/heqing/contacts/{ids['task_id']}"
    answer = browser.post(f"{card}/dial", {"contact_point_id": str(ids["contact_point_id"])})
    assert answer.status_code == 422
    assert not re.search(r"138\d{8}", answer.text)
    assert browser.get("/workbench/card").headers["location"] == "/workbench"
