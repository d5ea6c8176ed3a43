"""The ledger (反馈处理台账, S0-29), the open cases of a patient, and how many there are.

One query feeds the page, the CSV and the Excel file: the same columns, rows and order (SC-21).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, true

from feedback.models import CaseClock, FeedbackCase
from foundation.calendar import local_date, local_day_start
from foundation.database import HospitalSession
from patients.models import Patient
from tenants.models import Department

View = Literal["open", "today", "overdue", "complaints", "all"]
VIEWS: tuple[View, ...] = ("open", "today", "overdue", "complaints", "all")


@dataclass(frozen=True, slots=True)
class LedgerQuery:
    """What of the ledger is wanted.

    `departments` keeps the reader to theirs (None: not kept). `search` is a part of the number or the
    beginning of the patient's name. Without `disputes` a medical dispute is a status line (S4-9), which no
    filter by what it is about may tell more of.
    """

    view: View = "open"
    category: str | None = None
    tier: int | None = None
    department_id: UUID | None = None
    search: str = ""
    departments: frozenset[UUID] | None = None
    disputes: bool = True


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One case in the ledger. `owners` and `next_kind` are of the next limit, `due_at` when it ends."""

    id: UUID
    number: str
    received_at: datetime
    channel: str
    category: str
    tag: str
    department: str | None
    tier: int
    medical_dispute: bool
    stage: str
    round: int
    next_kind: str | None
    owners: tuple[str, ...]
    due_at: datetime | None
    close_reason: str | None
    callback_level: int | None


@dataclass(frozen=True, slots=True)
class OpenCase:
    """An open case of a patient, as the call card shows it (J1: 在办 FK-…)."""

    id: UUID
    number: str
    tag: str
    tier: int
    stage: str
    received_at: datetime
    medical_dispute: bool


def ledger(
    session: HospitalSession,
    query: LedgerQuery,
    now: datetime,
    *,
    limit: int | None = None,
    offset: int = 0,
) -> list[LedgerRow]:
    """The rows by next deadline, what is closed last and newest first."""
    statement, due = _ledger(session, query, now)
    rows = session.execute(
        statement.order_by(due.asc().nulls_last(), FeedbackCase.received_at.desc(), FeedbackCase.id)
        .limit(limit)
        .offset(offset)
    )
    return [LedgerRow(**(row._asdict() | {"owners": tuple(row.owners or ())})) for row in rows]


def newest(
    session: HospitalSession, query: LedgerQuery, now: datetime, *, after: UUID | None = None, limit: int
) -> list[LedgerRow]:
    """The rows as they came in, the newest first, behind the row of the cursor: for programs, whose pages
    must not move while limits run out."""
    statement, _due = _ledger(session, query, now)
    if after is not None:
        statement = statement.where(FeedbackCase.id < after)
    rows = session.execute(statement.order_by(FeedbackCase.id.desc()).limit(limit))
    return [LedgerRow(**(row._asdict() | {"owners": tuple(row.owners or ())})) for row in rows]


def ledger_size(session: HospitalSession, query: LedgerQuery, now: datetime) -> int:
    """How many rows the query has."""
    statement, _due = _ledger(session, query, now)
    return session.scalar(select(func.count()).select_from(statement.subquery())) or 0


def overdue(session: HospitalSession, now: datetime) -> list[LedgerRow]:
    """Every open case whose next limit has passed, the longest overdue first (未办结预警, S0-30)."""
    return ledger(session, LedgerQuery(view="overdue"), now)


def open_cases(session: HospitalSession, patient_id: UUID) -> list[OpenCase]:
    """What is in hand for this patient, newest first."""
    rows = session.execute(
        select(
            FeedbackCase.id,
            FeedbackCase.number,
            FeedbackCase.tag,
            FeedbackCase.tier,
            FeedbackCase.stage,
            FeedbackCase.received_at,
            FeedbackCase.medical_dispute,
        )
        .where(
            FeedbackCase.tenant_id == session.tenant_id,
            FeedbackCase.patient_id == patient_id,
            FeedbackCase.stage != "closed",
        )
        .order_by(FeedbackCase.received_at.desc(), FeedbackCase.id)
    )
    return [OpenCase(**row._asdict()) for row in rows]


def departments(session: HospitalSession) -> list[tuple[UUID, str]]:
    """The hospital's departments by name."""
    rows = session.execute(
        select(Department.id, Department.name)
        .where(Department.tenant_id == session.tenant_id)
        .order_by(Department.name)
    )
    return [(row.id, row.name) for row in rows]


def _ledger(
    session: HospitalSession, query: LedgerQuery, now: datetime
) -> tuple[Select[*tuple[Any, ...]], ColumnElement[datetime]]:
    clock = _next_clock()
    due: ColumnElement[datetime] = clock.c.due_at
    statement = (
        select(
            FeedbackCase.id,
            FeedbackCase.number,
            FeedbackCase.received_at,
            FeedbackCase.channel,
            FeedbackCase.category,
            FeedbackCase.tag,
            Department.name.label("department"),
            FeedbackCase.tier,
            FeedbackCase.medical_dispute,
            FeedbackCase.stage,
            FeedbackCase.round,
            clock.c.kind.label("next_kind"),
            clock.c.owners,
            due.label("due_at"),
            FeedbackCase.close_reason,
            FeedbackCase.callback_level,
        )
        .select_from(FeedbackCase)
        .outerjoin(
            Department,
            and_(
                Department.tenant_id == FeedbackCase.tenant_id,
                Department.id == FeedbackCase.department_id,
            ),
        )
        .outerjoin(clock, true())
        .where(FeedbackCase.tenant_id == session.tenant_id, *_conditions(query), *_of_view(query, due, now))
    )
    return statement, due


def _next_clock() -> Any:
    """The limit that runs out first among those still to be kept in the present round.

    Once a case is handled only the callback is left to keep; what was missed before stays in the case's page.
    """
    handled = FeedbackCase.stage == "handled"
    callback = CaseClock.kind == "callback"
    return (
        select(CaseClock.kind, CaseClock.due_at, CaseClock.explanation["owners"].label("owners"))
        .where(
            CaseClock.tenant_id == FeedbackCase.tenant_id,
            CaseClock.case_id == FeedbackCase.id,
            CaseClock.round == FeedbackCase.round,
            CaseClock.met_at.is_(None),
            FeedbackCase.stage != "closed",
            handled == callback,
        )
        .order_by(CaseClock.due_at)
        .limit(1)
        .lateral("next_clock")
    )


def _conditions(query: LedgerQuery) -> list[ColumnElement[bool]]:
    # Who had their data restricted is on no list (PIPL 47); a complaint in hand is still to be answered.
    restricted = (
        select(Patient.id)
        .where(
            Patient.tenant_id == FeedbackCase.tenant_id,
            Patient.id == FeedbackCase.patient_id,
            Patient.restricted_at.is_not(None),
        )
        .exists()
    )
    found: list[ColumnElement[bool]] = [or_(FeedbackCase.stage != "closed", ~restricted)]
    if query.category:
        found.append(FeedbackCase.category == query.category)
    if query.tier:
        found.append(FeedbackCase.tier == query.tier)
    if query.department_id:
        found.append(FeedbackCase.department_id == query.department_id)
    if query.departments is not None:
        found.append(FeedbackCase.department_id.in_(query.departments))
    if not query.disputes and (query.category or query.department_id):
        found.append(FeedbackCase.medical_dispute.is_(False))
    words = query.search.strip()
    if words:
        named = (
            select(Patient.id)
            .where(
                Patient.tenant_id == FeedbackCase.tenant_id,
                Patient.id == FeedbackCase.patient_id,
                Patient.name.istartswith(words, autoescape=True),
            )
            .exists()
        )
        found.append(or_(FeedbackCase.number.icontains(words, autoescape=True), named))
    return found


def _of_view(query: LedgerQuery, due: ColumnElement[datetime], now: datetime) -> list[ColumnElement[bool]]:
    """今日到期 ends today and is still in time or not; 超期 has passed; 投诉 is tier 3, open or closed."""
    if query.view == "open":
        return [FeedbackCase.stage != "closed"]
    if query.view == "today":
        start = local_day_start(local_date(now))
        return [due >= start, due < start + timedelta(days=1)]
    if query.view == "overdue":
        return [due < now]
    return [FeedbackCase.tier == 3] if query.view == "complaints" else []
