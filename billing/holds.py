"""What of billing keeps a patient's data from being erased: months that ended and have no invoice yet (C10).

The current month is none: it is billed to the row without a person, as closed months are.
"""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import text

from foundation.calendar import first_of_month
from foundation.database import HospitalSession
from foundation.languages import format_month
from foundation.languages import gettext as _
from patients import restriction

_UNBILLED = text("""
    SELECT DISTINCT m.month FROM enrolment e
    CROSS JOIN LATERAL (
        SELECT generate_series(date_trunc('month', e.started_on), CAST(:this_month AS date) - 1,
                               interval '1 month')::date AS month) AS m
    WHERE e.tenant_id = :tenant_id AND e.patient_id = :patient_id AND e.cancelled_on IS NULL
      AND m.month <= coalesce(e.ended_on, 'infinity')
      AND EXISTS (
        SELECT 1 FROM contract c WHERE c.tenant_id = :tenant_id
          AND daterange(c.starts_on, c.ends_on, '[]')
              && daterange(m.month, (m.month + interval '1 month')::date))
      AND NOT EXISTS (
        SELECT 1 FROM invoice i WHERE i.tenant_id = :tenant_id AND i.month = m.month
          AND i.state IN ('issued', 'paid'))
    ORDER BY m.month
""")


def of_patient(session: HospitalSession, patient_id: UUID, today: date) -> list[str]:
    """Ended months of the patient's enrolment that are not invoiced yet."""
    values = {"tenant_id": session.tenant_id, "patient_id": patient_id, "this_month": first_of_month(today)}
    months = session.scalars(_UNBILLED, values).all()
    return [_("{month} is not invoiced yet.", month=format_month(month)) for month in months]


def register() -> None:
    """Let it be asked before anybody is erased."""
    restriction.register_hold("billing", of_patient)
