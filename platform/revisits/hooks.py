"""What a plan does when a call ends, when a patient is suppressed or leaves, and when that is undone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import case, update

from foundation.calendar import local_date
from foundation.database import HospitalSession
from outreach.models import ContactTask
from outreach.outcomes import on_task_closed
from patients.enrolment import on_ended
from patients.suppression import on_lifted, on_suppressed
from revisits.models import RevisitStep
from revisits.planning import SOURCE, supersede
from surveys import service as surveys

STATE_AFTER = {
    "completed": "done",
    "partial": "done",
    "unreachable": "missed",
    "refused": "missed",
    "expired": "missed",
    "cancelled": "cancelled",
}
OPEN = ("planned", "tasked")
# What a suppressed step was before: an undo brings back exactly that (S4-15).
SUPPRESSED = "suppressed, was "


def register() -> None:
    """Wire the hooks; harmless twice."""
    on_task_closed(SOURCE, task_closed)
    on_suppressed(stop_steps)
    on_lifted(restore_steps)
    on_ended(end_plan)


def task_closed(session: HospitalSession, task: ContactTask, outcome: str, now: datetime) -> None:
    """The step of a closed task is done, missed or cancelled; what its call answered is scored (D1)."""
    state = STATE_AFTER[task.state]
    session.execute(
        update(RevisitStep)
        .where(
            RevisitStep.tenant_id == session.tenant_id,
            RevisitStep.id == task.source_id,
            RevisitStep.state.in_(OPEN),
        )
        .values(state=state, cancelled_because=str(outcome) if state == "cancelled" else None)
        .execution_options(synchronize_session="fetch")
    )
    surveys.settle(session, task.id, now=now)


def stop_steps(session: HospitalSession, patient_ids: Sequence[UUID], _reason: str, _now: datetime) -> None:
    """A suppressed patient's open and future steps are cancelled, all at once."""
    session.execute(
        update(RevisitStep)
        .where(
            RevisitStep.tenant_id == session.tenant_id,
            RevisitStep.patient_id.in_(patient_ids),
            RevisitStep.state.in_(OPEN),
        )
        .values(state="cancelled", cancelled_because=SUPPRESSED + RevisitStep.state)
        .execution_options(synchronize_session="fetch")
    )


def restore_steps(session: HospitalSession, patient_ids: Sequence[UUID], _reason: str, now: datetime) -> None:
    """What a suppression cancelled is what it was before; a new stay still ends the old plan."""
    session.execute(
        update(RevisitStep)
        .where(
            RevisitStep.tenant_id == session.tenant_id,
            RevisitStep.patient_id.in_(patient_ids),
            RevisitStep.state == "cancelled",
            RevisitStep.cancelled_because.in_([SUPPRESSED + state for state in OPEN]),
        )
        .values(
            state=case((RevisitStep.cancelled_because == SUPPRESSED + "planned", "planned"), else_="tasked"),
            cancelled_because=None,
        )
        .execution_options(synchronize_session="fetch")
    )
    supersede(session, local_date(now), now=now)


def end_plan(session: HospitalSession, patient_ids: Sequence[UUID], because: str, now: datetime) -> None:
    """A patient who left the programme is not followed any more; other contacts (a complaint) go on."""
    session.execute(
        update(RevisitStep)
        .where(
            RevisitStep.tenant_id == session.tenant_id,
            RevisitStep.patient_id.in_(patient_ids),
            RevisitStep.state.in_(OPEN),
        )
        .values(state="cancelled", cancelled_because=because)
        .execution_options(synchronize_session="fetch")
    )
    session.execute(
        update(ContactTask)
        .where(
            ContactTask.tenant_id == session.tenant_id,
            ContactTask.patient_id.in_(patient_ids),
            ContactTask.source == SOURCE,
            ContactTask.state == "open",
        )
        .values(state="cancelled", outcome=because, closed_at=now)
        .execution_options(synchronize_session="fetch")
    )
