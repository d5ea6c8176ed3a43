"""What the page of enrolments reads (入组名单): from when to when somebody is in the programme, and why.

Since when somebody is billed is known on a higher floor, which registers how to ask (`on_billed`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Literal
from uuid import UUID

from sqlalchemy import ColumnElement, func, select

from foundation.calendar import add_months
from foundation.database import HospitalSession
from foundation.masking import masked_name
from patients.models import Enrolment, Patient

PAGE = 50
Show = Literal["open", "ended", "cancelled"]
# (session, enrolment ids) → the first billed month of each that has one.
Billed = Callable[[HospitalSession, list[UUID]], dict[UUID, date]]
_billed: list[Billed] = []


@dataclass(frozen=True, slots=True)
class Line:
    """One enrolment; `billed_since` is the first day of its first billed month, None before it has one."""

    id: UUID
    patient_id: UUID
    masked_name: str
    record_number: str
    started_on: date
    start_reason: str
    ended_on: date | None
    end_reason: str | None
    cancelled_on: date | None
    billed_since: date | None = None


def on_billed(ask: Billed) -> Billed:
    """Register who knows since when an enrolment is billed; harmless twice."""
    if ask not in _billed:
        _billed.append(ask)
    return ask


def listed(
    session: HospitalSession, show: Show, *, month: date | None = None, after: UUID | None = None
) -> list[Line]:
    """Enrolments of one state, the newest first; one more than a page if there are. With `month` those that
    began (open), ended or were cancelled in it. Restricted and merged records stand in no list.
    """
    day = {"open": Enrolment.started_on, "ended": Enrolment.ended_on, "cancelled": Enrolment.cancelled_on}
    query = (
        select(Enrolment, Patient.name, Patient.record_number)
        .join(Patient, (Patient.tenant_id == Enrolment.tenant_id) & (Patient.id == Enrolment.patient_id))
        .where(
            Enrolment.tenant_id == session.tenant_id,
            *_states(show),
            Patient.restricted_at.is_(None),
            Patient.merged_at.is_(None),
        )
    )
    if month is not None:
        query = query.where(day[show] >= month, day[show] < add_months(month, 1))
    if after is not None:
        query = query.where(Enrolment.id < after)
    rows = session.execute(query.order_by(Enrolment.id.desc()).limit(PAGE + 1)).all()
    billed: dict[UUID, date] = {}
    for ask in _billed:
        billed |= ask(session, [row.id for row, _, _ in rows])
    return [
        Line(
            id=row.id,
            patient_id=row.patient_id,
            masked_name=masked_name(name),
            record_number=number,
            started_on=row.started_on,
            start_reason=row.start_reason,
            ended_on=row.ended_on,
            end_reason=row.end_reason,
            cancelled_on=row.cancelled_on,
            billed_since=billed.get(row.id),
        )
        for row, name, number in rows
    ]


def counts(session: HospitalSession) -> dict[str, int]:
    """How many enrolments are in each state; one statement."""
    row = session.execute(
        select(
            func.count().filter(Enrolment.ended_on.is_(None), Enrolment.cancelled_on.is_(None)),
            func.count().filter(Enrolment.ended_on.is_not(None)),
            func.count().filter(Enrolment.cancelled_on.is_not(None)),
        )
        .select_from(Enrolment)
        .join(Patient, (Patient.tenant_id == Enrolment.tenant_id) & (Patient.id == Enrolment.patient_id))
        .where(
            Enrolment.tenant_id == session.tenant_id,
            Patient.restricted_at.is_(None),
            Patient.merged_at.is_(None),
        )
    ).one()
    return {"open": row[0], "ended": row[1], "cancelled": row[2]}


def _states(show: Show) -> list[ColumnElement[bool]]:
    if show == "ended":
        return [Enrolment.ended_on.is_not(None)]
    if show == "cancelled":
        return [Enrolment.cancelled_on.is_not(None)]
    return [Enrolment.ended_on.is_(None), Enrolment.cancelled_on.is_(None)]
