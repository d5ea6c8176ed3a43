"""Putting a hospital's data right for many at once: the department that a ward belongs to."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import update

from foundation import audit
from foundation.database import HospitalSession
from patients import merging
from patients.models import Encounter
from tenants.models import Department


class UnknownDepartment(LookupError):
    """No such department in this hospital."""


def assign_department(session: HospitalSession, ward: str, department_id: UUID, *, now: datetime) -> int:
    """Give every stay and visit of a ward that has no department this one; returns how many.

    What a list said of a department stays as it was said. Raises `UnknownDepartment`.
    """
    department = session.get(Department, (session.tenant_id, department_id))
    if department is None:
        raise UnknownDepartment(str(department_id))
    changed = session.scalars(
        update(Encounter)
        .where(
            Encounter.tenant_id == session.tenant_id,
            Encounter.department_id.is_(None),
            Encounter.ward == ward,
            Encounter.kind != "cooperation",
        )
        .values(department_id=department_id, updated_at=now)
        .returning(Encounter.id)
        .execution_options(synchronize_session=False)
    ).all()
    if changed:
        merging.reload(session, Encounter)
        audit.record(
            session,
            "patients.department_assigned",
            now=now,
            subject=f"department:{department_id}",
            detail={"ward": ward, "stays": len(changed)},
        )
    return len(changed)
