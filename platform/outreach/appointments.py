"""Booked callbacks (预约回电): the patient named a time, and the agent who promised keeps it."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select

from foundation.database import HospitalSession
from foundation.scope import Actor
from outreach import policy
from outreach.errors import OutcomeIncomplete
from outreach.models import ContactTask
from outreach.ranks import APPOINTMENT_GRACE
from tenants.models import Hospital

FARTHEST = timedelta(days=30)
# A promise outlives the window of its task: it is kept first, and lapses two hours after its time.
KEPT_FOR = timedelta(hours=2)


def book(
    session: HospitalSession, task: ContactTask, at: datetime, *, agent: Actor, now: datetime
) -> datetime:
    """Book a callback at `at` (aware) by this agent; returns when it can first be drawn.

    On a holiday or at noon if the patient wants it, never at night. Raises `OutcomeIncomplete` with
    `callback_past`, `callback_far` or `callback_night`.
    """
    region = session.scalar(select(Hospital.region).where(Hospital.tenant_id == session.tenant_id)) or ""
    if at <= now:
        raise OutcomeIncomplete("callback_past")
    if at > now + FARTHEST:
        raise OutcomeIncomplete("callback_far")
    if policy.is_night(at, policy.profile_for(region)):
        raise OutcomeIncomplete("callback_night")
    task.appointment_at, task.appointment_agent = at, agent.id
    task.next_try_at = at - APPOINTMENT_GRACE
    task.closes_at = max(task.closes_at, at + KEPT_FOR)
    session.flush()
    return task.next_try_at


def release_appointment(task: ContactTask) -> None:
    """The appointment was kept or tried; the task is an ordinary one again."""
    task.appointment_at = task.appointment_agent = None
