"""What a response does when its patient is suppressed, when that is undone, and when its call ends."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import update

from foundation.database import HospitalSession
from outreach.models import ContactTask
from outreach.outcomes import on_task_closed
from patients.suppression import on_lifted, on_suppressed
from surveys import service
from surveys.models import Response
from surveys.samples import SOURCE


def register() -> None:
    """Wire the hooks; harmless twice."""
    on_task_closed(SOURCE, task_closed)
    on_suppressed(void_responses)
    on_lifted(restore_responses)


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
            Response.patient_id.in_(patient_ids),
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
            Response.patient_id.in_(patient_ids),
            Response.state == "void",
            Response.completed_at.is_(None),
        )
        .values(state="in_progress")
        .execution_options(synchronize_session="fetch")
    )
