"""What of contacts is in the way of undoing an import, and the untouched tasks that go with it."""

from __future__ import annotations

from sqlalchemy import text

from foundation.database import HospitalSession
from foundation.languages import ngettext
from patients import undoing
from patients.undo_blocks import counted
from patients.undo_scope import Scope

# Tasks that exist because of the import: of its new patients, or of its new stays.
_ITS_TASKS = """
    SELECT t.id FROM contact_task t JOIN undo_encounter u ON u.id = t.encounter_id AND u.is_new
    WHERE t.tenant_id = :tenant_id
    UNION
    SELECT t.id FROM contact_task t JOIN undo_patient p ON p.id = t.patient_id AND p.is_new
    WHERE t.tenant_id = :tenant_id
"""
# Calls of its tasks, calls of its numbers, and calls since of stays that it changed.
_CALLS = text(f"""
    SELECT count(*) FROM call c WHERE c.tenant_id = :tenant_id AND (
        c.task_id IN ({_ITS_TASKS})
        OR c.contact_point_id IN (SELECT id FROM undo_row WHERE table_name = 'contact_point')
        OR (c.dialled_at >= :since AND c.task_id IN (
            SELECT t.id FROM contact_task t JOIN undo_encounter u ON u.id = t.encounter_id
            WHERE t.tenant_id = :tenant_id)))
""")  # noqa: S608 - made of constants
_BOOKED = text(f"""
    SELECT count(*) FROM contact_task t WHERE t.tenant_id = :tenant_id AND t.appointment_at IS NOT NULL
      AND t.id IN ({_ITS_TASKS})
""")  # noqa: S608 - made of constants
_DONE = text(f"""
    SELECT count(*) FROM contact_task t WHERE t.tenant_id = :tenant_id
      AND (t.state NOT IN ('open', 'cancelled', 'expired') OR t.attempts > 0)
      AND t.id IN ({_ITS_TASKS}) AND NOT EXISTS (
        SELECT 1 FROM call c WHERE c.tenant_id = :tenant_id AND c.task_id = t.id)
""")  # noqa: S608 - made of constants
_HELD = text("""
    SELECT count(*) FROM patient_hold h JOIN undo_patient p ON p.id = h.id
    WHERE h.tenant_id = :tenant_id AND h.until >= :now
""")
_DROP_HOLDS = text("""
    DELETE FROM patient_hold h USING undo_patient p WHERE h.tenant_id = :tenant_id AND h.id = p.id
""")
_DROP_TASKS = text(f"DELETE FROM contact_task WHERE tenant_id = :tenant_id AND id IN ({_ITS_TASKS})")  # noqa: S608


def register() -> None:
    """Wire the holds; harmless twice."""
    undoing.register("outreach", hold, remove)


def hold(session: HospitalSession, scope: Scope) -> list[str]:
    """Calls, bookings, cards and finished contacts."""
    found = []
    if number := counted(session, _CALLS, scope):
        found.append(ngettext("{count} call was made.", "{count} calls were made.", number))
    if number := counted(session, _DONE, scope):
        found.append(ngettext("{count} contact was finished.", "{count} contacts were finished.", number))
    if number := counted(session, _BOOKED, scope):
        found.append(ngettext("{count} contact is booked.", "{count} contacts are booked.", number))
    if number := counted(session, _HELD, scope):
        found.append(
            ngettext(
                "{count} patient is on an agent's card.", "{count} patients are on agents' cards.", number
            )
        )
    return found


def remove(session: HospitalSession, _scope: Scope) -> None:
    """Tasks that nobody touched, and lapsed holds."""
    key = {"tenant_id": session.tenant_id}
    session.execute(_DROP_HOLDS, key)
    session.execute(_DROP_TASKS, key)
