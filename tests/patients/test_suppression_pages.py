"""Stopped contacts and enrolments on screen: who, why, who confirms, and what would be stopped."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from sqlalchemy import select, text
from suppression_world import full
from web_client import Browser, browsing
from world import NOW, World

from foundation.audit import AuditEvent
from foundation.database import Database
from patients import restriction, suppression_check
from patients.enrolment import cancel, open_enrolment
from patients.models import Suppression
from patients.suppression import active_reasons, confirm_death, suppress
from tenants.rights import MATRIX, Action, Role


@pytest.fixture
def browser(db: Database) -> Iterator[Browser]:
    with browsing(db) as made:
        yield made


def body(text_: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text_))


def test_the_page_says_who_is_left_alone_why_and_who_said_so(browser: Browser, world: World) -> None:
    with world.hospital(world.heqing, world.agent) as session:
        cured, refused = world.patient(session, name="王建国"), world.patient(session)
        hidden = world.patient(session)
        suppress(session, cured.id, "cured", source="card", now=NOW)
        suppress(session, refused.id, "refused", source="call", now=NOW)
        restriction.restrict(session, hidden.id, now=NOW)
    admin = browser.enter(world.people["heqing_admin"], "en")
    page = admin.get("/h/heqing/suppressions").text
    assert {cured.record_number, refused.record_number} <= set(re.findall(r"R\d{7}", page))
    assert hidden.record_number not in page
    assert "王建国" not in page
    assert "李敏" in page
    only = admin.get("/h/heqing/suppressions?reason=cured").text
    assert (cured.record_number in only, refused.record_number in only) == (True, False)
    assert admin.get("/h/yunling/suppressions").status_code == 404


def test_a_death_waits_on_the_page_until_a_second_person_has_decided(browser: Browser, world: World) -> None:
    with world.hospital(world.heqing, world.admin) as session:
        one, two = world.patient(session), world.patient(session)
        mine = suppress(session, one.id, "deceased", source="card", now=NOW)
    with world.hospital(world.heqing, world.agent) as session:
        other = suppress(session, two.id, "deceased", note="儿子告知", source="call", now=NOW)
    admin = browser.enter(world.people["heqing_admin"], "en")
    page = admin.get("/h/heqing/suppressions?show=confirm").text
    assert "儿子告知" in page
    assert "Reported by you" in page
    assert f"/suppressions/{other.id}/confirm" in page
    assert f"/suppressions/{mine.id}/confirm" not in page
    assert admin.post(f"/h/heqing/suppressions/{mine.id}/confirm").status_code == 422
    assert admin.post(f"/h/heqing/suppressions/{other.id}/confirm").status_code == 303
    assert admin.post(f"/h/heqing/suppressions/{other.id}/mistake", {"reason": "x"}).status_code == 404
    assert admin.post(f"/h/heqing/suppressions/{mine.id}/mistake", {"reason": " "}).status_code == 422
    assert admin.post(f"/h/heqing/suppressions/{mine.id}/mistake", {"reason": "在世"}).status_code == 303
    with world.hospital(world.heqing) as session:
        assert (active_reasons(session, one.id), active_reasons(session, two.id)) == ([], ["deceased"])
        rows = session.execute(select(Suppression.patient_id, Suppression.confirmed_by))
        assert {row.patient_id: row.confirmed_by for row in rows} == {one.id: None, two.id: "陈静"}


def test_who_only_reads_does_not_confirm_a_death(browser: Browser, world: World) -> None:
    with world.hospital(world.heqing, world.admin) as session:
        row = suppress(session, world.patient(session).id, "deceased", source="card", now=NOW)
    gm = browser.enter(world.people["heqing_gm"], "en")
    assert gm.get("/h/heqing/suppressions?show=confirm").status_code == 200
    assert gm.post(f"/h/heqing/suppressions/{row.id}/confirm").status_code in {403, 404}


def test_what_a_stop_would_end_is_said_before_it(browser: Browser, world: World) -> None:
    made = full(world, world.heqing)
    admin = browser.enter(world.people["heqing_admin"], "en")
    said = body(admin.get(f"/h/heqing/patients/{made.patient_id}/effects").text)
    for words in ("Stops", "Enrolment in the programme 1", "Calls waiting 3", "Questionnaires begun 1"):
        assert words in said
    with world.hospital(world.heqing) as session:
        suppress(session, made.patient_id, "cured", source="card", now=NOW)
    assert "Nothing is planned" in body(admin.get(f"/h/heqing/patients/{made.patient_id}/effects").text)
    assert admin.get(f"/h/yunling/patients/{made.patient_id}/effects").status_code == 404


def test_a_breach_of_the_night_stands_on_the_page_by_its_name(browser: Browser, world: World) -> None:
    made = full(world, world.heqing)
    admin = browser.enter(world.people["heqing_admin"], "en")
    with world.hospital(world.heqing) as session:
        suppress(session, made.patient_id, "cured", source="card", now=NOW)
        suppression_check.run(session, now=NOW)
    assert "nothing open, queued or billable" in admin.get("/h/heqing/suppressions").text
    with world.hospital(world.heqing) as session:
        session.execute(text("UPDATE response SET state = 'in_progress'"))
        suppression_check.run(session, now=NOW)
    assert "must not be: Questionnaires begun 1" in body(admin.get("/h/heqing/suppressions").text)


def test_enrolments_are_listed_and_a_wrong_cancellation_is_made_good(browser: Browser, world: World) -> None:
    made = full(world, world.heqing)
    admin = browser.enter(world.people["heqing_admin"], "en")
    page = body(admin.get("/h/heqing/enrolments?show=open&month=2026-08").text)
    assert "After discharge" in page
    with world.hospital(world.heqing) as session:
        cancel(session, made.patient_id, reason="误点", now=NOW)
    page = admin.get("/h/heqing/enrolments?show=cancelled&month=x").text
    path = f"/h/heqing/patients/{made.patient_id}/enrolment/start"
    assert path in page
    assert admin.post(path, {"reason": ""}).status_code == 422
    assert admin.post(path, {"reason": "取消有误"}).status_code == 303
    assert admin.post(path, {"reason": "取消有误"}).status_code == 422
    with world.hospital(world.heqing) as session:
        assert open_enrolment(session, made.patient_id) is not None
    assert admin.post(path.replace("heqing", "yunling"), {"reason": "x"}).status_code == 404


def test_a_stop_is_undone_with_a_reason_and_a_confirmed_death_by_who_may_confirm_one(
    browser: Browser, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with world.hospital(world.heqing, world.agent) as session:
        refused, dead = world.patient(session).id, world.patient(session).id
        stop = suppress(session, refused, "refused", source="call", now=NOW)
        death = suppress(session, dead, "deceased", source="call", now=NOW)
    with world.hospital(world.heqing, world.admin) as session:
        confirm_death(session, death.id, now=NOW)
    lift = "/h/heqing/suppressions/{}/lift"
    admin = browser.enter(world.people["heqing_admin"], "en")
    page = admin.get("/h/heqing/suppressions").text
    assert lift.format(stop.id) in page
    assert lift.format(death.id) in page
    for nothing in ({}, {"reason": " "}):
        assert admin.post(lift.format(stop.id), nothing).status_code == 422
    for too_little in ({}, {"reason": "误"}):
        assert admin.post(lift.format(death.id), too_little).status_code == 422
    assert admin.post(lift.format(stop.id), {"reason": "本人 13612349873 来电同意"}).status_code == 303
    with monkeypatch.context() as less:
        less.setitem(MATRIX, Role.HOSPITAL_ADMIN, MATRIX[Role.HOSPITAL_ADMIN] - {Action.CONFIRM_DEATHS})
        assert lift.format(death.id) not in admin.get("/h/heqing/suppressions").text
        assert lift.format(death.id) not in admin.get(f"/h/heqing/patients/{dead}").text
        assert admin.post(lift.format(death.id), {"reason": "本人接听了电话"}).status_code == 422
    with world.hospital(world.heqing) as session:
        assert (active_reasons(session, refused), active_reasons(session, dead)) == ([], ["deceased"])
    assert admin.post(lift.format(death.id), {"reason": "本人接听了电话"}).status_code == 303
    with world.hospital(world.heqing) as session:
        assert active_reasons(session, dead) == []
        said = select(AuditEvent.reason).where(AuditEvent.action == "patients.suppression_lifted")
        assert set(session.scalars(said)) == {"本人 136****9873 来电同意", "本人接听了电话"}


def test_nothing_is_said_of_the_patient_of_another_hospital(browser: Browser, world: World) -> None:
    with world.hospital(world.yunling) as session:
        stranger = world.patient(session).id
    admin = browser.enter(world.people["heqing_admin"], "en")
    for words in ({"words": ""}, {"words": "勿提诊断"}, {"none": "yes"}):
        assert admin.post(f"/h/heqing/patients/{stranger}/words", words).status_code == 404
