"""The callback (结案回访): the patient is asked whether it was handled well, by somebody who did not handle
it.

Levels 4 to 6 of six close the case; 1 to 3 begin the next round with fresh clocks (S0-31, S0-32). A case
closes
only on satisfied, on unreachable after all attempts, or on a documented refusal.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import exists, select, update

from feedback import log
from feedback.errors import CaseRefused
from feedback.models import CaseClock, FeedbackCase
from foundation import audit
from foundation.catalogue import among
from foundation.database import HospitalSession
from foundation.scope import Actor
from outreach.models import ContactTask, PatientHold
from outreach.ranks import Rank
from outreach.tasks import TaskRequest, make_tasks

SOURCE = "case"
SATISFIED_FROM = 4
LEVELS = range(1, 7)
# Late is better than never: the callback is tried on, while its missed limit stays visible.
TRIED_AFTER_DUE = timedelta(days=5)
Because = Literal["unreachable", "refused"]


def ask_patient(session: HospitalSession, case: FeedbackCase, *, actor: Actor, now: datetime) -> None:
    """Put the callback into the firm's queue, not for the person who handled the case (S0-31).

    A medical dispute is asked by medical affairs itself (S4-9), an anonymous case cannot be asked, and the
    contact policy may refuse: then the log says why, and the case waits for the hospital.
    """
    clock = log.clocks_of_round(session, case)["callback"]
    if case.medical_dispute or case.patient_id is None:
        reason = "medical_affairs" if case.medical_dispute else "anonymous"
        log.write(session, case, "no_callback_task", actor=actor, now=now, reason=reason)
        return
    for reason in make_tasks(session, [_request(case, clock, case.patient_id, now)], now).refused:
        log.write(session, case, "no_callback_task", actor=actor, now=now, reason=reason)


def ask_waiting(session: HospitalSession, patient_ids: Sequence[UUID], *, now: datetime) -> int:
    """Ask the patients whose case was handled while nobody might call them; returns how many calls wait now.

    Nothing is made for a case whose callback was there before: the undo of the suppression has brought it
    back.
    """
    rows = session.execute(
        select(FeedbackCase, CaseClock)
        .join(
            CaseClock,
            (CaseClock.tenant_id == FeedbackCase.tenant_id)
            & (CaseClock.case_id == FeedbackCase.id)
            & (CaseClock.round == FeedbackCase.round)
            & (CaseClock.kind == "callback"),
        )
        .where(
            FeedbackCase.tenant_id == session.tenant_id,
            among(FeedbackCase.patient_id, patient_ids),
            FeedbackCase.stage == "handled",
            FeedbackCase.medical_dispute.is_(False),
            CaseClock.met_at.is_(None),
        )
    ).all()
    requests = [
        _request(case, clock, case.patient_id, now) for case, clock in rows if case.patient_id is not None
    ]
    return make_tasks(session, requests, now).made if requests else 0


def _request(case: FeedbackCase, clock: CaseClock, patient_id: UUID, now: datetime) -> TaskRequest:
    return TaskRequest(
        patient_id=patient_id,
        encounter_id=case.encounter_id,
        kind="callback",
        purpose="complaint",
        source=SOURCE,
        source_id=clock.id,
        label={"zh": f"结案回访 {case.number}", "en": f"Closing callback {case.number}"},
        rank=Rank.PROMISE,  # the queue lifts it when its limit is near
        opens_at=now,
        due_at=clock.due_at,
        closes_at=max(clock.due_at, now) + TRIED_AFTER_DUE,
        not_by=case.handled_by,
    )


def record_callback(
    session: HospitalSession,
    case_id: UUID,
    level: int | None,
    *,
    actor: Actor,
    note: str,
    now: datetime,
    because: Because = "unreachable",
) -> FeedbackCase:
    """What the patient said of the handling, on the six levels, or None when they could not or would not say.

    With None, `because` is the reason that closes the case; a refusal needs a note (S0-32). The person who
    handled the round may not record it (S0-31). Raises `UnknownCase`, `CaseRefused`.
    """
    case = log.take(session, case_id, actor)
    if case.stage != "handled":
        raise CaseRefused("not_handled")
    if actor.id is not None and actor.id == case.handled_by:
        raise CaseRefused("handler")
    clock = log.clocks_of_round(session, case)["callback"]
    if level is None:
        if because == "refused" and not note.strip():
            raise CaseRefused("note_missing")
        close_without_answer(session, case, because, actor=actor, note=note, now=now)
    elif level not in LEVELS:
        raise CaseRefused("callback_level")
    else:
        clock.met_at, case.callback_level = now, level
        log.write(session, case, "callback", actor=actor, now=now, note=note, level=level)
        _after_answer(session, case, level, actor=actor, now=now)
    _withdraw_task(session, clock, now)
    session.flush()
    audit.record(
        session,
        "feedback.callback",
        now=now,
        subject=f"case:{case.id}",
        detail={"level": level, "stage": case.stage, "round": case.round},
    )
    return case


def close_without_answer(
    session: HospitalSession,
    case: FeedbackCase,
    because: Because,
    *,
    actor: Actor,
    now: datetime,
    note: str = "",
) -> None:
    """Close a handled case whose patient gave no answer; its callback limit stays unmet."""
    case.stage, case.closed_at, case.close_reason = "closed", now, because
    log.write(session, case, "closed", actor=actor, now=now, note=note, reason=because)


def case_of_clock(session: HospitalSession, clock_id: UUID) -> FeedbackCase | None:
    """The case whose present round this callback clock belongs to, if it still waits for the answer;
    locked.
    """
    row = session.execute(
        select(FeedbackCase)
        .join(
            CaseClock,
            (CaseClock.tenant_id == FeedbackCase.tenant_id) & (CaseClock.case_id == FeedbackCase.id),
        )
        .where(
            FeedbackCase.tenant_id == session.tenant_id,
            CaseClock.id == clock_id,
            CaseClock.kind == "callback",
            CaseClock.round == FeedbackCase.round,
            FeedbackCase.stage == "handled",
        )
        .with_for_update(of=FeedbackCase, key_share=True)
    ).one_or_none()
    return None if row is None else row[0]


def _after_answer(
    session: HospitalSession, case: FeedbackCase, level: int, *, actor: Actor, now: datetime
) -> None:
    if level >= SATISFIED_FROM:
        case.stage, case.closed_at, case.close_reason = "closed", now, "satisfied"
        log.write(session, case, "closed", actor=actor, now=now, reason="satisfied")
        return
    case.round += 1
    case.round_started_at, case.handled_at, case.handled_by = now, None, None
    case.stage = "received"
    log.write(session, case, "round", actor=actor, now=now)
    log.start_clocks(session, case)


def _withdraw_task(session: HospitalSession, clock: CaseClock, now: datetime) -> None:
    """The answer is in, so nobody need call; an agent who has the card open finishes the call as usual."""
    held = exists(
        select(1).where(
            PatientHold.tenant_id == ContactTask.tenant_id,
            PatientHold.task_id == ContactTask.id,
            PatientHold.until >= now,
        )
    )
    # Locked by somebody else: its call is just being finished, which closes it as well.
    idle = (
        select(ContactTask.id)
        .where(
            ContactTask.tenant_id == session.tenant_id,
            ContactTask.source == SOURCE,
            ContactTask.source_id == clock.id,
            ContactTask.state == "open",
            ~held,
        )
        .with_for_update(skip_locked=True)
    )
    session.execute(
        update(ContactTask)
        .where(ContactTask.tenant_id == session.tenant_id, ContactTask.id.in_(idle))
        .values(state="cancelled", outcome="answered_elsewhere", closed_at=now)
        .execution_options(synchronize_session="fetch")
    )
