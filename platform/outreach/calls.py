"""Dialling and ending a call: the policy is asked at the moment of dialling, and the end has its effect at
once.

Everything here is idempotent: a key pressed twice, or a form sent twice, does what it did once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select, text

from foundation import audit
from foundation.database import HospitalSession
from foundation.ids import new_id
from foundation.scope import Actor
from foundation.web.errors import NotFound
from outreach import facts as contact_facts
from outreach import policy, preferred, queue
from outreach.appointments import book, release_appointment
from outreach.errors import ContactRefused, NotHeld, OutcomeIncomplete
from outreach.models import Call, ContactTask
from outreach.outcomes import EFFECTS, Effect, Outcome, task_closed
from outreach.tasks import SUPPRESSED, cancel_tasks
from patients import suppression
from patients.models import ContactPoint, Patient
from patients.revealing import reveal_number
from patients.service import report_wrong_number
from tenants.keys import seal
from tenants.life import agreement, stages

# How a call reaches somebody, in the words of an agreement.
CHANNEL = "telephone"


@dataclass(frozen=True, slots=True)
class Dialled:
    """A call begun; the number and the names of patient and holder in the clear, to be dialled, greeted and
    shown during this call only."""

    call_id: UUID
    number: str
    patient_name: str
    holder_name: str
    dialled_at: datetime


@dataclass(frozen=True, slots=True)
class Finished:
    """How the task stands after a call: still `open` with its next try, or closed. `changed` is False when
    the call had been finished before and nothing was done again."""

    state: str
    next_try_at: datetime | None
    changed: bool


def dial(
    session: HospitalSession, task_id: UUID, contact_point_id: UUID, agent: Actor, now: datetime
) -> Dialled:
    """Begin a call of one number of the held patient and reveal the number to the agent (audited).

    While a call of the same number is going on it is that call again; a call of another number is ended
    first, as not answered (or hung up, once connected). Raises `ContactRefused` with the policy's reason or
    `not_agreed` (PIPL 21), `NotHeld`, and `NotFound` for a number that is not of this hospital.
    """
    stages.hold(session)  # a suspension waits for this dial, or this dial sees it
    task = _locked_task(session, task_id)
    if task.state != "open":
        raise NotHeld
    queue.require_hold(session, task, agent, now)
    point = session.get(ContactPoint, (session.tenant_id, contact_point_id))
    if point is None:
        raise NotFound
    if point.patient_id != task.patient_id:
        raise ContactRefused("no_number")
    going_on = _going_on(session, task, agent)
    if going_on is not None and going_on.contact_point_id == point.id:
        return _dialled(session, going_on, point, now)
    # Two agents may hold two patients of one family: the number's cap is judged one dial after the other.
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 1))"),
        {"key": f"dial:{session.tenant_id}:{point.number_index.hex()}"},
    )
    purposes = {task.purpose}
    if not agreement.covered(session, purposes, doing="outreach.dial", now=now, channel=CHANNEL, each=True):
        raise ContactRefused("not_agreed")
    known = contact_facts.load(session, [task.patient_id], now)[task.patient_id]
    verdict = policy.verdict(known, task.purpose, "dialled", now, task=queue.facts_of(task), number=point.id)
    if not verdict.allowed:
        raise ContactRefused(verdict.reason or "refused", verdict.until)
    if going_on is not None:
        _end(session, going_on, Outcome.HUNG_UP if going_on.connected_at else Outcome.NO_ANSWER, now)
    call = _begin(session, task, point, agent, now)
    if verdict.exempt:
        audit.record(session, "outreach.exempt_call", now=now, subject=f"call:{call.id}", reason=task.kind)
    return _dialled(session, call, point, now)


def names_of(session: HospitalSession, call_id: UUID, agent: Actor) -> tuple[str, str] | None:
    """Patient and holder of the number while this agent's call goes on (dialling put them on record)."""
    call = session.get(Call, (session.tenant_id, call_id))
    if call is None or call.agent_id != agent.id or call.outcome is not None:
        return None
    point = session.get_one(ContactPoint, (session.tenant_id, call.contact_point_id))
    return session.get_one(Patient, (session.tenant_id, call.patient_id)).name, point.name


def _dialled(session: HospitalSession, call: Call, point: ContactPoint, now: datetime) -> Dialled:
    name = session.get_one(Patient, (session.tenant_id, call.patient_id)).name
    number = reveal_number(session, point.id, reason="call", now=now, with_name=True)
    return Dialled(call.id, number, name, point.name, call.dialled_at)


def connected(session: HospitalSession, call_id: UUID, agent: Actor, now: datetime) -> datetime:
    """Somebody answered; returns when they first did. Raises `NotHeld` for a call that is not this
    agent's.
    """
    call = session.get(Call, (session.tenant_id, call_id), with_for_update=True)
    if call is None:
        raise NotFound
    if call.agent_id != agent.id:
        raise NotHeld
    if call.connected_at is None and call.outcome is None:
        call.connected_at = now
        session.flush()
    return call.connected_at or now


def finish(
    session: HospitalSession,
    call_id: UUID | None,
    task_id: UUID,
    outcome: Outcome,
    *,
    agent: Actor,
    note: str = "",
    now: datetime,
    callback_at: datetime | None = None,
    reported_by: str | None = None,
    happened_on: date | None = None,
) -> Finished:
    """End the call and apply the outcome, in the one transaction of the session.

    Without `call_id` it is the call that is going on, or none when nothing was dialled. `callback_at` (aware)
    is needed to book, `reported_by` (and the day, when known) for a death. Finishing again changes nothing.
    Raises `OutcomeIncomplete` naming what is missing, `NotHeld` when the call or the patient is not this
    agent's.
    """
    effect = EFFECTS[outcome]
    task = _locked_task(session, task_id)
    call = _call_of(session, call_id, task, agent)
    if _finished_before(session, task, call, agent, now):
        return _standing(task, changed=False)
    if effect.needs == "callback_at" and callback_at is None:
        raise OutcomeIncomplete("callback_at")
    if effect.needs == "reported_by" and not reported_by:
        raise OutcomeIncomplete("reported_by")
    if call is not None:
        _end(session, call, outcome, now, note)
    if task.state == "open":
        _apply(session, task, call, outcome, agent, now, callback_at)
    if effect.suppress is not None:
        told = [note, reported_by or "", happened_on.isoformat() if happened_on else ""]
        _suppress(session, task, effect.suppress, " · ".join(part for part in told if part), now)
    queue.drop_hold(session, task_id, agent)
    session.flush()
    return _standing(task, changed=True)


def _apply(
    session: HospitalSession,
    task: ContactTask,
    call: Call | None,
    outcome: Outcome,
    agent: Actor,
    now: datetime,
    callback_at: datetime | None,
) -> None:
    """What the outcome does to this task; a suppression follows by itself."""
    effect = EFFECTS[outcome]
    task.attempts += call is not None
    release_appointment(task)
    if effect.number_invalid and call is not None:
        report_wrong_number(session, call.contact_point_id, now=now)
    if callback_at is not None and effect.needs == "callback_at":
        book(session, task, callback_at, agent=agent, now=now)
    elif effect.closes_as is not None:
        _close(session, task, effect.closes_as, outcome, now)
    elif effect.retry is not None:
        _try_again(session, task, effect, outcome, agent, now)
    session.flush()


def _try_again(
    session: HospitalSession, task: ContactTask, effect: Effect, outcome: Outcome, agent: Actor, now: datetime
) -> None:
    known = contact_facts.load(session, [task.patient_id], now)[task.patient_id]
    profile = policy.profile_for(known.region)
    if effect.retry == "other_part":
        wish = session.get_one(Patient, (session.tenant_id, task.patient_id)).preferred_part
        part = preferred.PARTS.get(wish or "")
        at = preferred.retry_at(now, profile, part=part, closes_at=task.closes_at)
    else:
        at = policy.next_allowed(now + effect.delay, profile)
    given_up = task.attempts >= profile.attempts
    if given_up or not policy.dialable(known) or at >= task.closes_at:
        _close(session, task, effect.gives_up_as, outcome, now)
        return
    task.next_try_at = at
    if effect.another_agent and task.not_by is None:
        task.not_by = agent.id


def _close(session: HospitalSession, task: ContactTask, state: str, outcome: Outcome, now: datetime) -> None:
    task.state, task.outcome, task.closed_at = state, outcome.value, now
    session.flush()
    task_closed(session, task, outcome, now)


def _suppress(session: HospitalSession, task: ContactTask, reason: str, note: str, now: datetime) -> None:
    """Through the hooks of every floor; our own tasks for certain, also when the patient was suppressed
    before.
    """
    session.flush()
    suppression.suppress(session, task.patient_id, reason, note=note, source="call", now=now)
    cancel_tasks(session, [task.patient_id], SUPPRESSED + reason, now)
    session.refresh(task)


def _finished_before(
    session: HospitalSession, task: ContactTask, call: Call | None, agent: Actor, now: datetime
) -> bool:
    if call is not None:
        return call.outcome is not None
    if task.state != "open":
        return True
    try:
        queue.require_hold(session, task, agent, now)
    except NotHeld:
        return True
    return False


def _standing(task: ContactTask, *, changed: bool) -> Finished:
    return Finished(task.state, task.next_try_at if task.state == "open" else None, changed)


def _locked_task(session: HospitalSession, task_id: UUID) -> ContactTask:
    """The task, locked after its patient: in the order in which a suppression locks, so that neither waits
    for the other in a circle."""
    patient_id = session.scalar(
        select(ContactTask.patient_id).where(
            ContactTask.tenant_id == session.tenant_id, ContactTask.id == task_id
        )
    )
    if patient_id is None:
        raise NotHeld
    session.execute(
        select(Patient.id)
        .where(Patient.tenant_id == session.tenant_id, Patient.id == patient_id)
        .with_for_update(key_share=True)
    )
    return session.get_one(
        ContactTask, (session.tenant_id, task_id), with_for_update=True, populate_existing=True
    )


def _call_of(session: HospitalSession, call_id: UUID | None, task: ContactTask, agent: Actor) -> Call | None:
    if call_id is None:
        return _going_on(session, task, agent)
    call = session.get(Call, (session.tenant_id, call_id), with_for_update=True)
    if call is None:
        raise NotFound
    if call.task_id != task.id or call.agent_id != agent.id:
        raise NotHeld
    return call


def _going_on(session: HospitalSession, task: ContactTask, agent: Actor) -> Call | None:
    return session.scalars(
        select(Call)
        .where(
            Call.tenant_id == session.tenant_id,
            Call.task_id == task.id,
            Call.agent_id == agent.id,
            Call.outcome.is_(None),
        )
        .order_by(Call.dialled_at.desc())
        .limit(1)
    ).first()


def _begin(
    session: HospitalSession, task: ContactTask, point: ContactPoint, agent: Actor, now: datetime
) -> Call:
    call = Call(
        tenant_id=session.tenant_id,
        id=new_id(),
        task_id=task.id,
        patient_id=task.patient_id,
        contact_point_id=point.id,
        number_index=point.number_index,
        agent_id=agent.id,
        agent_name=agent.name,
        dialled_at=now,
    )
    session.add(call)
    session.flush()
    return call


def _end(session: HospitalSession, call: Call, outcome: Outcome, now: datetime, note: str = "") -> None:
    call.outcome, call.ended_at, call.note_cipher = outcome.value, now, seal(session, note)
    if call.connected_at is None and EFFECTS[outcome].reached:
        call.connected_at = call.dialled_at
