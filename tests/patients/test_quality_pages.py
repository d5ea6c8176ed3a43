"""What is wrong in a hospital's data: found by ward and by list, put right in place, and gone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from web_client import Browser, browsing
from world import NOW, TODAY, World

from foundation.audit import AuditEvent
from foundation.database import Database, HospitalSession
from foundation.ids import new_id
from patients import merging, quality_queries, suppression
from patients.models import ContactPoint, DataImport, DataProblem, Encounter, Enrolment, Feed, Patient

ADMIN = "heqing_admin"


@pytest.fixture
def browser(db: Database) -> Iterator[Browser]:
    with browsing(db) as made:
        yield made


@pytest.fixture
def admin(browser: Browser, world: World) -> Browser:
    return browser.enter(world.people[ADMIN])


def listed(session: HospitalSession, name: str) -> UUID:
    """A list that came in yesterday."""
    row = DataImport(
        tenant_id=session.tenant_id,
        id=new_id(),
        file_name=name,
        file_sha256=b"",
        layout="hqms41",
        rows=0,
        created=0,
        updated=0,
        unchanged=0,
        rejected=0,
        warnings={},
        reject_reasons={},
        dropped_columns=[],
        imported_by="陈静",
        imported_at=NOW - timedelta(days=1),
    )
    session.add(row)
    session.flush()
    return row.id


def put(world: World, session: HospitalSession, *, wrong: bool, **stay: Any) -> Patient:
    """A patient of a ward and a list, perhaps with a number at which a stranger answers."""
    patient = world.patient(session)
    encounter = session.scalars(select(Encounter).where(Encounter.patient_id == patient.id)).one()
    for column, value in stay.items():
        setattr(encounter, column, value)
    if wrong:
        point = session.scalars(select(ContactPoint).where(ContactPoint.patient_id == patient.id)).one()
        point.invalid_since = NOW
    session.flush()
    merging.refresh_contact_state(session, [patient.id], now=NOW)
    session.expire_all()
    return patient


def test_many_wrong_numbers_of_one_ward_in_one_list_are_said_as_such(admin: Browser, world: World) -> None:
    with world.hospital(world.yunling) as session:
        for _ in range(5):
            put(world, session, wrong=True, ward="云岭9病区")
    with world.hospital(world.heqing) as session:
        good, bad = listed(session, "九月一.csv"), listed(session, "九月二.csv")
        wrong = [
            put(world, session, wrong=True, ward="8病区", import_id=bad).record_number for _ in range(14)
        ]
        for _ in range(6):
            put(world, session, wrong=False, ward="8病区", import_id=bad)
        put(world, session, wrong=True, ward="8病区", import_id=good)
        for number in range(9):
            put(world, session, wrong=number == 0, ward="2病区", import_id=good)
        gone = put(world, session, wrong=True, ward="8病区", import_id=bad)
        gone.restricted_at = NOW
        session.flush()
        wards = quality_queries.by_ward(session, TODAY)
        files = quality_queries.by_file(session, TODAY)
        assert [(line.ward, line.wrong) for line in wards] == [("8病区", 15), ("2病区", 1)]
        assert wards[1].share == pytest.approx(1 / 9)
        assert [(line.file_name, line.ward, line.wrong) for line in files] == [("九月二.csv", "8病区", 14)]
    page = admin.get("/h/heqing/quality").text
    assert "14 个错误号码" in page
    assert "云岭9病区" not in page
    assert "<svg" in page
    address = re.search(rf'href="(/h/heqing/quality\?[^"]*list_id={bad})"', page)
    assert address is not None
    one = admin.get(address[1].replace("&amp;", "&")).text
    assert sum(record in one for record in wrong) == 14
    assert one.count("<b>王**</b>") == 14
    assert admin.get(f"/h/heqing/quality?ward=8病区&list_id={new_id()}").status_code == 200


def test_somebody_without_a_number_is_put_right_in_the_list_and_leaves_it(
    admin: Browser, world: World
) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session, enrolled=False)
        stopped = world.patient(session)
        for one in (patient, stopped):
            session.delete(
                session.scalars(select(ContactPoint).where(ContactPoint.patient_id == one.id)).one()
            )
        session.flush()
        merging.refresh_contact_state(session, [patient.id, stopped.id], now=NOW)
        session.add(
            DataProblem(
                tenant_id=session.tenant_id,
                id=new_id(),
                patient_id=patient.id,
                kind="no_phone_at_all",
                found_at=NOW,
            )
        )
        suppression.suppress(session, stopped.id, "deceased", source="card", now=NOW)
        record, other = patient.record_number, stopped.record_number
        patient_id = patient.id
    page = admin.get("/h/heqing/quality/unreachable").text
    assert record in page
    assert other not in page
    form = {"phone": "13977778888", "reason": "科室补录", "back": "unreachable"}
    assert admin.post(f"/h/heqing/patients/{patient_id}/correct", form | {"phone": "12"}).status_code == 422
    assert admin.post(f"/h/heqing/patients/{patient_id}/correct", form | {"reason": ""}).status_code == 422
    done = admin.post(f"/h/heqing/patients/{patient_id}/correct", form)
    assert done.headers["location"] == "/h/heqing/quality/unreachable"
    assert record not in admin.get("/h/heqing/quality/unreachable").text
    assert record not in admin.get("/h/heqing/quality/problems").text
    with world.hospital(world.heqing) as session:
        assert session.get_one(Patient, (session.tenant_id, patient_id)).contact_state == "reachable"
        assert (
            session.scalars(select(Enrolment).where(Enrolment.patient_id == patient_id)).one().ended_on
            is None
        )
        event = session.scalars(select(AuditEvent).where(AuditEvent.action == "patients.corrected")).one()
        assert (event.reason, event.detail["fields"]) == ("科室补录", ["phone"])


def test_a_new_number_takes_a_wrong_one_off_the_lists(admin: Browser, world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = put(world, session, wrong=True)
        for kind in ("wrong_number", "phone_damaged", "bad_id"):
            row = DataProblem(
                tenant_id=session.tenant_id, id=new_id(), patient_id=patient.id, kind=kind, found_at=NOW
            )
            session.add(row)
        session.flush()
        record, patient_id = patient.record_number, patient.id
    assert record in admin.get("/h/heqing/quality").text
    form = {"phone": "13977778888", "reason": "家属更正"}
    assert admin.post(f"/h/heqing/patients/{patient_id}/correct", form).status_code == 303
    assert record not in admin.get("/h/heqing/quality").text
    with world.hospital(world.heqing) as session:
        left = select(DataProblem.kind).where(DataProblem.resolved_at.is_(None))
        assert session.scalars(left).all() == ["bad_id"]


def test_a_ward_gets_its_department_at_once(admin: Browser, world: World) -> None:
    with world.hospital(world.yunling) as session:
        theirs = put(world, session, wrong=False, ward="8病区", department_id=None).id
    with world.hospital(world.heqing) as session:
        for _ in range(3):
            put(world, session, wrong=False, ward="8病区", department_id=None)
        put(world, session, wrong=False, ward="9病区", department_id=None)
    page = admin.get("/h/heqing/quality/departments").text
    assert "8病区" in page
    assert "骨科" in page  # nobody heads it yet
    form = {"ward": "8病区", "department_id": str(world.heqing.departments["骨科"])}
    stranger = form | {"department_id": str(world.yunling.departments["骨科"])}
    assert admin.post("/h/heqing/quality/departments", stranger).status_code == 404
    assert admin.post("/h/heqing/quality/departments", form | {"department_id": "x"}).status_code == 422
    assert admin.post("/h/heqing/quality/departments", form).status_code == 303
    page = admin.get("/h/heqing/quality/departments").text
    assert "8病区" not in page
    assert "9病区" in page
    with world.hospital(world.heqing) as session:
        event = session.scalars(
            select(AuditEvent).where(AuditEvent.action == "patients.department_assigned")
        ).one()
        assert (event.detail["ward"], event.detail["stays"]) == ("8病区", 3)
    with world.hospital(world.yunling) as session:
        stay = session.scalars(select(Encounter).where(Encounter.patient_id == theirs)).one()
        assert stay.department_id is None


def test_a_silent_feed_is_said(admin: Browser, world: World) -> None:
    with world.hospital(world.heqing) as session:
        session.add(
            Feed(
                tenant_id=session.tenant_id,
                id=new_id(),
                kind="hl7",
                name="HIS",
                expected_hours=6,
                last_received_at=NOW - timedelta(hours=30),
                last_taken_at=NOW - timedelta(hours=30),
                created_at=NOW - timedelta(days=30),
            )
        )
    page = admin.get("/h/heqing/quality/feeds").text
    assert "cl-bad" in page
    assert "HIS" in page


def test_lists_are_downloaded_by_mask_and_on_the_record(admin: Browser, world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = put(world, session, wrong=True, ward="=8病区")
        record = patient.record_number
    for name in ("wrong", "wards", "unreachable", "departments", "problems"):
        file = admin.get(f"/h/heqing/quality/csv/{name}")
        assert file.status_code == 200
        assert "attachment" in file.headers["content-disposition"]
        assert "王小明" not in file.text
        assert ",=" not in file.text
    assert record in admin.get("/h/heqing/quality/csv/wrong").text
    assert admin.get("/h/heqing/quality/csv/other").status_code == 404
    with world.hospital(world.heqing) as session:
        events = session.scalars(
            select(AuditEvent.subject).where(AuditEvent.action == "patients.quality_exported")
        )
        assert sorted(set(events)) == [
            f"list:{n}" for n in ("departments", "problems", "unreachable", "wards", "wrong")
        ]


def test_the_old_address_leads_on_and_who_may_not_correct_is_offered_nothing(
    browser: Browser, world: World
) -> None:
    with world.hospital(world.heqing) as session:
        patient = put(world, session, wrong=True)
        patient_id = patient.id
    browser.enter(world.people["heqing_gm"])
    old = browser.get("/h/heqing/problems?kind=bad_id")
    assert old.headers["location"] == "/h/heqing/quality/problems?kind=bad_id"
    for path in ("", "/unreachable", "/departments", "/feeds", "/problems"):
        page = browser.get(f"/h/heqing/quality{path}")
        assert page.status_code == 200
        assert "/correct" not in page.text
    assert (
        browser.post(f"/h/heqing/patients/{patient_id}/correct", {"phone": "13977778888"}).status_code == 403
    )
    assert browser.post("/h/heqing/quality/departments", {"ward": ""}).status_code == 403
    assert browser.get("/h/yunling/quality").status_code == 404
