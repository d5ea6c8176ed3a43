"""What the tests of reports have in common: answers, contacts and hospitals as bare rows, so that sums can be
checked by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select
from world import NOW, World, agreement_of

from foundation.database import HospitalSession
from foundation.encryption import MasterKey
from foundation.ids import new_id
from foundation.scope import Actor, HospitalScope
from outreach.models import Call, ContactTask
from patients.models import ContactPoint, Encounter, Patient
from surveys.models import Response, SampleMember, SurveySample
from surveys.service import questionnaire_for
from tenants.models import Department, DirectoryEntry, Hospital

SEPTEMBER = date(2026, 9, 1)


def stay_of(session: HospitalSession, patient: Patient) -> Encounter:
    """The patient's one encounter."""
    return session.scalars(select(Encounter).where(Encounter.patient_id == patient.id)).one()


def answered(
    session: HospitalSession,
    patient: Patient,
    index: float,
    *,
    overall: float | None = None,
    at: datetime = NOW,
    **changes: Any,
) -> Response:
    """A complete response of this patient's stay with this index, and the overall question's (the same)."""
    stay = stay_of(session, patient)
    audience = "inpatient" if stay.kind == "inpatient" else "outpatient"
    values: dict[str, Any] = {
        "mode": "phone",
        "state": "complete",
        "index_value": Decimal(str(index)),
        "dimension_values": {"overall": str(index if overall is None else overall), "doctors": str(index)},
        "completed_at": at,
    } | changes
    row = Response(
        tenant_id=session.tenant_id,
        id=new_id(),
        questionnaire_id=questionnaire_for(session, audience, now=NOW).id,
        patient_id=patient.id,
        encounter_id=stay.id,
        started_at=at,
        **values,
    )
    session.add(row)
    session.flush()
    return row


def contact(
    session: HospitalSession,
    patient: Patient,
    state: str,
    *,
    due_at: datetime = NOW,
    closed_at: datetime | None = None,
    dials: Sequence[bool] = (),
    **changes: Any,
) -> ContactTask:
    """A contact of this patient's stay and its calls: True for one that was answered."""
    values: dict[str, Any] = {"kind": "revisit", "purpose": "care_followup", "source": "revisit"} | changes
    task = ContactTask(
        tenant_id=session.tenant_id,
        id=new_id(),
        patient_id=patient.id,
        encounter_id=stay_of(session, patient).id,
        source_id=new_id(),
        label={"zh": "第1次回访", "en": "Follow-up 1"},
        rank=60,
        opens_at=due_at - timedelta(days=3),
        due_at=due_at,
        closes_at=due_at + timedelta(days=4),
        next_try_at=due_at - timedelta(days=3),
        attempts=len(dials),
        state=state,
        closed_at=closed_at or (None if state == "open" else due_at),
        created_at=due_at - timedelta(days=3),
        **values,
    )
    session.add(task)
    session.flush()
    for reached in dials:
        session.add(_call(session, task, reached, due_at))
    session.flush()
    return task


def _call(session: HospitalSession, task: ContactTask, reached: bool, at: datetime) -> Call:
    number = session.scalars(select(ContactPoint).where(ContactPoint.patient_id == task.patient_id)).one()
    return Call(
        tenant_id=session.tenant_id,
        task_id=task.id,
        patient_id=task.patient_id,
        contact_point_id=number.id,
        number_index=number.number_index,
        agent_id=new_id(),
        agent_name="李敏",
        dialled_at=at,
        connected_at=at if reached else None,
        ended_at=at,
    )


def sampled(session: HospitalSession, patients: Sequence[Patient], *, drawn_at: datetime = NOW) -> None:
    """A sample in which these outpatients were drawn."""
    sample = SurveySample(
        tenant_id=session.tenant_id,
        id=new_id(),
        month=SEPTEMBER,
        audience="outpatient",
        rate=Decimal("0.10"),
        seed="s",
        frame_size=len(patients) + 1,
        drawn_size=len(patients),
        drawn_at=drawn_at,
    )
    session.add(sample)
    session.flush()
    for place, patient in enumerate(patients):
        session.add(
            SampleMember(
                tenant_id=session.tenant_id,
                sample_id=sample.id,
                encounter_id=stay_of(session, patient).id,
                drawn=True,
                position=place,
            )
        )
    session.flush()


def another_hospital(
    world: World, code: str, name: str, *, region: str = "130100", grade: str = "3A", kind: str = "general"
) -> UUID:
    """One more hospital of the world's firm, with a department 内科."""
    tenant_id = new_id()
    if not isinstance(world.db.master_key, MasterKey):
        raise TypeError("the test database has no master key")
    with world.db.hospital(HospitalScope(tenant_id, Actor.system("test"), "test")) as session:
        session.add(
            Hospital(
                tenant_id=tenant_id,
                firm_id=world.firm_id,
                code=code,
                name=name,
                name_en=f"{code.title()} Hospital",
                hospital_type=kind,
                region=region,
                grade=grade,
                brand="",
                beds=500,
                colour="blue",
                state="active",
                outpatient_rate=Decimal("0.10"),
                wrapped_key=world.db.master_key.new_wrapped_key(),
                created_at=NOW,
            )
        )
        session.add(DirectoryEntry(code=code, kind="hospital", firm_id=world.firm_id, tenant_id=tenant_id))
        session.flush()
        session.add(Department(tenant_id=tenant_id, id=new_id(), name="内科"))
        session.add(agreement_of(tenant_id))
    return tenant_id


def crowd(world: World, tenant_id: UUID, indices: Sequence[float], *, at: datetime = NOW) -> None:
    """One inpatient with one complete response for each of `indices`; discharged two days before."""
    with world.db.hospital(HospitalScope(tenant_id, Actor.system("test"), "test")) as session:
        department = session.scalars(select(Department.id).where(Department.tenant_id == tenant_id)).first()
        questionnaire = questionnaire_for(session, "inpatient", now=NOW)
        patients, stays, responses = [], [], []
        for place, index in enumerate(indices):
            patients.append(_patient(tenant_id, f"C{place:05d}-{at:%m%d}"))
            stays.append(_stay(patients[-1], department, at))
            responses.append(_response(stays[-1], questionnaire.id, index, at))
        for rows in (patients, stays, responses):
            session.add_all(rows)
            session.flush()


def _patient(tenant_id: UUID, number: str) -> Patient:
    return Patient(
        tenant_id=tenant_id,
        id=new_id(),
        record_number=number,
        name="王小明",
        sex="M",
        created_at=NOW,
        updated_at=NOW,
        contact_state="reachable",
    )


def _stay(patient: Patient, department: UUID | None, at: datetime) -> Encounter:
    return Encounter(
        tenant_id=patient.tenant_id,
        id=new_id(),
        patient_id=patient.id,
        department_id=department,
        kind="inpatient",
        record_number=patient.record_number,
        admission_count=1,
        ward="",
        doctor="",
        diagnosis="",
        diagnosis_code="",
        discharged_on=(at - timedelta(days=2)).date(),
        content_digest=b"",
        created_at=NOW,
        updated_at=NOW,
    )


def _response(stay: Encounter, questionnaire_id: UUID, index: float, at: datetime) -> Response:
    return Response(
        tenant_id=stay.tenant_id,
        id=new_id(),
        questionnaire_id=questionnaire_id,
        patient_id=stay.patient_id,
        encounter_id=stay.id,
        mode="phone",
        state="complete",
        index_value=Decimal(str(index)),
        dimension_values={"overall": str(index)},
        started_at=at,
        completed_at=at,
    )
