"""What waits for a patient who says no, or for a number that is not called any more, is closed at once.

A purpose that may no longer be served by telephone ends its open contacts as refused, and the floor that
asked for them is told. The one on somebody's card stays: the call that is going on ends it, and the policy
refuses to dial it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, select

from foundation.database import HospitalSession
from outreach import facts as contact_facts
from outreach.appointments import release_appointment
from outreach.models import ContactTask, PatientHold
from outreach.outcomes import Outcome, task_closed
from outreach.policy import TELEPHONE, TaskFacts, verdict
from patients import consent, number_blocks
from patients.models import ContactPoint

BLOCKED = "number_blocked"


def register() -> None:
    """Wire the hooks; harmless twice."""
    consent.on_refused(close_refused)
    number_blocks.on_blocked(close_blocked)


def close_refused(
    session: HospitalSession,
    patient_ids: Sequence[UUID],
    purpose: str,
    channels: frozenset[str],
    now: datetime,
) -> None:
    """End the open contacts of a purpose that the patient refused by telephone."""
    if TELEPHONE in channels:
        tasks = _waiting(session, patient_ids, now)
        _close(session, [task for task in tasks if task.purpose == purpose], now)


def close_blocked(session: HospitalSession, number_index: bytes, _scope: str, now: datetime) -> None:
    """End the open contacts of everybody who has no other number left for them."""
    patient_ids = session.scalars(
        select(ContactPoint.patient_id)
        .where(ContactPoint.tenant_id == session.tenant_id, ContactPoint.number_index == number_index)
        .distinct()
    ).all()
    known = contact_facts.load(session, patient_ids, now)
    tasks = [
        task
        for task in _waiting(session, patient_ids, now)
        if verdict(known[task.patient_id], task.purpose, "made", now, task=TaskFacts(task.kind)).reason
        == BLOCKED
    ]
    _close(session, tasks, now)


def _waiting(session: HospitalSession, patient_ids: Sequence[UUID], now: datetime) -> Sequence[ContactTask]:
    """The open tasks of these patients that are on nobody's card, locked."""
    on_a_card = exists(
        select(1).where(
            PatientHold.tenant_id == ContactTask.tenant_id,
            PatientHold.task_id == ContactTask.id,
            PatientHold.until >= now,
        )
    )
    return session.scalars(
        select(ContactTask)
        .where(
            ContactTask.tenant_id == session.tenant_id,
            ContactTask.patient_id.in_(patient_ids),
            ContactTask.state == "open",
            ~on_a_card,
        )
        .order_by(ContactTask.id)
        .with_for_update()
    ).all()


def _close(session: HospitalSession, tasks: Sequence[ContactTask], now: datetime) -> None:
    for task in tasks:
        release_appointment(task)
        task.state, task.outcome, task.closed_at = "refused", Outcome.WITHDRAWN.value, now
    session.flush()
    for task in tasks:
        task_closed(session, task, Outcome.WITHDRAWN, now)
