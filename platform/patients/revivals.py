"""Deaths that the hospital's own list takes back: the same encounter, now with another way of leaving."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from foundation.database import HospitalSession
from patients import suppression

# An empty cell takes no death back: nobody calls a family because a list left something out.
_TAKEN_BACK = text("""
    SELECT DISTINCT e.patient_id FROM encounter e JOIN import_row r ON r.encounter_id = e.id
    WHERE e.tenant_id = :tenant_id AND e.disposition = 'died' AND r.disposition <> 'died'
""")
_NOTES = text("""
    SELECT s.id FROM suppression s
    WHERE s.tenant_id = :tenant_id AND s.patient_id = ANY (CAST(:patient_ids AS uuid[]))
      AND s.reason = 'deceased' AND s.source = ANY (:lists) AND s.lifted_at IS NULL
      AND NOT EXISTS (
          SELECT 1 FROM encounter e
          WHERE e.tenant_id = :tenant_id AND e.patient_id = s.patient_id AND e.disposition = 'died'
            AND e.withdrawn_at IS NULL)
""")


def taken_back(session: HospitalSession) -> list[UUID]:
    """Patients of whom a staged row takes a death back; asked before the rows are merged."""
    return list(session.scalars(_TAKEN_BACK, {"tenant_id": session.tenant_id}))


def lift(session: HospitalSession, patient_ids: list[UUID], *, now: datetime) -> list[UUID]:
    """Lift what an earlier list noted of a death, once no stored encounter says it any more.

    What a person noted stays. Returns the patients who may be contacted again.
    """
    if not patient_ids:
        return []
    lists = list(suppression.OWN_LISTS)
    parameters = {"tenant_id": session.tenant_id, "patient_ids": patient_ids, "lists": lists}
    notes = list(session.scalars(_NOTES, parameters))
    if not notes:
        return []
    return suppression.lift_many(session, notes, now=now, reason="corrected by a later list")
