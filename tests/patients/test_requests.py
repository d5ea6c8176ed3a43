"""What patients ask about their own data: a clock, a check, a decision, and nothing of anybody else."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text
from web_client import Browser, browsing
from world import NOW, TODAY, TestHospital, World

from billing import service as billing
from careloop import jobs
from careloop.wiring import wire
from feedback.models import FeedbackCase
from foundation import runtime
from foundation.audit import AuditEvent
from foundation.clock import SetClock
from foundation.database import HospitalSession
from foundation.files import StoredFile
from foundation.ids import new_id
from foundation.outbox import OutboxMessage
from foundation.web.errors import UserMistake
from foundation.work import run_job
from outreach.models import ContactTask
from outreach.tasks import TaskRequest, make_tasks
from patients import importing, queries, requests, restriction, suppression
from patients.models import ContactPoint, Encounter, Enrolment, Patient, SubjectRequest
from tenants.keys import data_key

LATER = NOW + timedelta(days=1)
HEADER = "姓名,病案号,手机号,入院日期,出院日期,出院科室,住院次数"


@pytest.fixture(autouse=True)
def _wired() -> None:
    wire()


def asked(
    session: HospitalSession, patient: Patient, kind: str, *, checked: bool = True, **changes: Any
) -> SubjectRequest:
    values: dict[str, Any] = {
        "requester": "patient",
        "channel": "counter",
        "wish": "请删除我的信息",
        "asked_on": TODAY,
    } | changes
    row = requests.register(session, patient.id, kind=kind, now=NOW, **values)
    if checked:
        requests.confirm_identity(session, row.id, proof="id_card", now=NOW)
    return row


def task_for(session: HospitalSession, patient: Patient) -> None:
    wanted = TaskRequest(
        patient_id=patient.id,
        encounter_id=None,
        kind="revisit",
        purpose="care_followup",
        source="test",
        source_id=new_id(),
        label={"zh": "回访", "en": "Revisit"},
        rank=80,
        opens_at=NOW,
        due_at=LATER,
        closes_at=LATER,
    )
    assert make_tasks(session, [wanted], NOW).made == 1


def events(session: HospitalSession) -> list[str]:
    return list(session.scalars(select(AuditEvent.action).order_by(AuditEvent.seq)))


def test_the_clock_is_fifteen_days_and_nothing_happens_before_the_identity_is_checked(world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session)
        row = asked(session, patient, "copy", checked=False)
        assert row.due_on == date(2026, 9, 30)
        assert b"\xe8\xaf\xb7" not in row.wish_cipher
        for attempt in (
            lambda: requests.prepare_copy(session, row.id, now=NOW),
            lambda: requests.hand_out(session, row.id, reason="x", now=NOW),
        ):
            with pytest.raises(UserMistake):
                attempt()
        with pytest.raises(UserMistake):
            requests.confirm_identity(session, row.id, proof="", now=NOW)
        assert requests.overdue_count(session, date(2026, 9, 30)) == 0
        assert requests.overdue_count(session, date(2026, 10, 1)) == 1
        assert requests.note_overdue(session, date(2026, 10, 1), now=LATER) == 1
        assert requests.note_overdue(session, date(2026, 10, 2), now=LATER) == 0, "said once"


def test_near_relatives_ask_for_the_dead_only(world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session)
        stay = session.scalars(select(Encounter).where(Encounter.patient_id == patient.id)).one()
        stay.disposition, stay.withdrawn_at = "died", NOW
        with pytest.raises(UserMistake):  # the hospital took back what said so
            asked(session, patient, "copy", requester="relative")
        suppression.suppress(session, patient.id, "deceased", source="card", now=NOW)
        assert asked(session, patient, "copy", requester="relative").state == "open"


def test_a_refusal_needs_its_reason(world: World) -> None:
    with world.hospital(world.heqing) as session:
        row = asked(session, world.patient(session), "erasure")
        with pytest.raises(UserMistake):
            requests.refuse(session, row.id, reason=" ", now=NOW)
        requests.refuse(session, row.id, reason="身份无法核实", now=NOW)
        assert (row.state, row.reason) == ("refused", "身份无法核实")
        with pytest.raises(UserMistake):
            requests.erase(session, row.id, now=NOW)


def test_a_copy_is_of_this_patient_alone_and_can_be_taken_once(world: World) -> None:
    with world.hospital(world.yunling) as session:
        elsewhere = world.patient(session, name="云岭患者", phone="13900001111")
    with world.hospital(world.heqing) as session:
        patient = world.patient(session, name="张建国", phone="13811112222")
        other = world.patient(session, name="李秀英", phone="13833334444")
        row = asked(session, patient, "copy")
        requests.prepare_copy(session, row.id, now=NOW)
        assert requests.make_copy(session, row.id, now=NOW)
        assert not requests.make_copy(session, row.id, now=NOW), "made once"
        name, content = requests.hand_out(session, row.id, reason="本人窗口领取", now=NOW)
        assert name.endswith(".zip")
        archive = zipfile.ZipFile(io.BytesIO(content))
        everything = "".join(archive.read(part).decode() for part in archive.namelist())
        assert "13811112222" in everything
        assert "张建国" in everything
        assert "请删除我的信息" in everything, "the request is part of the data"
        for foreign in ("13833334444", "李秀英", str(other.id), "13900001111", str(elsewhere.id)):
            assert foreign not in everything
        index = json.loads(archive.read("index.json"))
        assert index["patient"] == str(patient.id)
        assert row.state == "done"
        assert session.scalars(select(StoredFile.id)).all() == [], "not kept after it was taken"
        with pytest.raises(UserMistake):
            requests.hand_out(session, row.id, reason="again", now=NOW)
        assert "patients.request_copy_handed_out" in events(session)


def test_a_correction_goes_on_record_by_field_name_only(world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session, name="王小明", phone="13811112222")
        row = asked(session, patient, "correction")
        wanted = restriction.Correction(name="王晓明", phone="13955556666", contact_phone="13777778888")
        assert requests.correct(session, row.id, wanted, now=NOW) == ["contact_phone", "name", "phone"]
        key = data_key(session)
        numbers = {
            point.holder: key.decrypt(point.number_cipher)
            for point in session.scalars(select(ContactPoint).where(ContactPoint.patient_id == patient.id))
        }
        assert numbers == {"patient": "13955556666", "contact": "13777778888"}
        assert [line.id for line in queries.patients(session, "13955556666").lines] == [patient.id]
        trail = json.dumps(
            [event.detail for event in session.scalars(select(AuditEvent))], ensure_ascii=False
        )
        assert "王晓明" not in trail
        assert "13955556666" not in trail
        with pytest.raises(UserMistake):
            restriction.correct(session, patient.id, restriction.Correction(phone="123"), now=NOW)
        with pytest.raises(UserMistake):
            restriction.correct(session, patient.id, restriction.Correction(), now=NOW)


def test_a_restricted_patient_is_on_no_list_and_is_not_contacted_until_it_is_lifted(world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session, name="张建国", phone="13811112222")
        task_for(session, patient)
        row = asked(session, patient, "restriction")
        requests.restrict(session, row.id, now=NOW)
        assert row.state == "done"
        for search in ("", "13811112222", "张建国", patient.record_number):
            assert queries.patients(session, search).lines == ()
        assert session.scalars(select(ContactTask.state)).all() == ["cancelled"]
        active = session.scalars(text("SELECT id FROM suppression WHERE reason = 'restricted'")).one()
        with pytest.raises(suppression.UnknownSuppression):
            suppression.lift(session, active, now=LATER)
        restriction.lift(session, patient.id, reason="患者撤回", now=LATER)
        assert [line.id for line in queries.patients(session).lines] == [patient.id]
        assert session.scalars(select(ContactTask.state)).all() == ["open"]
        assert session.scalars(select(Enrolment.ended_on)).all() == [None]


def test_an_erased_patient_is_a_row_without_a_person(world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session, name="张建国", phone="13811112222")
        other = world.patient(session, name="李秀英", phone="13833334444")
        number = patient.record_number
        task_for(session, patient)
        row = asked(session, patient, "erasure")
        requests.erase(session, row.id, now=NOW)
        session.expire_all()
        assert patient.name == ""
        assert patient.record_number == str(patient.id)
        assert patient.erased_at == NOW
        assert patient.birth_date is None
        assert requests.wish_of(session, row) == ""
        everything = "".join(
            str(session.execute(text(f"SELECT t::text FROM {table} t")).all())
            for table in ("patient", "contact_point", "encounter", "subject_request", "contact_task")
        )
        assert number not in everything
        assert "张建国" not in everything
        assert other.name == "李秀英"
        assert session.scalars(select(ContactTask.state)).all() == ["cancelled"]
        assert session.scalars(select(Enrolment.patient_id)).all().count(patient.id) == 1, "still countable"
        with pytest.raises(UserMistake):
            restriction.lift(session, patient.id, reason="x", now=LATER)
        with pytest.raises(UserMistake):
            asked(session, patient, "copy")


def test_a_later_list_brings_nobody_back_and_changes_nobody_restricted(world: World) -> None:
    with world.hospital(world.heqing) as session:
        erased, kept = world.patient(session), world.patient(session, name="李秀英")
        numbers = (erased.record_number, kept.record_number, "NEW0001")
        requests.erase(session, asked(session, erased, "erasure").id, now=NOW)
        requests.restrict(session, asked(session, kept, "restriction").id, now=NOW)
        rows = [f"新名{i},{n},1380000000{i},2026-09-01,2026-09-10,骨科,2" for i, n in enumerate(numbers)]
        content = "\n".join([HEADER, *rows]).encode()
        report = importing.import_file(session, content, "a.csv", by="t", now=LATER)
        assert report.reject_reasons == {"erased_on_request": 1, "restricted_on_request": 1}
        assert (report.rows, report.created) == (3, 1)
        assert report.rejected_file_id is not None
        assert "新名0" not in str(session.scalars(select(Patient.name)).all())
        session.expire_all()
        assert kept.name == "李秀英"
        assert session.scalars(select(Encounter.record_number)).all().count("NEW0001") == 1


def test_what_holds_an_erasure_back_is_said(world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session, discharged_on=date(2026, 8, 20))
        billing.ensure_contract(session, starts_on=date(2026, 8, 1), now=NOW)
        session.add(a_case(session, patient))
        session.flush()
        row = asked(session, patient, "erasure")
        with pytest.raises(UserMistake) as refused:
            requests.erase(session, row.id, now=NOW)
        assert "FK-2609-0001" in refused.value.message
        assert "2026" in refused.value.message, "August is not invoiced"
        assert patient.erased_at is None
        requests.restrict(session, row.id, now=NOW)
        assert row.state == "open", "restricted until it can be erased"
        session.execute(text("UPDATE feedback_case SET stage = 'closed', closed_at = :now"), {"now": NOW})
        service_invoice(session)
        requests.erase(session, row.id, now=LATER)
        assert row.state == "done"


def a_case(session: HospitalSession, patient: Patient) -> FeedbackCase:
    cipher = data_key(session).encrypt("护士态度差")
    return FeedbackCase(
        tenant_id=session.tenant_id,
        number="FK-2609-0001",
        patient_id=patient.id,
        channel="phone",
        category="service",
        tag="attitude",
        tier=1,
        medical_dispute=False,
        text_cipher=cipher,
        wish_cipher=cipher,
        received_at=NOW,
        first_receiver="李敏",
        stage="received",
        round=1,
        round_started_at=NOW,
    )


def service_invoice(session: HospitalSession) -> None:
    invoice = billing.close_month(session, date(2026, 8, 1), now=NOW)
    billing.issue(session, invoice.id, now=NOW)


def test_a_dispute_is_kept_for_three_years(world: World) -> None:
    with world.hospital(world.heqing) as session:
        patient = world.patient(session)
        case = a_case(session, patient)
        case.medical_dispute, case.stage, case.closed_at = True, "closed", NOW
        session.add(case)
        session.flush()
        assert restriction.holds(session, patient.id, TODAY)
        assert restriction.holds(session, patient.id, TODAY + timedelta(days=1095))
        assert not restriction.holds(session, patient.id, TODAY + timedelta(days=1096))


# -- on screen


@pytest.fixture
def browser(world: World) -> Iterator[Browser]:
    with browsing(world.db, clock=SetClock(NOW)) as browser:
        runtime.install(browser.runtime)
        yield browser


def take_down(browser: Browser, world: World, kind: str) -> tuple[UUID, str]:
    with world.hospital(world.heqing) as session:
        patient_id = world.patient(session, name="张建国", phone="13811112222").id
    browser.enter(world.people["heqing_admin"])
    form = {"kind": kind, "requester": "patient", "channel": "counter", "wish": "我的资料"}
    answer = browser.post(f"/h/heqing/patients/{patient_id}/requests", form)
    assert answer.status_code == 303
    address = answer.headers["location"]
    assert browser.post(f"{address}/identity", {"proof": "id_card"}).status_code == 303
    return patient_id, address


def run_copies(world: World, hospital: TestHospital) -> None:
    with world.hospital(hospital) as session:
        queued = session.scalars(select(OutboxMessage).where(OutboxMessage.job == requests.COPY_JOB)).all()
    assert jobs.load()
    for message in queued:
        run_job(message.job, message.arguments)


def test_the_way_of_a_copy_through_the_pages(browser: Browser, world: World) -> None:
    patient_id, address = take_down(browser, world, "copy")
    assert address in browser.get(f"/h/heqing/patients/{patient_id}").text
    shown = browser.get(address).text
    assert "我的资料" in shown
    assert "张**" in shown
    assert "张建国" not in shown
    assert browser.post(f"{address}/copy").status_code == 303
    run_copies(world, world.heqing)
    assert browser.post(f"{address}/hand-out", {}).status_code == 422
    taken = browser.post(f"{address}/hand-out", {"reason": "本人领取"})
    assert taken.headers["content-type"] == "application/zip"
    assert taken.content[:2] == b"PK"
    assert browser.post(f"{address}/hand-out", {"reason": "again"}).status_code == 422
    assert address in browser.get("/h/heqing/requests?show=done").text


def test_an_erased_patient_has_no_page_any_more(browser: Browser, world: World) -> None:
    patient_id, address = take_down(browser, world, "erasure")
    assert browser.post(f"{address}/erase", {}).status_code == 422
    assert browser.post(f"{address}/erase", {"confirmed": "yes"}).status_code == 303
    assert browser.get(f"/h/heqing/patients/{patient_id}").status_code == 404
    words = browser.post(f"/h/heqing/patients/{patient_id}/words", {"words": "x"})
    assert words.status_code == 404
    assert browser.get(address).status_code == 200


def test_the_firm_takes_down_and_the_hospital_decides(browser: Browser, world: World) -> None:
    _patient, address = take_down(browser, world, "erasure")
    browser.enter(world.people["operations"])
    assert browser.get(address).status_code == 200
    for step in ("erase", "refuse", "copy", "restrict", "hand-out", "lift", "correct"):
        answer = browser.post(f"{address}/{step}", {"reason": "x", "confirmed": "yes"})
        assert answer.status_code == 403, step


def test_another_hospital_finds_no_such_request(browser: Browser, world: World) -> None:
    _patient, address = take_down(browser, world, "copy")
    foreign = address.replace("/h/heqing/", "/h/yunling/")
    browser.enter(world.people["yunling_admin"])
    assert browser.get(foreign).status_code == 404
    assert browser.get(address).status_code == 404
    for step in ("identity", "copy", "hand-out", "refuse", "erase", "restrict", "lift", "correct"):
        form = {"reason": "x", "confirmed": "yes", "proof": "id_card"}
        assert browser.post(f"{foreign}/{step}", form).status_code == 404, step
    assert "我的资料" not in browser.get("/h/yunling/requests").text


def test_programs_read_no_more_of_a_restricted_or_erased_patient_than_pages_show(world: World) -> None:
    with world.hospital(world.heqing) as session:
        patients = [world.patient(session, name=name) for name in ("王小明", "李秀英")]
        case = a_case(session, patients[0])
        session.add(case)
        session.flush()
        addresses = [f"patients/{patient.id}" for patient in patients] + [f"cases/{case.id}"]
    with browsing(world.db) as browser:
        browser.enter(world.people["heqing_admin"])
        for one in addresses:
            assert browser.get(f"/api/v1/h/heqing/{one}").status_code == 200, one
        with world.hospital(world.heqing) as session:
            restriction.restrict(session, patients[0].id, now=NOW)
            restriction.erase(session, patients[1].id, now=NOW)
        assert browser.get(f"/api/v1/h/heqing/{addresses[2]}").status_code == 200, "still to be answered"
        with world.hospital(world.heqing) as session:
            session.execute(text("UPDATE feedback_case SET stage = 'closed', closed_at = :now"), {"now": NOW})
        for one in addresses:
            assert browser.get(f"/api/v1/h/heqing/{one}").status_code == 404, one
            assert browser.get(f"/h/heqing/{one}").status_code == 404, one
        assert browser.get("/api/v1/h/heqing/patients").json()["patients"] == []
        assert browser.get("/api/v1/h/heqing/cases?view=complaints").json()["cases"] == []
