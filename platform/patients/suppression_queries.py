"""What the page of stopped contacts reads: who must be left alone, why, since when, and who said so.

Restricted and merged records stand in no list (PIPL 47); their stops belong to the request and to the merge.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select

from foundation.database import HospitalSession
from foundation.masking import masked_name
from patients.models import Patient, Suppression
from patients.reporters import reported_here
from patients.suppression import REASONS
from tenants.keys import unseal

PAGE = 50


@dataclass(frozen=True, slots=True)
class Line:
    """One active stop. `note` is in the clear and only there for a death to be confirmed; `mine` says that
    the reader reported it and so is not the one who confirms it.
    """

    id: UUID
    patient_id: UUID
    masked_name: str
    record_number: str
    reason: str
    source: str
    started_at: datetime
    started_by: str
    confirmed_at: datetime | None
    confirmed_by: str | None
    note: str = ""
    mine: bool = False


def to_confirm(session: HospitalSession, *, after: UUID | None = None) -> list[Line]:
    """Deaths that wait for their second confirmation, the oldest first; one more than a page if there are."""
    query = _active(session, Suppression.reason == "deceased", Suppression.confirmed_at.is_(None))
    if after is not None:
        query = query.where(Suppression.id > after)
    rows = session.execute(query.order_by(Suppression.id).limit(PAGE + 1)).all()
    mine = reported_here(session, [row for row, _, _ in rows])
    return [
        _line(row, name, number, note=unseal(session, row.note_cipher), mine=row.id in mine)
        for row, name, number in rows
    ]


def active(session: HospitalSession, *, reason: str | None = None, after: UUID | None = None) -> list[Line]:
    """Who must not be contacted, the newest first; one more than a page if there are."""
    query = _active(session, *([Suppression.reason == reason] if reason else []))
    if after is not None:
        query = query.where(Suppression.id < after)
    rows = session.execute(query.order_by(Suppression.id.desc()).limit(PAGE + 1))
    return [_line(row, name, number) for row, name, number in rows]


def counts(session: HospitalSession) -> tuple[dict[str, int], int]:
    """How many stops hold, by reason, and how many deaths wait to be confirmed; one statement."""
    waiting = func.count().filter(Suppression.reason == "deceased", Suppression.confirmed_at.is_(None))
    rows = session.execute(
        _in_use(session, select(Suppression.reason, func.count(), waiting)).group_by(Suppression.reason)
    ).all()
    found = {row[0]: int(row[1]) for row in rows}
    return {reason: found[reason] for reason in REASONS if reason in found}, sum(int(row[2]) for row in rows)


def _active(session: HospitalSession, *conditions: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    return _in_use(session, select(Suppression, Patient.name, Patient.record_number)).where(*conditions)


def _in_use(session: HospitalSession, query: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    return (
        query.select_from(Suppression)
        .join(
            Patient,
            (Patient.tenant_id == Suppression.tenant_id) & (Patient.id == Suppression.patient_id),
        )
        .where(
            Suppression.tenant_id == session.tenant_id,
            Suppression.lifted_at.is_(None),
            Suppression.reason.in_(REASONS),
            Patient.restricted_at.is_(None),
            Patient.merged_at.is_(None),
        )
    )


def _line(row: Suppression, name: str, number: str, *, note: str = "", mine: bool = False) -> Line:
    return Line(
        id=row.id,
        patient_id=row.patient_id,
        masked_name=masked_name(name),
        record_number=number,
        reason=row.reason,
        source=row.source,
        started_at=row.started_at,
        started_by=row.started_by,
        confirmed_at=row.confirmed_at,
        confirmed_by=row.confirmed_by,
        note=note,
        mine=mine,
    )
