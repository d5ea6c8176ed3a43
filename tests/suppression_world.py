"""A patient who has everything that a suppression stops, and a picture of every table of a hospital."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from world import NOW, TODAY, TestHospital, World

from billing.service import close_month, draft_month, ensure_contract
from careloop import wiring
from feedback.models import FeedbackCase
from feedback.service import NewCase, acknowledge, mark_handled, open_case
from foundation import catalogue
from foundation.database import HospitalSession
from foundation.ids import new_id
from outreach.models import Call, ContactTask, PatientHold
from patients import suppression_check
from patients.models import ContactPoint, Encounter, Patient
from revisits import planning
from revisits.models import RevisitStep
from surveys import samples, service
from surveys.models import Response, SampleMember
from tenants.keys import data_key
from tenants.models import Hospital

AUGUST, SEPTEMBER = date(2026, 8, 1), date(2026, 9, 1)
# What a stop and its undo write on purpose: the record of them, and the logs that nobody may change.
WRITTEN = frozenset({"suppression", "audit_event", "case_event"})
Picture = dict[str, dict[UUID, dict[str, Any]]]


@dataclass(frozen=True)
class Full:
    """Who was made, in which hospital."""

    hospital: TestHospital
    patient_id: UUID
    neighbour_id: UUID


def full(world: World, hospital: TestHospital, *, spoken_to: bool = True) -> Full:
    """A patient with everything, beside another one with the same, in one hospital with two open months.

    Everything: an enrolment, steps planned and on their way, an appointment, a second number, a questionnaire
    begun, a place in a sample with its call, a callback of a case, ledger rows of August and September.
    """
    wiring.wire()
    with world.hospital(hospital) as session:
        ensure_contract(session, starts_on=AUGUST, now=NOW)
        made = [_patient(world, session, spoken_to=spoken_to) for _ in range(2)]
        session.execute(update(Hospital).values(outpatient_rate=1))
        samples.draw_sample(session, SEPTEMBER, now=NOW, seed="suppression")
        planning.materialise(session, TODAY, now=NOW)
        planning.open_tasks(session, now=NOW)
        for patient in made:
            _begin(session, world, patient)
        close_month(session, AUGUST, now=NOW)
        draft_month(session, SEPTEMBER, now=NOW)
        session.flush()
        return Full(hospital, made[0].id, made[1].id)


def _patient(world: World, session: HospitalSession, *, spoken_to: bool) -> Patient:
    patient = world.patient(session, discharged_on=TODAY - timedelta(days=18))
    key = data_key(session)
    session.add(
        ContactPoint(
            tenant_id=session.tenant_id, patient_id=patient.id, holder="contact", relation="spouse",
            name="王芳", number_cipher=key.encrypt("13900000009"),
            number_index=key.blind_index(f"139{patient.record_number[1:]}"), number_masked="139****0009",
            position=2,
        )
    )  # fmt: skip
    session.add(
        Encounter(
            tenant_id=session.tenant_id, id=new_id(), patient_id=patient.id, kind="outpatient",
            record_number=patient.record_number, admission_count=1, ward="", doctor="", diagnosis="",
            diagnosis_code="", discharged_on=TODAY - timedelta(days=4), content_digest=b"", created_at=NOW,
            updated_at=NOW,
        )
    )  # fmt: skip
    case = _handled_case(session, world, patient)
    if spoken_to:
        _spoken_to(session, world, case)
    session.flush()
    return patient


def _handled_case(session: HospitalSession, world: World, patient: Patient) -> FeedbackCase:
    new = NewCase(
        patient_id=patient.id, encounter_id=None, call_id=None, department_id=None, channel="revisit_call",
        category="service", tag="meals", tier=2, medical_dispute=False, text="饭菜凉了", wish="",
    )  # fmt: skip
    before = NOW - timedelta(hours=3)
    case = open_case(session, new, actor=world.agent, now=before)
    acknowledge(session, case.id, actor=world.admin, now=before, owner="department_head")
    return mark_handled(session, case.id, actor=world.admin, note="已更换保温车", now=before)


def _spoken_to(session: HospitalSession, world: World, case: FeedbackCase) -> None:
    """A call that was answered, so that a death is not one before the first contact."""
    task = session.scalars(select(ContactTask).where(ContactTask.patient_id == case.patient_id)).one()
    point = session.scalars(
        select(ContactPoint).where(ContactPoint.patient_id == task.patient_id, ContactPoint.position == 1)
    ).one()
    at = NOW - timedelta(hours=1)
    session.add(
        Call(
            tenant_id=session.tenant_id, id=new_id(), task_id=task.id, patient_id=task.patient_id,
            contact_point_id=point.id, number_index=point.number_index, agent_id=world.agent.id,
            agent_name=world.agent.name, dialled_at=at, connected_at=at, ended_at=at, outcome="hung_up",
        )
    )  # fmt: skip


def _begin(session: HospitalSession, world: World, patient: Patient) -> None:
    """The follow-up is on its way: an appointment with an agent, and a questionnaire that has two answers."""
    task = session.scalars(
        select(ContactTask).where(ContactTask.patient_id == patient.id, ContactTask.source == "revisit")
    ).one()
    task.appointment_at, task.appointment_agent = NOW + timedelta(hours=2), world.agent.id
    task.attempts = 1
    session.flush()
    response = service.open_response(session, task, agent=world.agent, mode="phone", now=NOW)
    questionnaire = service.questionnaire_for(session, "inpatient", now=NOW)
    codes = [question.code for question in service.instrument_of(questionnaire).questions()]
    service.record_answers(session, response.id, {codes[0]: 5, codes[1]: 6}, NOW)


def everything(session: HospitalSession) -> Picture:
    """Every row of every table of the hospital, but for the records of stops and undos themselves."""
    session.flush()
    session.expire_all()
    return {
        table.name: {
            row["id"]: dict(row)
            for row in session.execute(select(table).where(table.c.tenant_id == session.tenant_id)).mappings()
        }
        for table in catalogue.tenant_tables()
        if table.name not in WRITTEN and "id" in table.c
    }


def changes(before: Picture, after: Picture) -> dict[str, list[str]]:
    """What differs, by table: for reading in a failure."""
    found: dict[str, list[str]] = {}
    for table, rows in before.items():
        now = after[table]
        told = [f"gone {row_id}" for row_id in rows.keys() - now.keys()]
        told += [f"new {now[row_id]}" for row_id in now.keys() - rows.keys()]
        for row_id in rows.keys() & now.keys():
            told += [
                f"{column}: {value!r} is now {now[row_id][column]!r}"
                for column, value in rows[row_id].items()
                if value != now[row_id][column]
            ]
        if told:
            found[table] = told
    return found


def touched(before: Picture, after: Picture, patient_id: UUID) -> dict[str, int]:
    """How many of one patient's rows changed, by table; of rows that name their patient directly."""
    return {
        table: count
        for table, rows in before.items()
        if (
            count := sum(
                row.get("patient_id") == patient_id and after[table].get(row_id) != row
                for row_id, row in rows.items()
            )
        )
    }


def live_things(session: HospitalSession, patient_id: UUID) -> dict[str, int]:
    """What of this patient is still open, asked of the tables themselves."""
    mine = {"tenant_id": session.tenant_id, "patient_id": patient_id}
    counts = {
        "task": select(ContactTask.id).filter_by(**mine, state="open"),
        "card": select(PatientHold.id).filter_by(tenant_id=session.tenant_id, id=patient_id),
        "step": select(RevisitStep.id).filter_by(**mine).where(RevisitStep.state.in_(("planned", "tasked"))),
        "response": select(Response.id).filter_by(**mine, state="in_progress"),
        "slot": select(SampleMember.id)
        .join(Encounter, Encounter.id == SampleMember.encounter_id)
        .where(
            SampleMember.tenant_id == session.tenant_id,
            Encounter.patient_id == patient_id,
            SampleMember.drawn,
            SampleMember.stopped_by_id.is_(None),
        ),
    }
    return {name: n for name, query in counts.items() if (n := len(session.scalars(query).all()))}


def nothing_wrong(session: HospitalSession) -> bool:
    """What the nightly check says."""
    return not any(suppression_check.look(session).values())
