"""What the page of the follow-up plan reads (SC-26, SC-54)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select

from foundation.calendar import local_date
from foundation.database import HospitalSession
from outreach.models import Call, ContactTask
from patients.models import Encounter, Patient
from revisits.models import RevisitPlan, RevisitStep
from revisits.planning import SOURCE
from revisits.schedule import DEFAULT_PLAN, PlanRules
from tenants.models import Department

PREVIEW_DAYS = 90  # J6, day 4
CALLS_A_DAY = 20  # S3-17: patients properly reached by one agent in a day
LATELY = timedelta(days=14)
OPEN_SHOWN = 50


@dataclass(frozen=True, slots=True)
class StepCounts:
    """How the steps of one number stand."""

    number: int
    planned: int
    tasked: int
    done: int
    missed: int
    cancelled: int

    @property
    def done_share(self) -> float | None:
        """Done of all that came to an end; None before the first has."""
        ended = self.done + self.missed
        return self.done / ended if ended else None


@dataclass(frozen=True, slots=True)
class OpenStep:
    """One contact to be made now, as the list shows it."""

    patient_id: UUID
    name: str
    department: str
    number: int
    opens_on: date
    target_on: date
    closes_on: date
    attempts: int
    next_try_at: datetime


@dataclass(frozen=True, slots=True)
class PlanView:
    """The plan and how it stands.

    `due` holds one count a day from today on; an open window past its aim counts today. `agents` is how many
    called here in the last two weeks.
    """

    name_zh: str
    name_en: str
    rules: PlanRules
    counts: list[StepCounts]
    due: list[int]
    today: date
    agents: int
    open_steps: list[OpenStep]
    open_total: int

    @property
    def capacity(self) -> int:
        """Contacts a day that these agents can make (S3-17)."""
        return self.agents * CALLS_A_DAY

    @property
    def peak(self) -> tuple[date, int] | None:
        """The busiest day ahead, None when nothing is due."""
        most = max(self.due, default=0)
        return (self.today + timedelta(days=self.due.index(most)), most) if most else None


def plan_view(session: HospitalSession, *, now: datetime) -> PlanView:
    """Everything the page shows, in six statements."""
    today = local_date(now)
    plan = session.scalar(
        select(RevisitPlan).where(
            RevisitPlan.tenant_id == session.tenant_id, RevisitPlan.active, RevisitPlan.code == "default"
        )
    )
    open_steps, open_total = _open(session, today)
    return PlanView(
        name_zh=plan.name if plan else "",
        name_en=plan.name_en if plan else "",
        rules=PlanRules.from_numbers(plan.rules) if plan else DEFAULT_PLAN,
        counts=_counts(session),
        due=_due(session, today),
        today=today,
        agents=_agents(session, now),
        open_steps=open_steps,
        open_total=open_total,
    )


def _counts(session: HospitalSession) -> list[StepCounts]:
    rows = session.execute(
        select(
            RevisitStep.number,
            *(
                func.count().filter(RevisitStep.state == state)
                for state in ("planned", "tasked", "done", "missed", "cancelled")
            ),
        )
        .where(RevisitStep.tenant_id == session.tenant_id)
        .group_by(RevisitStep.number)
        .order_by(RevisitStep.number)
    )
    return [StepCounts(*tuple(row)) for row in rows]


def _due(session: HospitalSession, today: date) -> list[int]:
    day = func.greatest(RevisitStep.target_on, today)
    rows = session.execute(
        select(day.label("day"), func.count().label("due"))
        .where(
            RevisitStep.tenant_id == session.tenant_id,
            RevisitStep.state.in_(("planned", "tasked")),
            RevisitStep.closes_on >= today,
            RevisitStep.target_on < today + timedelta(days=PREVIEW_DAYS),
        )
        .group_by(day)
    )
    counted = {row.day: row.due for row in rows}
    return [counted.get(today + timedelta(days=n), 0) for n in range(PREVIEW_DAYS)]


def _agents(session: HospitalSession, now: datetime) -> int:
    return (
        session.scalar(
            select(func.count(Call.agent_id.distinct())).where(
                Call.tenant_id == session.tenant_id, Call.dialled_at > now - LATELY, Call.dialled_at <= now
            )
        )
        or 0
    )


def _open(session: HospitalSession, today: date) -> tuple[list[OpenStep], int]:
    condition = (
        RevisitStep.tenant_id == session.tenant_id,
        RevisitStep.state == "tasked",
        RevisitStep.opens_on <= today,
    )
    total = session.scalar(select(func.count()).select_from(RevisitStep).where(*condition)) or 0
    rows = session.execute(
        select(
            RevisitStep.patient_id,
            Patient.name,
            func.coalesce(Department.name, "").label("department"),
            RevisitStep.number,
            RevisitStep.opens_on,
            RevisitStep.target_on,
            RevisitStep.closes_on,
            ContactTask.attempts,
            ContactTask.next_try_at,
        )
        .join(Patient, (Patient.tenant_id == RevisitStep.tenant_id) & (Patient.id == RevisitStep.patient_id))
        .join(
            Encounter,
            (Encounter.tenant_id == RevisitStep.tenant_id) & (Encounter.id == RevisitStep.encounter_id),
        )
        .outerjoin(
            Department,
            (Department.tenant_id == Encounter.tenant_id) & (Department.id == Encounter.department_id),
        )
        .join(
            ContactTask,
            (ContactTask.tenant_id == RevisitStep.tenant_id)
            & (ContactTask.source == SOURCE)
            & (ContactTask.source_id == RevisitStep.id),
        )
        .where(*condition)
        .order_by(RevisitStep.closes_on, RevisitStep.target_on, RevisitStep.id)
        .limit(OPEN_SHOWN)
    )
    return [OpenStep(*row) for row in rows], total
