"""The way from a new hospital to its first call (上线, SC-50, SC-51): the ten steps of the research method
(S3-4) and the legal papers, each with an owner and a day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.dialects.postgresql import insert

from foundation import audit
from foundation.calendar import CalendarMissing, add_working_days, local_date
from foundation.database import FirmSession, HospitalSession
from foundation.ids import new_id
from foundation.languages import gettext as _
from foundation.languages import mark
from foundation.web.errors import NotFound, UserMistake
from tenants.identity import membership
from tenants.life import templates_by_type
from tenants.models import DirectoryEntry, Hospital, HospitalPhase, Membership, OnboardingStep, Person
from tenants.queries import pinyin_key
from tenants.rights import SIDES, Role

NOTE_LENGTH = 500
STATES = {"open": mark("To do"), "done": mark("Done"), "not_needed": mark("Not needed")}
DAYS_A_WORKING_WEEK, DAYS_A_WEEK = 5, 7
GO_LIVE = "go_live"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: due so many working days after the hospital was made. `checks` name what the system can see
    itself (`tenants.life.golive`); what it sees stands beside the box, the box stays a person's word.
    """

    key: str
    title: str
    days: int
    kind: Literal["research", "legal"]
    checks: tuple[str, ...] = ()


STEPS: tuple[Step, ...] = (
    Step("site_visit", mark("Visit the site and write down what was seen"), 2, "research"),
    Step("factors", mark("Set the factors of satisfaction"), 4, "research"),
    Step("indicators", mark("Lay out the indicators on six levels"), 6, "research"),
    Step("weights", mark("Set the weights"), 7, "research", ("weights",)),
    Step("factor_check", mark("Check the factors with the hospital"), 9, "research"),
    Step("questionnaire", mark("Design the questionnaire"), 11, "research", ("weights",)),
    Step("lines", mark("Set up people, lines, scripts and agents"), 12, "research", ("people", "agents")),
    Step("data_feed", mark("Connect the patient lists"), 13, "research", ("feed",)),
    Step("dry_run", mark("Rehearse: practice calls and sample cases"), 16, "research", ("heads", "tags")),
    Step(GO_LIVE, mark("Go live and set the comparison group"), 20, "research", ("contract", "benchmark")),
    Step("agreement", mark("Sign the processing agreement"), 3, "legal", ("agreement",)),
    Step("consent", mark("Agree the wording of consent"), 5, "legal"),
    Step("recording", mark("Agree the notice that calls are recorded"), 5, "legal"),
    Step("regulation", mark("Agree the version of the complaint regulation"), 5, "legal", ("calendar",)),
    Step("impact", mark("Assess the impact of each purpose"), 6, "legal", ("impact",)),
)
BY_KEY = {step.key: step for step in STEPS}


@dataclass(frozen=True, slots=True)
class StepLine:
    """One step as it stands."""

    step: Step
    owner_id: UUID | None
    owner_name: str
    due_on: date
    state: str
    note: str
    done_at: datetime | None
    done_by: str | None
    overdue: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a hospital has come: steps settled of all steps, those overdue, and the day of the next."""

    settled: int
    total: int
    overdue: int
    next_due: date | None

    @property
    def percent(self) -> int:
        """Settled steps in whole percent, rounded down: 100 only when all are."""
        return self.settled * 100 // self.total if self.total else 0


@dataclass(frozen=True, slots=True)
class Owner:
    """Somebody who can own a step: of the firm or of the hospital."""

    id: UUID
    name: str
    side: str


def due_days(begun: date) -> dict[str, date]:
    """The due day of each step for a hospital made on `begun`, in working days of China.

    Where a year's holiday notice is not out yet, weeks of five days count: a plan may be off by a holiday.
    """
    return {step.key: _after(begun, step.days) for step in STEPS}


def prepare(session: HospitalSession, *, now: datetime) -> bool:
    """Put in place what a hospital begins with: its first stage, what its type brings, its checklist.

    Idempotent, and all or nothing: it is called again whenever the checklist opens, so that nothing is lost
    when a process ends between making a hospital and this. True when something was put in place.
    """
    hospital = session.scalars(select(Hospital).where(Hospital.tenant_id == session.tenant_id)).one()
    phases = select(func.count()).where(HospitalPhase.tenant_id == session.tenant_id)
    steps = select(func.count()).where(OnboardingStep.tenant_id == session.tenant_id)
    wanted = len(STEPS) if hospital.state == "onboarding" else 0
    if session.scalar(phases) and (session.scalar(steps) or 0) >= wanted:
        return False
    session.execute(
        insert(HospitalPhase)
        .values(
            tenant_id=session.tenant_id,
            id=new_id(),
            state=hospital.state,
            started_at=hospital.created_at,
            reason="",
            by_name=session.scope.actor.name,
        )
        .on_conflict_do_nothing(index_elements=["tenant_id"], index_where=HospitalPhase.ended_at.is_(None))
    )
    if wanted:
        _make_steps(session, local_date(hospital.created_at))
    templates_by_type.put_in_place(session, hospital.hospital_type, now=now)
    session.flush()
    return True


def lines(session: HospitalSession, today: date) -> list[StepLine]:
    """All steps in their order; empty for a hospital that was made without them."""
    rows = session.scalars(
        select(OnboardingStep)
        .where(OnboardingStep.tenant_id == session.tenant_id)
        .order_by(OnboardingStep.position)
    )
    return [
        StepLine(
            BY_KEY[row.key], row.owner_id, row.owner_name, row.due_on, row.state, row.note,
            row.done_at, row.done_by, overdue=row.state == "open" and row.due_on < today,
        )
        for row in rows
        if row.key in BY_KEY
    ]  # fmt: skip


def progress(steps: Sequence[StepLine]) -> Progress:
    """How far these steps have come."""
    waiting = [line.due_on for line in steps if line.state == "open"]
    return Progress(
        settled=len(steps) - len(waiting),
        total=len(steps),
        overdue=sum(line.overdue for line in steps),
        next_due=min(waiting, default=None),
    )


def progress_of_firm(session: FirmSession, today: date) -> dict[UUID, Progress]:
    """The progress of each of the session's hospitals that has steps. One query."""
    waiting = OnboardingStep.state == "open"
    rows = session.execute(
        select(
            OnboardingStep.tenant_id,
            func.count(),
            func.count().filter(~waiting),
            func.count().filter(waiting, OnboardingStep.due_on < today),
            func.min(OnboardingStep.due_on).filter(waiting),
        )
        .where(OnboardingStep.tenant_id.in_(session.tenant_ids))
        .group_by(OnboardingStep.tenant_id)
    )
    return {row[0]: Progress(row[2], row[1], row[3], row[4]) for row in rows}


def owners(session: HospitalSession) -> list[Owner]:
    """Who can own a step: open accounts with a role at the hospital or at its firm, by name."""
    firm = select(DirectoryEntry.firm_id).where(DirectoryEntry.tenant_id == session.tenant_id)
    rows = session.execute(
        select(Person.id, Person.name, Membership.role)
        .join(Membership, Membership.person_id == Person.id)
        .where(
            or_(Membership.tenant_id == session.tenant_id, Membership.firm_id == firm.scalar_subquery()),
            membership.counts(),
            Membership.role != Role.AGENT,
            Person.disabled_at.is_(None),
        )
    )
    found = {person_id: Owner(person_id, name, SIDES[Role(role)]) for person_id, name, role in rows}
    return sorted(found.values(), key=lambda owner: (owner.side, pinyin_key(owner.name)))


def change(
    session: HospitalSession,
    key: str,
    *,
    state: str,
    owner_id: UUID | None,
    due_on: date,
    note: str,
    now: datetime,
) -> None:
    """Set the owner, the day, the state and the note of a step. Raises `UserMistake`, `NotFound`."""
    row = session.scalar(
        select(OnboardingStep)
        .where(OnboardingStep.tenant_id == session.tenant_id, OnboardingStep.key == key)
        .with_for_update()
    )
    if row is None:
        raise NotFound
    if state not in STATES:
        raise UserMistake(_("Choose a state."))
    if state == "not_needed" and not note.strip():
        raise UserMistake(_("Please say why this step is not needed."))
    owner = next((one for one in owners(session) if one.id == owner_id), None)
    if owner_id is not None and owner is None:
        raise UserMistake(_("Choose somebody of the hospital or of the firm."))
    if state != row.state:
        row.done_at = None if state == "open" else now
        row.done_by = None if state == "open" else session.scope.actor.name
        audit.record(
            session,
            "onboarding.step",
            now=now,
            subject=f"onboarding_step:{key}",
            detail={"before": row.state, "after": state},
        )
    row.state, row.due_on, row.note = state, due_on, note.strip()[:NOTE_LENGTH]
    row.owner_id, row.owner_name = (owner.id, owner.name) if owner else (None, "")
    session.flush()


def settle(session: HospitalSession, key: str, *, now: datetime) -> None:
    """Tick off a step that the system has done itself."""
    row = session.scalar(
        select(OnboardingStep).where(OnboardingStep.tenant_id == session.tenant_id, OnboardingStep.key == key)
    )
    if row is not None and row.state == "open":
        row.state, row.done_at, row.done_by = "done", now, session.scope.actor.name
        session.flush()


def _make_steps(session: HospitalSession, begun: date) -> None:
    due = due_days(begun)
    rows = [
        {
            "tenant_id": session.tenant_id,
            "id": new_id(),
            "key": step.key,
            "position": position,
            "owner_name": "",
            "due_on": due[step.key],
            "state": "open",
            "note": "",
        }
        for position, step in enumerate(STEPS, start=1)
    ]
    session.execute(
        insert(OnboardingStep).values(rows).on_conflict_do_nothing(index_elements=["tenant_id", "key"])
    )


def _after(begun: date, days: int) -> date:
    try:
        return add_working_days(begun, days)
    except CalendarMissing:
        weeks, rest = divmod(days, DAYS_A_WORKING_WEEK)
        return begun + timedelta(days=weeks * DAYS_A_WEEK + rest)
