"""Work that nobody has to start: tasks whose window is over."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from foundation.database import HospitalSession
from foundation.work import job
from outreach.models import ContactTask, PatientHold
from outreach.outcomes import Outcome, task_closed
from tenants.life import stages

BATCH = 500


@job("outreach.expire", reach="hospital", every="*/10 * * * *")
def expire(session: HospitalSession, now: datetime) -> None:
    """Close the tasks whose window is over and tell who asked for them; one on a card is left to its
    agent.

    While the hospital is not active nothing expires: what could not be called was not missed by anybody.
    """
    if not stages.is_active(session):
        return
    held = select(PatientHold.id).where(PatientHold.tenant_id == session.tenant_id, PatientHold.until >= now)
    tasks = session.scalars(
        select(ContactTask)
        .where(
            ContactTask.tenant_id == session.tenant_id,
            ContactTask.state == "open",
            ContactTask.closes_at <= now,
            ContactTask.patient_id.not_in(held),
        )
        .order_by(ContactTask.closes_at)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    ).all()
    for task in tasks:
        task.state, task.outcome, task.closed_at = "expired", Outcome.EXPIRED.value, now
    session.flush()
    for task in tasks:
        task_closed(session, task, Outcome.EXPIRED, now)
