"""What a response does when its patient is suppressed, when that is undone, and when its call ends."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text, update

from foundation.catalogue import among
from foundation.database import HospitalSession
from foundation.languages import mark
from outreach.models import ContactTask
from outreach.outcomes import on_task_closed
from patients import merging
from patients.suppression import on_lifted, on_suppressed
from patients.suppression_effects import Live, register_live
from surveys import service
from surveys.models import Response, SampleMember
from surveys.samples import SOURCE

# The slot of somebody drawn whose call has not come to an end yet: nobody called, or still to be called, and
# nothing answered. Who answered, refused or was never reached keeps the slot as it is.
_OPEN_SLOT = """
    m.tenant_id = :tenant_id AND m.drawn AND m.stopped_by_id IS NULL
    AND NOT EXISTS (SELECT FROM contact_task t WHERE t.tenant_id = :tenant_id AND t.source = 'sample'
        AND t.source_id = m.id AND t.state <> 'open'
        AND NOT (t.state = 'cancelled' AND t.outcome LIKE 'suppressed:%'))
    AND NOT EXISTS (SELECT FROM response r WHERE r.tenant_id = :tenant_id
        AND r.encounter_id = m.encounter_id AND r.state IN ('complete', 'partial'))
"""
LIVE = (
    Live(
        "response",
        mark("Questionnaires begun"),
        """SELECT count(*) FROM response r WHERE r.tenant_id = :tenant_id AND r.state = 'in_progress'
           AND r.patient_id IN ({patients})""",
    ),
    Live(
        "sample_slot",
        mark("Places in a sample"),
        """SELECT count(*) FROM sample_member m WHERE {open}
           AND m.encounter_id IN (SELECT e.id FROM encounter e WHERE e.tenant_id = :tenant_id
               AND e.patient_id IN ({patients}))""".replace("{open}", _OPEN_SLOT),
    ),
)
_STOP_SLOTS = text(
    """
    UPDATE sample_member m SET stopped_by_id = s.id
    FROM suppression s
    JOIN encounter e ON e.tenant_id = :tenant_id AND e.patient_id = s.patient_id
    WHERE s.tenant_id = :tenant_id AND s.patient_id = ANY (CAST(:patient_ids AS uuid[]))
      AND s.reason = :reason AND s.lifted_at IS NULL AND m.encounter_id = e.id
      AND {open}
    """.replace("{open}", _OPEN_SLOT)
)
# The first of several suppressions stopped it, the undo of the last one gives it back.
_GIVE_SLOTS_BACK = text("""
    UPDATE sample_member m SET stopped_by_id = NULL
    FROM suppression s
    WHERE s.tenant_id = :tenant_id AND s.patient_id = ANY (CAST(:patient_ids AS uuid[]))
      AND m.tenant_id = :tenant_id AND m.stopped_by_id = s.id
""")


def register() -> None:
    """Wire the hooks; harmless twice."""
    on_task_closed(SOURCE, task_closed)
    on_suppressed(void_responses)
    on_suppressed(stop_slots)
    on_lifted(restore_responses)
    on_lifted(restore_slots)
    for live in LIVE:
        register_live(live)


def task_closed(session: HospitalSession, task: ContactTask, _outcome: str, now: datetime) -> None:
    """The call is over: what was answered is scored, whether or not the agent pressed the last button."""
    service.settle(session, task.id, now=now)


def void_responses(
    session: HospitalSession, patient_ids: Sequence[UUID], _reason: str, _now: datetime
) -> None:
    """A response in progress of a suppressed patient enters no report; its answers stay for the undo."""
    session.execute(
        update(Response)
        .where(
            Response.tenant_id == session.tenant_id,
            among(Response.patient_id, patient_ids),
            Response.state == "in_progress",
        )
        .values(state="void")
        .execution_options(synchronize_session="fetch")
    )


def restore_responses(
    session: HospitalSession, patient_ids: Sequence[UUID], _reason: str, _now: datetime
) -> None:
    """Undo (S4-15): those that the suppression stopped go on; one that ended without answers stays void."""
    session.execute(
        update(Response)
        .where(
            Response.tenant_id == session.tenant_id,
            among(Response.patient_id, patient_ids),
            Response.state == "void",
            Response.completed_at.is_(None),
        )
        .values(state="in_progress")
        .execution_options(synchronize_session="fetch")
    )


def stop_slots(session: HospitalSession, patient_ids: Sequence[UUID], reason: str, _now: datetime) -> None:
    """The slot of somebody drawn who has not answered is over, by this suppression; nobody takes it."""
    session.flush()
    values = {"tenant_id": session.tenant_id, "patient_ids": list(patient_ids)}
    session.execute(_STOP_SLOTS, values | {"reason": reason})
    merging.reload(session, SampleMember)


def restore_slots(
    session: HospitalSession, patient_ids: Sequence[UUID], _reason: str, _now: datetime
) -> None:
    """Undo: whoever was drawn is drawn again."""
    session.flush()
    session.execute(_GIVE_SLOTS_BACK, {"tenant_id": session.tenant_id, "patient_ids": list(patient_ids)})
    merging.reload(session, SampleMember)
