"""What is recorded: sign-ins, downloads, looks at patients; and that every record has a name."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from feedback_cases import case_of
from litestar.handlers import HTTPRouteHandler
from reporting_rows import SEPTEMBER, crowd
from sqlalchemy import func, select, text, update
from web_client import Browser, browsing
from world import NOW, World

from billing.service import close_month, ensure_contract
from careloop import app
from foundation import audit, files, runtime, work
from foundation.audit import AuditEvent
from foundation.clock import SetClock
from foundation.database import Database
from foundation.languages import gettext, speaking
from foundation.outbox import OutboxMessage
from foundation.scope import Actor, PlatformScope
from foundation.web.access import PUBLIC
from patients import consent
from patients.importing import import_file
from reporting.monthly import make_report
from surveys import samples
from tenants.identity import signin
from tenants.keys import data_key
from tenants.labels import SIGNIN_RESULTS
from tenants.models import FirmEvent, Person, ProcessingAgreement, SigninEvent
from tenants.oversight import audit_jobs, audit_labels

OCTOBER_4 = datetime.fromisoformat("2026-10-04T09:00:00+08:00")
ROOT = Path(__file__).parents[2]
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
        if isinstance(handler, HTTPRouteHandler)
        and "GET" in handler.http_methods
        and handler.opt.get("needs") != PUBLIC
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
        said = consent.record(
            session, world.patient(session).id, "marketing", given=True, source="paper",
            evidence="签字单", evidence_file_id=signed, now=NOW,
        )  # fmt: skip
        content = (ROOT / "platform/careloop/samples/heqing_discharges_202609.csv").read_bytes()
        found = import_file(session, content, "a.csv", by="何琳", now=OCTOBER_4, translate=gettext).as_dict()
        drawn = samples.draw_sample(session, SEPTEMBER, now=OCTOBER_4, audience="inpatient")
    browser.enter(world.people["operations"])
    assert browser.post("/firm/benchmark/2026-09/run").status_code == 303
    browser.enter(world.people["firm_gm"])
    assert browser.post("/firm/benchmark/2026-09/approve").status_code == 303
    return {
        "code": "heqing",
        "month": "2026-09",
        "import_id": str(found["import_id"]),
        "file_id": str(signed),
        "consent_id": str(said.id),
        "sample_id": str(drawn.id),
        "listed": "wrong",
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
