"""The calls of a patient for the page of all that happened (patients.timeline); the contacts that wait."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from foundation.database import HospitalSession
from foundation.languages import bilingual, format_day
from foundation.languages import gettext as _
from outreach import labels
from outreach.models import Call, ContactTask
from outreach.outcomes import EFFECTS, Outcome
from patients import overview, timeline
from patients.timeline import Entry


def register() -> None:
    """Show calls on the patient's page."""
    timeline.register("outreach", calls_of)
    overview.register("next", "outreach", waiting_of)


def calls_of(session: HospitalSession, patient_id: UUID) -> list[Entry]:
    """Every call that has ended (通话), with its outcome and who made it."""
    rows = session.execute(
        select(Call, ContactTask.label)
        .join(ContactTask, (ContactTask.tenant_id == Call.tenant_id) & (ContactTask.id == Call.task_id))
        .where(Call.tenant_id == session.tenant_id, Call.patient_id == patient_id, Call.outcome.is_not(None))
        .order_by(Call.dialled_at.desc())
        .limit(timeline.LIMIT)
    )
    return [
        Entry(
            at=call.dialled_at,
            kind="call",
            title=_("Call: {outcome}", outcome=labels.of(labels.OUTCOMES, call.outcome)),
            detail=f"{bilingual(label)} · {call.agent_name}",
            tone="good" if EFFECTS[Outcome(call.outcome)].reached else "neutral",
        )
        for call, label in rows
    ]


def waiting_of(session: HospitalSession, patient_id: UUID, now: datetime) -> list[overview.Line]:
    """The contacts that wait (联系任务), by the moment of the next try, with the attempts made."""
    rows = session.scalars(
        select(ContactTask).where(
            ContactTask.tenant_id == session.tenant_id,
            ContactTask.patient_id == patient_id,
            ContactTask.state == "open",
        )
    )
    return [_waiting(task, now) for task in rows]


def _waiting(task: ContactTask, now: datetime) -> overview.Line:
    booked = task.appointment_at is not None
    at = task.appointment_at or max(task.next_try_at, task.opens_at)
    words = [
        labels.of(labels.KINDS, task.kind),
        _("booked with the patient") if booked else "",
        _("attempt {number}", number=task.attempts + 1) if task.attempts else "",
        _("due {day}", day=format_day(task.due_at)),
    ]
    return overview.Line(
        title=bilingual(task.label),
        order=overview.soonest(at),
        at=at,
        detail=" · ".join(word for word in words if word),
        tone="warn" if task.due_at < now else "info",
    )
