"""How a case moves: accepted (对接), told about, planned, investigated, handled (办结)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from feedback import log
from feedback.callbacks import ask_patient
from feedback.clock import Kind
from feedback.errors import CaseRefused
from feedback.models import CaseEvent, FeedbackCase
from foundation import audit
from foundation.database import HospitalSession
from foundation.scope import Actor

FIRST: dict[int, Kind] = {1: "ack", 2: "ack", 3: "emergency"}
LAST: dict[int, Kind] = {1: "direction", 2: "confirm", 3: "resolve"}
STEPS: tuple[Kind, ...] = ("plan", "investigate")


def acknowledge(
    session: HospitalSession,
    case_id: UUID,
    *,
    actor: Actor,
    now: datetime,
    owner: str | None = None,
    note: str = "",
) -> FeedbackCase:
    """Somebody who must takes the case up (对接): meets the first limit of the tier (S0-20, S0-22, S0-24).

    `owner` says for which role (`agent`, `department_head`, `complaint_officer`); it may be left out where
    the
    tier has one. A complaint needs both of its owners, two people, and its limit is met when the second acts.
    The first acknowledgement of all is the first response (S0-2). Doing it twice is once. Raises
    `UnknownCase`,
    `CaseRefused`.
    """
    case = log.take(session, case_id, actor)
    if case.stage == "handled":
        raise CaseRefused("already_handled")
    clock = log.clocks_of_round(session, case)[FIRST[case.tier]]
    owners = log.owners_of(clock)
    owner = owner or next((o for o in owners if len(owners) == 1), None)
    if owner not in owners:
        raise CaseRefused("not_an_owner")
    acted = acknowledgements(session, case)
    if owner in acted:
        return case
    if actor.id is not None and actor.id in acted.values():
        raise CaseRefused("two_people")
    log.write(session, case, "acknowledged", actor=actor, now=now, note=note, owner=owner)
    case.responded_at = case.responded_at or now
    case.stage = "in_hand"
    if {*acted, owner} == set(owners):
        clock.met_at = now
    session.flush()
    audit.record(
        session, "feedback.acknowledged", now=now, subject=f"case:{case.id}", detail={"owner": owner}
    )
    return case


def acknowledgements(session: HospitalSession, case: FeedbackCase) -> dict[str, UUID | None]:
    """Which owners have taken the case up in its present round, and who that was."""
    rows = session.execute(
        select(CaseEvent.detail["owner"].astext.label("owner"), CaseEvent.actor_id).where(
            CaseEvent.tenant_id == session.tenant_id,
            CaseEvent.case_id == case.id,
            CaseEvent.round == case.round,
            CaseEvent.kind == "acknowledged",
        )
    )
    return {row.owner: row.actor_id for row in rows}


def add_progress(
    session: HospitalSession, case_id: UUID, note: str, *, actor: Actor, now: datetime, told: bool = True
) -> CaseEvent:
    """A note on how it goes; with `told` the patient was told so, as S0-23 asks between plan and result.

    Telling the patient for the first time is a response (S0-2). Raises `UnknownCase`, `CaseRefused`.
    """
    if not note.strip():
        raise CaseRefused("note_missing")
    case = log.take(session, case_id, actor)
    if told and case.responded_at is None:
        case.responded_at = now
    event = log.write(session, case, "progress", actor=actor, now=now, note=note, told=told)
    audit.record(session, "feedback.progress", now=now, subject=f"case:{case.id}", detail={"told": told})
    return event


def meet(
    session: HospitalSession, case_id: UUID, kind: Kind, *, actor: Actor, note: str, now: datetime
) -> FeedbackCase:
    """A step of the handling is done: the plan (方案) exists, the investigation (调查) has begun.

    Meets that limit of the round; the first time counts, later ones only add to the log. `kind` is one of
    `STEPS`: the other limits are met by `acknowledge`, `mark_handled` and `record_callback`. Raises
    `UnknownCase`, `CaseRefused`.
    """
    case = log.take(session, case_id, actor)
    clock = log.clocks_of_round(session, case).get(kind)
    if clock is None or kind not in STEPS:
        raise CaseRefused("no_such_clock")
    if case.stage == "handled":
        raise CaseRefused("already_handled")
    clock.met_at = clock.met_at or now
    log.write(session, case, kind, actor=actor, now=now, note=note)
    audit.record(session, f"feedback.{kind}", now=now, subject=f"case:{case.id}")
    return case


def record_plan(
    session: HospitalSession, case_id: UUID, *, actor: Actor, note: str, now: datetime
) -> FeedbackCase:
    """A plan exists and was told (S0-23, S0-26); as `meet`."""
    return meet(session, case_id, "plan", actor=actor, note=note, now=now)


def record_investigation(
    session: HospitalSession, case_id: UUID, *, actor: Actor, note: str, now: datetime
) -> FeedbackCase:
    """The investigation has begun (S0-25); as `meet`."""
    return meet(session, case_id, "investigate", actor=actor, note=note, now=now)


def mark_handled(
    session: HospitalSession, case_id: UUID, *, actor: Actor, note: str, now: datetime
) -> FeedbackCase:
    """The handling is finished (办结): meets the last limit of the tier and starts the callback's (S0-31).

    What leads up to it is done with it, except the two acknowledgements of a complaint, which nobody else can
    make up for (S0-24). General feedback is closed without a callback (S0-21). Raises `UnknownCase`,
    `CaseRefused`.
    """
    case = log.take(session, case_id, actor)
    if case.stage == "handled":
        raise CaseRefused("already_handled")
    implied = []
    for kind, clock in log.clocks_of_round(session, case).items():
        if clock.met_at is None and kind != "emergency":
            clock.met_at = now
            implied.append(kind)
    case.responded_at = case.responded_at or now
    case.handled_at, case.handled_by, case.stage = now, actor.id, "handled"
    log.write(session, case, "handled", actor=actor, now=now, note=note, met=sorted(implied))
    if log.start_callback_clock(session, case) is None:
        case.stage, case.closed_at, case.close_reason = "closed", now, "answered"
        log.write(session, case, "closed", actor=actor, now=now, reason="answered")
    else:
        ask_patient(session, case, actor=actor, now=now)
    session.flush()
    audit.record(
        session, "feedback.handled", now=now, subject=f"case:{case.id}", detail={"round": case.round}
    )
    return case
