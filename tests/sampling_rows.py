"""Outpatient visits, and what stands in a sample's list."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sqlalchemy import select
from world import World

from foundation.database import HospitalSession
from foundation.ids import new_id
from outreach.models import ContactTask
from patients.models import Encounter, Patient
from surveys import samples
from surveys.models import SampleMember, SurveySample

MONTH = date(2026, 8, 1)
DRAWN_AT = datetime.fromisoformat("2026-09-01T02:30:00+08:00")


def visits(
    world: World, session: HospitalSession, numbers: list[str], day: date | None = None
) -> list[Patient]:
    return [
        world.patient(
            session,
            record_number=number,
            kind="outpatient",
            enrolled=False,
            discharged_on=day or MONTH + timedelta(days=index % 31),
        )
        for index, number in enumerate(numbers)
    ]


def again(session: HospitalSession, patient: Patient, count: int, day: date) -> None:
    """Another visit of the same patient."""
    session.add(
        Encounter(
            tenant_id=session.tenant_id, id=new_id(), patient_id=patient.id, kind="outpatient",
            record_number=patient.record_number, admission_count=count, ward="", doctor="", diagnosis="",
            diagnosis_code="", discharged_on=day, content_digest=b"", created_at=DRAWN_AT,
            updated_at=DRAWN_AT,
        )
    )  # fmt: skip
    session.flush()


def members(session: HospitalSession, sample: SurveySample) -> list[tuple[str, bool, str | None]]:
    rows = session.execute(
        select(Encounter.record_number, SampleMember.drawn, SampleMember.excluded)
        .join(
            Encounter,
            (Encounter.tenant_id == SampleMember.tenant_id) & (Encounter.id == SampleMember.encounter_id),
        )
        .where(SampleMember.tenant_id == session.tenant_id, SampleMember.sample_id == sample.id)
        .order_by(SampleMember.position)
    )
    return [(number, drawn, excluded) for number, drawn, excluded in rows]


def drawn_of(session: HospitalSession, sample: SurveySample) -> set[str]:
    return {number for number, drawn, _ in members(session, sample) if drawn}


def sample_tasks(session: HospitalSession) -> list[ContactTask]:
    return list(
        session.scalars(
            select(ContactTask)
            .where(ContactTask.tenant_id == session.tenant_id, ContactTask.source == samples.SOURCE)
            .order_by(ContactTask.opens_at)
        )
    )
