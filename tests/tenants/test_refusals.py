"""Refusals on record: another hospital's id is not there, and the hospital learns that somebody tried."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from web_client import MASTER, Browser, browsing
from world import NOW, World

from billing import stripe_push
from foundation import runtime, work
from foundation.audit import AuditEvent
from foundation.clock import SetClock
from foundation.database import Database
from foundation.encryption import MasterKey
from foundation.ids import new_id
from foundation.runtime import Runtime
from foundation.scope import Actor, HospitalScope, PlatformScope
from foundation.settings import Settings
from patients.models import DataImport, DataProblem
from reporting import jobs
from tenants.models import AccessRefusal, DirectoryEntry
from tenants.oversight.refusals import count_since


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOW)


@pytest.fixture
def browser(db: Database, world: World, clock: SetClock) -> Iterator[Browser]:
    with browsing(db, clock=clock) as made:
        yield made.enter(world.people["heqing_admin"])


def told(world: World, hospital: Any) -> list[AuditEvent]:
    """What the hospital's own record says of refusals."""
    with world.hospital(hospital) as session:
        found = select(AuditEvent).where(
            AuditEvent.tenant_id == session.tenant_id, AuditEvent.action == "access.refused"
        )
        return list(session.scalars(found.order_by(AuditEvent.seq)))


def refused(world: World) -> list[AccessRefusal]:
    with world.db.platform(PlatformScope(Actor.system("test"), "test")) as session:
        return list(session.scalars(select(AccessRefusal).order_by(AccessRefusal.at, AccessRefusal.id)))


def test_the_hospital_that_was_asked_for_learns_of_it(browser: Browser, world: World) -> None:
    typed = "/h/yunling/patients?search=13812345678"
    assert browser.get(typed).status_code == 404
    (event,) = told(world, world.yunling)
    assert (event.actor_id, event.actor_name, event.reason) == (
        world.people["heqing_admin"], "陈静", "beyond_reach",
    )  # fmt: skip
    assert event.detail["route"] == "/h/{code}/patients"
    assert (event.detail["method"], event.detail["status"]) == ("GET", 404)
    assert "13812345678" not in str(event.detail)
    assert told(world, world.heqing) == []
    (row,) = refused(world)
    assert (row.code, row.route, row.times, row.person_id) == (
        "yunling", "/h/{code}/patients", 1, world.people["heqing_admin"],
    )  # fmt: skip


def test_a_code_that_is_no_hospital_is_answered_alike_and_counted(browser: Browser, world: World) -> None:
    real, made_up = browser.get("/h/yunling/cases"), browser.get("/h/nowhere/cases")
    assert (real.status_code, made_up.status_code) == (404, 404)
    assert real.text.replace("yunling", "") == made_up.text.replace("nowhere", "")
    assert [row.code for row in refused(world)] == ["yunling", ""]
    assert "nowhere" not in str([vars(row) for row in refused(world)])


def test_an_unknown_id_of_ones_own_hospital_is_on_record_there(browser: Browser, world: World) -> None:
    with world.hospital(world.yunling) as session:
        foreign = world.patient(session).id
    assert browser.get(f"/h/heqing/patients/{foreign}").status_code == 404
    (event,) = told(world, world.heqing)
    assert (event.reason, event.detail["route"]) == ("unknown", "/h/{code}/patients/{patient_id}")
    assert told(world, world.yunling) == []


def test_a_missing_right_is_on_record_too(browser: Browser, world: World) -> None:
    assert browser.get("/h/heqing/billing").status_code == 403
    (event,) = told(world, world.heqing)
    assert (event.reason, event.detail["status"]) == ("role", 403)


def test_nobody_can_flood_the_chain(browser: Browser, world: World, clock: SetClock) -> None:
    for _ in range(5):
        browser.get("/h/yunling/patients")
    browser.get("/h/yunling/cases")
    assert len(told(world, world.yunling)) == 2
    assert sorted(row.times for row in refused(world)) == [1, 5]
    clock.at = NOW + timedelta(minutes=1)
    browser.get("/h/yunling/patients")
    assert len(told(world, world.yunling)) == 3
    with world.db.platform(PlatformScope(Actor.system("test"), "test")) as session:
        assert count_since(session, clock.at, timedelta(hours=24)) == 7


def test_somebody_who_is_not_signed_in_leaves_no_row(db: Database, world: World) -> None:
    with browsing(db) as stranger:
        assert stranger.get("/h/heqing/patients").status_code == 303
        assert stranger.get("/nowhere").status_code == 404
    assert refused(world) == []


def test_a_hospital_that_has_left_keeps_nothing(browser: Browser, world: World) -> None:
    with world.db.platform(PlatformScope(Actor.system("test"), "test")) as session:
        entry = session.scalars(select(DirectoryEntry).where(DirectoryEntry.code == "yunling")).one()
        entry.state = "left"
    assert browser.get("/h/yunling/patients").status_code == 404
    assert told(world, world.yunling) == []
    assert [row.code for row in refused(world)] == [""]


# --------------------------------------------------------------------------- ids that are not in the path


@pytest.mark.parametrize(
    "path",
    ["/h/heqing/patients", "/h/heqing/imports", "/h/heqing/quality/problems", "/api/v1/h/heqing/imports"],
)
def test_a_cursor_is_a_row_of_this_hospital(browser: Browser, world: World, path: str) -> None:
    with world.hospital(world.yunling) as session:
        patient = world.patient(session)
        problem = DataProblem(
            tenant_id=session.tenant_id,
            id=new_id(),
            patient_id=patient.id,
            kind="no_phone_at_all",
            found_at=NOW,
        )
        session.add(problem)
        session.flush()
        foreign = {"patients": patient.id, "problems": problem.id}.get(path.rsplit("/", 1)[-1], new_id())
    assert browser.get(path).status_code == 200
    for cursor in (foreign, new_id()):
        assert browser.get(f"{path}?after={cursor}").status_code == 404
    assert told(world, world.heqing)


def test_a_cursor_of_ones_own_gives_the_next_page(browser: Browser, world: World) -> None:
    with world.hospital(world.heqing) as session:
        first, second = world.patient(session).id, world.patient(session).id
    page = browser.get(f"/h/heqing/patients?after={second}").text
    assert str(first) in page
    assert str(second) not in page


def test_what_another_hospital_has_is_neither_resolved_nor_dropped(browser: Browser, world: World) -> None:
    with world.hospital(world.yunling) as session:
        problem = DataProblem(
            tenant_id=session.tenant_id,
            id=new_id(),
            patient_id=world.patient(session).id,
            kind="no_phone_at_all",
            found_at=NOW,
        )
        session.add(problem)
        session.flush()
    assert browser.post(f"/h/heqing/problems/{problem.id}/resolve").status_code == 404
    assert browser.post(f"/h/heqing/imports/{new_id()}/discard").status_code == 404
    assert browser.post(f"/h/heqing/imports/{new_id()}/confirm").status_code == 404
    with world.hospital(world.yunling) as session:
        again = session.get_one(DataProblem, (session.tenant_id, problem.id))
        assert again.resolved_at is None
        assert session.scalars(select(DataImport)).all() == []


# -------------------------------------------------------------------------------------------------- jobs


@pytest.fixture
def process(db: Database) -> Iterator[Runtime]:
    made = Runtime(Settings(master_key=MASTER), db, SetClock(NOW), db.master_key or MasterKey(b"0" * 32))
    before = list(runtime._current)
    runtime.install(made)
    yield made
    runtime._current[:] = before


def test_a_job_for_what_its_hospital_does_not_have_is_refused_once(world: World, process: Runtime) -> None:
    name = "reporting.benchmark_files"
    assert work.JOBS[name].run is jobs.member_files
    work.run_job(name, {"tenant_id": str(world.heqing.tenant_id), "report_id": str(new_id())})
    (event,) = told(world, world.heqing)
    assert (event.actor_kind, event.detail, event.reason) == ("system", {"job": name}, "unknown")


def test_an_invoice_of_another_hospital_is_not_read_for_stripe(world: World) -> None:
    scope = HospitalScope(world.heqing.tenant_id, Actor.system("test"), "test")
    with pytest.raises(work.UnknownSubject):
        stripe_push.read(world.db, scope, UUID(int=1))
