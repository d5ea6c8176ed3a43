"""What of the follow-up goes along when two records of a patient become one: the steps, under one plan."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from foundation.calendar import local_date
from foundation.database import HospitalSession
from patients import joining
from patients.join_moves import move_rows
from revisits.models import RevisitStep
from revisits.planning import SOURCE

# The plan goes on from the latest discharge of both (C7), as `revisits.planning.supersede` says of everybody.
_ONE_PLAN = text("""
    WITH latest AS (
        SELECT id FROM encounter
        WHERE tenant_id = :tenant_id AND patient_id = :kept AND kind = 'inpatient' AND withdrawn_at IS NULL
          AND discharged_on <= :today
        ORDER BY discharged_on DESC, admission_count DESC, id DESC LIMIT 1
    ), ended AS (
        UPDATE revisit_step s SET state = 'cancelled', cancelled_because = 'readmitted'
        FROM latest WHERE s.tenant_id = :tenant_id AND s.patient_id = :kept
          AND s.state IN ('planned', 'tasked') AND s.encounter_id <> latest.id
        RETURNING s.id
    )
    UPDATE contact_task t SET state = 'cancelled', outcome = 'readmitted', closed_at = :now
    FROM ended WHERE t.tenant_id = :tenant_id AND t.source = :source AND t.source_id = ended.id
      AND t.state = 'open'
""")


def register() -> None:
    """Wire the hook after that of contacts; harmless twice."""
    joining.register("revisits", move)


def move(session: HospitalSession, kept: UUID, gone: UUID, now: datetime) -> None:
    """Steps; of two plans the one after the latest discharge goes on."""
    move_rows(session, RevisitStep, kept, gone)
    values = {"tenant_id": session.tenant_id, "kept": kept, "source": SOURCE, "now": now}
    session.execute(_ONE_PLAN, values | {"today": local_date(now)})
