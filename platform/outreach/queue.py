"""Who gets which patient: the firm's one queue over many hospitals (队列), drawn one card at a time.

A drawn patient is held (锁定) by a row for twenty minutes, renewed by every saved draft. One row a patient,
so two agents never have the same one, whatever task it is for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import delete, func, select, text, update

from foundation import audit
from foundation.calendar import add_local_days
from foundation.database import FirmSession, HospitalSession
from foundation.scope import Actor
from outreach import facts as contact_facts
from outreach import policy
from outreach.candidates import Candidate, any_candidate, next_candidate
from outreach.errors import NotHeld
from outreach.models import Call, ContactTask, PatientHold
from outreach.policy import Profile, TaskFacts
from outreach.ranks import Rank
from tenants.keys import seal, unseal

HOLD = timedelta(minutes=20)
SKIP_PAUSE = timedelta(minutes=30)
# Rows of each branch looked at: few, and more only when agents crowd at the head of the queue.
LOOKS = (32, 128, 512)
REFUSALS = 25

SkipReason = Literal["know_the_patient", "language", "technical", "other"]


@dataclass(frozen=True, slots=True)
class DrawnCard:
    """What an agent has on screen. `why` is the rule that won (`outreach.ranks.Rank`, in lower case)."""

    tenant_id: UUID
    task_id: UUID
    patient_id: UUID
    why: str
    until: datetime
    draft: Mapping[str, Any] = field(default_factory=dict)
    call_id: UUID | None = None
    """The call that was going on when the browser went away, if any."""


# The task itself waits as long as the hold, so that an agent who read the queue a moment earlier finds it
# changed under the lock and passes on to the next.
_HOLD = text("""
WITH held AS (
    INSERT INTO patient_hold AS o (tenant_id, id, task_id, agent_id, drawn_at, until, why, draft_cipher)
    VALUES (:tenant_id, :patient_id, :task_id, :agent_id, :now, :until, :why, NULL)
    ON CONFLICT (tenant_id, id) DO UPDATE
        SET task_id = :task_id, agent_id = :agent_id, drawn_at = :now, until = :until, why = :why,
            draft_cipher = NULL
        WHERE o.until < :now OR o.agent_id = :agent_id
    RETURNING o.id
)
UPDATE contact_task t SET next_try_at = :until FROM held
WHERE t.tenant_id = :tenant_id AND t.id = :task_id
RETURNING t.id
""")


def draw(session: FirmSession, agent: Actor, now: datetime) -> DrawnCard | None:
    """The most urgent patient this agent may be given now, held for them; None when there is nobody.

    Only hospitals of the session; the policy is asked again for the one that was claimed, and a task that it
    refuses goes to the moment when the refusal ends.
    """
    agent_id = _person(agent)
    # One zone and one night for the whole country, whatever the profile.
    if not session.tenant_ids or policy.is_night(now, policy.STANDARD):
        return None
    for look in LOOKS:
        for _ in range(REFUSALS):
            found = next_candidate(session, agent_id, now, look)
            if found is None:
                break
            card = _claim(session, agent_id, found, now)
            if card is not None:
                return card
        if not any_candidate(session, agent_id, now):
            return None
    return None


def next_card(session: FirmSession, agent: Actor, now: datetime) -> DrawnCard | None:
    """What the agent has already, else a fresh card: pressing the key twice gives one patient, not two."""
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"agent:{_person(agent)}"}
    )
    return resume(session, agent, now) or draw(session, agent, now)


def resume(session: FirmSession, agent: Actor, now: datetime) -> DrawnCard | None:
    """The card this agent holds, with its draft: after a crash of the browser the same patient comes back.

    A hold that has lapsed is theirs again as long as nobody else took the patient and the task is open.
    """
    agent_id = _person(agent)
    row = session.execute(
        select(PatientHold, ContactTask.id)
        .join(
            ContactTask,
            (ContactTask.tenant_id == PatientHold.tenant_id) & (ContactTask.id == PatientHold.task_id),
        )
        .where(
            PatientHold.tenant_id.in_(session.tenant_ids),
            PatientHold.agent_id == agent_id,
            ContactTask.state == "open",
        )
        .order_by(PatientHold.drawn_at.desc())
        .limit(1)
        .with_for_update(of=PatientHold)
    ).first()
    if row is None:
        return None
    hold: PatientHold = row[0]
    hold.until = max(hold.until, now + HOLD)
    session.flush()
    call_id = session.scalar(
        select(Call.id)
        .where(
            Call.tenant_id == hold.tenant_id,
            Call.task_id == hold.task_id,
            Call.agent_id == agent_id,
            Call.outcome.is_(None),
        )
        .order_by(Call.dialled_at.desc())
        .limit(1)
    )
    draft = json.loads(unseal(session, hold.draft_cipher, hold.tenant_id) or "{}")
    return DrawnCard(hold.tenant_id, hold.task_id, hold.id, hold.why, hold.until, draft, call_id)


def save_draft(
    session: HospitalSession, task_id: UUID, agent: Actor, draft: Mapping[str, Any], now: datetime
) -> datetime:
    """Keep what was typed and the patient for another twenty minutes; returns until when. Raises
    `NotHeld`.
    """
    sealed = seal(session, json.dumps(dict(draft), ensure_ascii=False) if draft else "")
    until: datetime | None = session.scalar(
        update(PatientHold)
        .where(
            PatientHold.tenant_id == session.tenant_id,
            PatientHold.task_id == task_id,
            PatientHold.agent_id == _person(agent),
        )
        .values(draft_cipher=sealed, until=now + HOLD)
        .returning(PatientHold.until)
    )
    if until is None:
        raise NotHeld
    return until


def require_hold(session: HospitalSession, task: ContactTask, agent: Actor, now: datetime) -> None:
    """Renew the agent's hold on the task's patient; raises `NotHeld`."""
    held = session.execute(
        update(PatientHold)
        .where(
            PatientHold.tenant_id == session.tenant_id,
            PatientHold.id == task.patient_id,
            PatientHold.task_id == task.id,
            PatientHold.agent_id == _person(agent),
        )
        .values(until=func.greatest(PatientHold.until, now + HOLD))
        .returning(PatientHold.id)
    ).first()
    if held is None:
        raise NotHeld


def release(session: HospitalSession, task_id: UUID, agent: Actor, now: datetime) -> bool:
    """Give the patient back to the queue at once; False when this agent did not hold it."""
    if not drop_hold(session, task_id, agent):
        return False
    session.get_one(ContactTask, (session.tenant_id, task_id)).next_try_at = now
    session.flush()
    return True


def drop_hold(session: HospitalSession, task_id: UUID, agent: Actor) -> bool:
    """End the hold and leave the task alone; False when this agent did not hold it."""
    dropped = session.execute(
        delete(PatientHold)
        .where(
            PatientHold.tenant_id == session.tenant_id,
            PatientHold.task_id == task_id,
            PatientHold.agent_id == _person(agent),
        )
        .returning(PatientHold.id)
    ).first()
    return dropped is not None


def skip(session: HospitalSession, task_id: UUID, agent: Actor, reason: SkipReason, now: datetime) -> bool:
    """Pass this patient over for half an hour, with a reason that stays in the trail; False when not held.

    An agent who knows the patient is not given the task again.
    """
    if not drop_hold(session, task_id, agent):
        return False
    task = session.get_one(ContactTask, (session.tenant_id, task_id))
    task.next_try_at = now + SKIP_PAUSE
    if reason in {"know_the_patient", "language"} and task.not_by is None:
        task.not_by = _person(agent)
    session.flush()
    audit.record(session, "outreach.skipped", now=now, subject=f"contact_task:{task_id}", reason=reason)
    return True


def _claim(session: FirmSession, agent_id: UUID, found: Candidate, now: datetime) -> DrawnCard | None:
    """Hold the patient of a task whose row is locked, if nobody else does and the policy still agrees."""
    why = Rank(min(found.rank, Rank.REST)).name.lower()
    claimed = session.execute(
        _HOLD,
        {
            "tenant_id": found.tenant_id,
            "patient_id": found.patient_id,
            "task_id": found.id,
            "agent_id": agent_id,
            "now": now,
            "until": now + HOLD,
            "why": why,
        },
    ).first()
    if claimed is None:
        return None
    known = contact_facts.load(session, [found.patient_id], now, tenant_id=found.tenant_id)[found.patient_id]
    task = TaskFacts(found.kind, found.attempts, found.appointment_at, found.source_id)
    verdict = policy.verdict(known, found.purpose, "drawn", now, task=task)
    if not verdict.allowed:
        _put_off(session, found, verdict.until, policy.profile_for(known.region), now)
        return None
    return DrawnCard(found.tenant_id, found.id, found.patient_id, why, now + HOLD)


def _put_off(
    session: FirmSession, found: Candidate, until: datetime | None, profile: Profile, now: datetime
) -> None:
    """Refused by the policy: not looked at again before the refusal ends.

    One without an end (no number, no consent) can be mended by the hospital, so it is asked again tomorrow.
    """
    again = until or policy.next_allowed(add_local_days(now, 1), profile)
    session.execute(
        update(ContactTask)
        .where(ContactTask.tenant_id == found.tenant_id, ContactTask.id == found.id)
        .values(next_try_at=again)
    )
    session.execute(
        delete(PatientHold).where(
            PatientHold.tenant_id == found.tenant_id, PatientHold.id == found.patient_id
        )
    )


def facts_of(task: ContactTask) -> TaskFacts:
    """The task as the policy sees it."""
    return TaskFacts(task.kind, task.attempts, task.appointment_at, task.source_id)


def _person(agent: Actor) -> UUID:
    if agent.id is None:
        msg = "cards are drawn by people"
        raise TypeError(msg)
    return agent.id
