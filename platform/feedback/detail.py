"""One case as its page shows it (SC-23): the words, the log, every limit with its reason, and what is
possible now.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from sqlalchemy import select

from feedback import access, log
from feedback.access import Reader, Step
from feedback.clock import Explanation
from feedback.errors import UnknownCase
from feedback.models import CaseClock, CaseEvent, FeedbackCase
from feedback.progress import FIRST, acknowledgements
from foundation import audit
from foundation.database import HospitalSession
from patients.models import Encounter, Patient
from tenants.keys import data_key
from tenants.models import Department

ClockState = Literal["kept", "late", "running", "overdue", "missed", "ended"]


@dataclass(frozen=True, slots=True)
class ClockLine:
    """One limit. `running` and `overdue` wait for somebody; `missed` and `ended` do so no more, the one
    after its
    time, the other before.
    """

    kind: str
    round: int
    source: str
    starts_at: datetime
    due_at: datetime
    met_at: datetime | None
    owners: tuple[str, ...]
    state: ClockState
    why: Explanation


@dataclass(frozen=True, slots=True)
class EventLine:
    """One line of the log, its note in the clear."""

    at: datetime
    kind: str
    round: int
    by: str
    note: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class OwnerSlot:
    """Somebody who must take the case up, and who did (S0-24: two for a complaint)."""

    owner: str
    by: str | None
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Stage:
    """One field of the strip 受理 → … → 关闭."""

    key: str
    state: Literal["done", "now", "ahead"]


@dataclass(frozen=True, slots=True)
class CaseDetail:
    """A case as one reader may see it; `hidden` leaves nothing but a status line (S4-9)."""

    case: FeedbackCase
    hidden: bool
    text: str
    wish: str
    patient_name: str
    ward: str
    department: str
    events: tuple[EventLine, ...]
    clocks: tuple[ClockLine, ...]
    owners: tuple[OwnerSlot, ...]
    stages: tuple[Stage, ...]
    steps: tuple[Step, ...]
    patient_told: bool


def case_detail(session: HospitalSession, case_id: UUID, reader: Reader, now: datetime) -> CaseDetail:
    """Open a case; reading the patient's words is an audit event. Raises `UnknownCase`, also for a
    department's
    head when the case is another department's, and for one that is put away.
    """
    case = find_case(session, case_id, reader)
    if put_away(session, case):
        raise UnknownCase(str(case_id))
    hidden = access.hidden_from(case, reader)
    clocks = _clocks(session, case, now)
    events = () if hidden else _events(session, case)
    slots = _slots(case, clocks, events)
    if not hidden:
        audit.record(session, "feedback.read", now=now, subject=f"case:{case.id}")
    patient = session.get(Patient, (session.tenant_id, case.patient_id)) if case.patient_id else None
    stay = session.get(Encounter, (session.tenant_id, case.encounter_id)) if case.encounter_id else None
    place = session.get(Department, (session.tenant_id, case.department_id)) if case.department_id else None
    return CaseDetail(
        case=case,
        hidden=hidden,
        text="" if hidden else data_key(session).decrypt(case.text_cipher),
        wish="" if hidden else data_key(session).decrypt(case.wish_cipher),
        patient_name=patient.name if patient else "",
        ward=stay.ward if stay else "",
        department=place.name if place else "",
        events=events,
        clocks=() if hidden else clocks,
        owners=slots,
        stages=_stages(case, clocks),
        steps=steps_of(session, case, reader),
        patient_told=any(e.kind == "progress" and e.round == case.round and e.detail["told"] for e in events),
    )


def put_away(session: HospitalSession, case: FeedbackCase) -> bool:
    """Whether the case is closed and its patient's data restricted or erased: it is kept, and read no more
    (PIPL 47). A complaint in hand is still to be answered.
    """
    if case.stage != "closed" or case.patient_id is None:
        return False
    patient = session.get(Patient, (session.tenant_id, case.patient_id))
    return patient is not None and patient.restricted_at is not None


def find_case(session: HospitalSession, case_id: UUID, reader: Reader) -> FeedbackCase:
    """The case, if this reader may know of it; raises `UnknownCase`."""
    case = session.get(FeedbackCase, (session.tenant_id, case_id))
    if case is None or (reader.departments is not None and case.department_id not in reader.departments):
        raise UnknownCase(str(case_id))
    return case


def steps_of(session: HospitalSession, case: FeedbackCase, reader: Reader) -> tuple[Step, ...]:
    """What this reader may do now."""
    owners = {kind: log.owners_of(clock) for kind, clock in log.clocks_of_round(session, case).items()}
    return tuple(access.possible(case, reader, owners, acknowledgements(session, case)))


def _clocks(session: HospitalSession, case: FeedbackCase, now: datetime) -> tuple[ClockLine, ...]:
    rows = session.scalars(
        select(CaseClock)
        .where(CaseClock.tenant_id == session.tenant_id, CaseClock.case_id == case.id)
        .order_by(CaseClock.round.desc(), CaseClock.due_at, CaseClock.kind)
    )
    return tuple(
        ClockLine(
            kind=row.kind,
            round=row.round,
            source=row.source,
            starts_at=row.starts_at,
            due_at=row.due_at,
            met_at=row.met_at,
            owners=tuple(row.explanation["owners"]),
            state=clock_state(row, case, now),
            why=msgspec.convert(row.explanation, Explanation),
        )
        for row in rows
    )


def clock_state(clock: CaseClock, case: FeedbackCase, now: datetime) -> ClockState:
    """How a limit stands: kept in time or late, waited for, or left behind by what came after it."""
    if clock.met_at is not None:
        return "kept" if clock.met_at <= clock.due_at else "late"
    waits = (case.stage == "handled") == (clock.kind == "callback") and case.stage != "closed"
    if waits and clock.round == case.round:
        return "running" if now <= clock.due_at else "overdue"
    left_at = case.closed_at or case.handled_at or now
    return "missed" if clock.due_at < left_at else "ended"


def _events(session: HospitalSession, case: FeedbackCase) -> tuple[EventLine, ...]:
    key = data_key(session)
    rows = session.scalars(
        select(CaseEvent)
        .where(CaseEvent.tenant_id == session.tenant_id, CaseEvent.case_id == case.id)
        .order_by(CaseEvent.at, CaseEvent.id)
    )
    return tuple(
        EventLine(
            at=row.at,
            kind=row.kind,
            round=row.round,
            by=row.actor_name,
            note=key.decrypt(row.note_cipher) if row.note_cipher else "",
            detail=row.detail,
        )
        for row in rows
    )


def _slots(
    case: FeedbackCase, clocks: tuple[ClockLine, ...], events: tuple[EventLine, ...]
) -> tuple[OwnerSlot, ...]:
    first = next((c for c in clocks if c.round == case.round and c.kind == FIRST[case.tier]), None)
    taken = {
        event.detail["owner"]: event
        for event in events
        if event.kind == "acknowledged" and event.round == case.round
    }
    return tuple(
        OwnerSlot(owner, taken[owner].by, taken[owner].at) if owner in taken else OwnerSlot(owner, None, None)
        for owner in (first.owners if first else ())
    )


def _stages(case: FeedbackCase, clocks: tuple[ClockLine, ...]) -> tuple[Stage, ...]:
    """The strip of the tier: its limits of this round in the order of the work, then 关闭."""
    mine = {clock.kind: clock for clock in clocks if clock.round == case.round}
    order = [k for k in _STRIP if k in mine or (k == "callback" and case.tier > 1)]
    states: list[Stage] = []
    current = False
    for key in order:
        met = key in mine and mine[key].met_at is not None
        if met or case.stage == "closed" or (case.stage == "handled" and key != "callback"):
            states.append(Stage(key, "done"))
        else:
            states.append(Stage(key, "ahead" if current else "now"))
            current = True
    return (*states, Stage("closed", "done" if case.stage == "closed" else "ahead"))


_STRIP = ("ack", "emergency", "investigate", "plan", "direction", "confirm", "resolve", "callback")
