"""What the tests of faults have in common: a contact that is due, a month, a list of one patient."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from world import NOW, World

from foundation.database import HospitalSession
from foundation.ids import new_id
from outreach.models import ContactTask
from patients.models import ContactPoint, Encounter

AUGUST = date(2026, 8, 1)
LIST = "病案号,姓名,性别,年龄,联系电话,出院日期,出院科室\nA1,𠮷田一,男,50,13811112222,2026-09-10,骨科\n"


def due_task(world: World, session: HospitalSession, **changes: Any) -> dict[str, UUID]:
    """A contact that is due now; the ids by the names that addresses and forms use."""
    patient = world.patient(session, name="欧阳秘密")
    stay = session.scalars(select(Encounter.id).where(Encounter.patient_id == patient.id)).one()
    point = session.scalars(select(ContactPoint.id).where(ContactPoint.patient_id == patient.id)).one()
    values: dict[str, Any] = {
        "opens_at": NOW - timedelta(days=1),
        "due_at": NOW,
        "closes_at": NOW + timedelta(days=4),
        "next_try_at": NOW,
    } | changes
    task = ContactTask(
        **values,
        tenant_id=session.tenant_id,
        id=new_id(),
        patient_id=patient.id,
        encounter_id=stay,
        kind="revisit",
        purpose="care_followup",
        source="promise",
        source_id=new_id(),
        label={"zh": "回访", "en": "Revisit"},
        rank=6,
        attempts=0,
        state="open",
        created_at=NOW,
    )
    session.add(task)
    session.flush()
    return {"task_id": task.id, "patient_id": patient.id, "contact_point_id": point, "point_id": point}
