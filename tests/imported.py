"""Lists that come in, what follows from them by itself, and what people then build on them."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from world import NOW, TODAY

from billing import ledger
from billing.service import close_month, ensure_contract, issue
from feedback.models import FeedbackCase
from foundation import catalogue
from foundation.database import HospitalSession
from foundation.ids import new_id
from outreach.models import Call, ContactTask, PatientHold
from patients import consent, joining, restriction, suppression
from patients.importing import import_file
from patients.models import ContactPoint, Encounter, Patient, SubjectRequest
from patients.restriction import Correction
from revisits import planning
from revisits.models import RevisitStep
from surveys.models import Response
from surveys.service import questionnaire_for
from tenants.keys import seal

ASIDE = {"audit_event", "data_import", "stored_file"}
LATER = NOW + timedelta(hours=3)
HEADER = (
    "病案号,住院次数,姓名,性别,出生日期,身份证号,联系电话,联系人姓名,与患者关系,联系人电话,"
    "入院日期,出院日期,出院科室,离院方式"
)
DIED, HOME = "死亡", "医嘱离院"


def row(number: str, name: str = "李雷", *, stay: int = 1, phone: str = "", **more: str) -> str:
    phone = phone or f"137{number[-4:]:0>8}"
    cells = [number, str(stay), name, "男", more.get("born", "1980-02-03"), "", phone, "", "", ""]
    cells += [more.get("since", "2026-09-01"), more.get("left", "2026-09-12"), more.get("ward", "骨科")]
    return ",".join([*cells, more.get("way", HOME)])


def take(session: HospitalSession, *lines: str, at: datetime = NOW, header: str = HEADER) -> UUID:
    report = import_file(session, "\n".join([header, *lines]).encode(), "list.csv", by="陈静", now=at)
    assert report.rejected == 0, report.reject_reasons
    assert report.import_id is not None
    return report.import_id


def tick(session: HospitalSession) -> None:
    """What follows by itself in a day: the plan, its tasks, the ledger."""
    planning.materialise(session, TODAY, now=LATER)
    planning.open_tasks(session, now=LATER)
    ledger.fill(session, TODAY, now=LATER)


def everything(session: HospitalSession) -> dict[str, dict[str, Any]]:
    """Every row of every table of the hospital, as PostgreSQL writes it."""
    session.flush()
    found: dict[str, dict[str, Any]] = {}
    for table in catalogue.tenant_tables():
        if table.name not in ASIDE and "id" in table.c:
            rows = session.execute(
                select(table.c.id, func.to_jsonb(table.table_valued())).where(
                    table.c.tenant_id == session.tenant_id
                )
            )
            found[table.name] = {str(row_id): image for row_id, image in rows}
    for image in found["patient"].values():
        image["updated_at"] = ""  # when somebody last looked after the record, no part of it
    return found


def changed(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        name: {
            key: (before[name].get(key), after[name].get(key))
            for key in before[name].keys() | after[name].keys()
            if before[name].get(key) != after[name].get(key)
        }
        for name in before
        if before[name] != after[name]
    }


def known(session: HospitalSession) -> None:
    """A hospital at work: people, a plan, tasks, a contract and its ledger."""
    ensure_contract(session, starts_on=date(2026, 1, 1), now=NOW)
    take(session, row("A1001", "王芳"), row("A1002", "陈刚", left="2026-09-10"), at=NOW - timedelta(days=2))
    planning.materialise(session, TODAY, now=NOW)
    planning.open_tasks(session, now=NOW)
    ledger.fill(session, TODAY, now=NOW)


def patient(session: HospitalSession, number: str) -> Patient:
    return session.scalars(select(Patient).where(Patient.record_number == number)).one()


def stay(session: HospitalSession, number: str) -> Encounter:
    return session.scalars(
        select(Encounter).where(Encounter.record_number == number).order_by(Encounter.admission_count.desc())
    ).first()  # type: ignore[return-value]


def called(session: HospitalSession) -> None:
    tick(session)
    task = session.scalars(select(ContactTask).where(ContactTask.kind == "revisit")).first()
    assert task is not None
    point = session.scalars(select(ContactPoint).where(ContactPoint.patient_id == task.patient_id)).first()
    assert point is not None
    session.add(
        Call(
            tenant_id=session.tenant_id,
            id=new_id(),
            task_id=task.id,
            patient_id=task.patient_id,
            contact_point_id=point.id,
            number_index=point.number_index,
            agent_id=new_id(),
            agent_name="李敏",
            dialled_at=LATER,
        )
    )


def booked(session: HospitalSession) -> None:
    tick(session)
    session.execute(update(ContactTask).values(appointment_at=LATER + timedelta(days=1)))


def finished(session: HospitalSession) -> None:
    tick(session)
    session.execute(update(ContactTask).values(state="completed"))


def on_a_card(session: HospitalSession) -> None:
    tick(session)
    task = session.scalars(select(ContactTask)).first()
    assert task is not None
    session.add(
        PatientHold(
            tenant_id=session.tenant_id,
            id=task.patient_id,
            task_id=task.id,
            agent_id=new_id(),
            drawn_at=LATER,
            until=LATER + timedelta(minutes=9),
            why="rest",
        )
    )


def visited(session: HospitalSession) -> None:
    tick(session)
    session.execute(update(RevisitStep).values(state="done"))


def answered(session: HospitalSession) -> None:
    encounter = stay(session, "B2001")
    session.add(
        Response(
            tenant_id=session.tenant_id,
            id=new_id(),
            questionnaire_id=questionnaire_for(session, "inpatient", now=LATER).id,
            patient_id=encounter.patient_id,
            encounter_id=encounter.id,
            mode="paper",
            state="in_progress",
            dimension_values={},
            started_at=LATER,
        )
    )


def complained(session: HospitalSession) -> None:
    session.add(
        FeedbackCase(
            tenant_id=session.tenant_id,
            id=new_id(),
            number="FK-2609-0001",
            patient_id=patient(session, "B2001").id,
            channel="call",
            category="service",
            tag="x",
            tier=1,
            medical_dispute=False,
            text_cipher=seal(session, "x") or b"x",
            wish_cipher=b"",
            received_at=LATER,
            first_receiver="x",
            stage="received",
            round=1,
            round_started_at=LATER,
        )
    )


def billed(session: HospitalSession) -> None:
    october = datetime.fromisoformat("2026-10-03T09:00:00+08:00")
    ensure_contract(session, starts_on=date(2026, 1, 1), now=NOW)
    issue(session, close_month(session, TODAY, now=october).id, now=october)


def asked(session: HospitalSession) -> None:
    session.add(
        SubjectRequest(
            tenant_id=session.tenant_id,
            id=new_id(),
            patient_id=patient(session, "B2001").id,
            kind="copy",
            requester="patient",
            channel="phone",
            wish_cipher=b"",
            asked_on=TODAY,
            due_on=TODAY,
            state="open",
            reason="",
            taken_by="x",
            counts={},
            created_at=LATER,
        )
    )


def merged(session: HospitalSession) -> None:
    take(session, row("C3001", "张三"), at=NOW - timedelta(days=9))
    joining.merge(
        session, patient(session, "C3001").id, patient(session, "B2001").id, reason="同一人", now=LATER
    )


def corrected(session: HospitalSession) -> None:
    restriction.correct(session, patient(session, "B2001").id, Correction(name="李雷雷"), now=LATER)


def stopped(session: HospitalSession) -> None:
    suppression.suppress(session, patient(session, "B2001").id, "refused", source="card", now=LATER)


def consented(session: HospitalSession) -> None:
    consent.record(
        session, patient(session, "B2001").id, "satisfaction", given=False, source="paper", now=LATER
    )


def withdrawn(session: HospitalSession) -> None:
    stay(session, "B2001").withdrawn_at = LATER


def again(session: HospitalSession) -> None:
    take(session, row("B2001", left="2026-09-13"), at=LATER)
