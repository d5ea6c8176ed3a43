"""The calls of a patient, for the one list of what happened (patients.timeline)."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from foundation.database import HospitalSession
from foundation.languages import bilingual
from foundation.languages import gettext as _
from outreach import labels
from outreach.models import Call, ContactTask
from outreach.outcomes import EFFECTS, Outcome
from patients import timeline
from patients.timeline import Entry


def register() -> None:
    """Show calls on the patient's page."""
    timeline.register("outreach", calls_of)


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
