"""What a plan does when a call ends, when a patient is suppressed, and when that is undone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import case, update

from foundation.database import HospitalSession
from outreach.models import ContactTask
from outreach.outcomes import on_task_closed
from patients.suppression import on_lifted, on_suppressed
from revisits.models import RevisitStep
from revisits.planning import SOURCE

STATE_AFTER = {
    "completed": "done",
    "partial": "done",
    "unreachable": "missed",
    "refused": "missed",
    "expired": "missed",
    "cancelled": "cancelled",
}
# What a suppressed step was before: an undo brings back exactly that (S4-15).
SUPPRESSED = "suppressed, was "


def register() -> None:
    """Wire the three hooks."""
    on_task_closed(SOURCE, task_closed)
    on_suppressed("revisits", stop_steps)
    on_lifted("revisits", restore_steps)


def task_closed(session: HospitalSession, task: ContactTask, _outcome: str, _now: datetime) -> None:
    """The step of a closed task is done, missed or cancelled."""
    session.execute(
        update(RevisitStep)
        .where(
            RevisitStep.tenant_id == session.tenant_id,
            RevisitStep.id == task.source_id,
            RevisitStep.state == "tasked",
        )
        .values(state=STATE_AFTER[task.state])
    )


def stop_steps(session: HospitalSession, patient_ids: Sequence[UUID], _reason: str, _now: datetime) -> None:
    """A suppressed patient's open and future steps are cancelled, all at once."""
    session.execute(
        update(RevisitStep)
        .where(
            RevisitStep.tenant_id == session.tenant_id,
            RevisitStep.patient_id.in_(patient_ids),
            RevisitStep.state.in_(("planned", "tasked")),
        )
        .values(state="cancelled", cancelled_because=SUPPRESSED + RevisitStep.state)
        .execution_options(synchronize_session=False)
    )


def restore_steps(session: HospitalSession, patient_ids: Sequence[UUID], _reason: str, _now: datetime) -> None:
    """The steps that a suppression cancelled are what they were before it."""
    session.execute(
        update(RevisitStep)
        .where(
            RevisitStep.tenant_id == session.tenant_id,
            RevisitStep.patient_id.in_(patient_ids),
            RevisitStep.state == "cancelled",
            RevisitStep.cancelled_because.in_((SUPPRESSED + "planned", SUPPRESSED + "tasked")),
        )
        .values(
            state=case((RevisitStep.cancelled_because == SUPPRESSED + "planned", "planned"), else_="tasked"),
            cancelled_because=None,
        )
        .execution_options(synchronize_session=False)
    )
