"""What of the follow-up goes when an import is undone, and the plan that its new stays had ended."""

from __future__ import annotations

from sqlalchemy import text

from foundation.calendar import local_date
from foundation.database import HospitalSession
from foundation.languages import ngettext
from patients import undoing
from patients.undo_blocks import counted
from patients.undo_scope import Scope
from revisits.planning import SOURCE

_ITS_STEPS = """
    SELECT s.id FROM revisit_step s JOIN undo_encounter u ON u.id = s.encounter_id AND u.is_new
    WHERE s.tenant_id = :tenant_id
"""
_DONE = text(f"""
    SELECT count(*) FROM revisit_step s
    WHERE s.tenant_id = :tenant_id AND s.state = 'done' AND s.id IN ({_ITS_STEPS})
""")  # noqa: S608 - made of constants
_DROP = text(f"DELETE FROM revisit_step WHERE tenant_id = :tenant_id AND id IN ({_ITS_STEPS})")  # noqa: S608
# A new stay had ended the plan of the one before (C7): what of it is still to come goes on.
_GO_ON = text("""
    WITH latest AS (
        SELECT DISTINCT ON (e.patient_id) e.id FROM undo_patient u
        JOIN encounter e ON e.tenant_id = :tenant_id AND e.patient_id = u.id AND e.kind = 'inpatient'
            AND e.withdrawn_at IS NULL AND e.discharged_on <= :today
        WHERE NOT u.is_new
          AND EXISTS (SELECT 1 FROM enrolment o WHERE o.tenant_id = :tenant_id AND o.patient_id = u.id
                      AND o.ended_on IS NULL AND o.cancelled_on IS NULL)
        ORDER BY e.patient_id, e.discharged_on DESC, e.admission_count DESC, e.id DESC
    ), back AS (
        SELECT s.id, t.id AS task_id FROM latest
        JOIN revisit_step s ON s.tenant_id = :tenant_id AND s.encounter_id = latest.id
        LEFT JOIN contact_task t ON t.tenant_id = :tenant_id AND t.source = :source AND t.source_id = s.id
        WHERE s.state = 'cancelled' AND s.cancelled_because = 'readmitted' AND s.closes_on >= :today
    ), tasks AS (
        UPDATE contact_task t SET state = 'open', outcome = NULL, closed_at = NULL
        FROM back WHERE t.tenant_id = :tenant_id AND t.id = back.task_id AND t.state = 'cancelled'
          AND t.outcome = 'readmitted'
    )
    UPDATE revisit_step s SET cancelled_because = NULL,
        state = CASE WHEN back.task_id IS NULL THEN 'planned' ELSE 'tasked' END
    FROM back WHERE s.tenant_id = :tenant_id AND s.id = back.id
""")


def register() -> None:
    """Wire the holds; harmless twice."""
    undoing.register("revisits", hold, remove, go_on)


def hold(session: HospitalSession, scope: Scope) -> list[str]:
    """Revisits that took place."""
    number = counted(session, _DONE, scope)
    return [ngettext("{count} revisit was done.", "{count} revisits were done.", number)] if number else []


def remove(session: HospitalSession, _scope: Scope) -> None:
    """Steps of the stays that the import brought."""
    session.execute(_DROP, {"tenant_id": session.tenant_id})


def go_on(session: HospitalSession, scope: Scope) -> None:
    """Known patients are followed from the stay that is their latest again."""
    values = {"tenant_id": session.tenant_id, "source": SOURCE, "today": local_date(scope.now)}
    session.execute(_GO_ON, values)
