"""Pairs of likely duplicates as the page shows them: side by side, masked, with what differs marked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Select, and_, func, or_, select, text
from sqlalchemy.orm import aliased

from foundation.database import HospitalSession
from foundation.languages import format_date, gettext
from foundation.languages import gettext as _
from foundation.masking import masked_name
from patients import labels
from patients.identity import age_on
from patients.models import Patient, PatientMerge, PossibleDuplicate

PAGE = 10
Show = Literal["open", "merged", "different"]
SHOWN: tuple[Show, ...] = ("open", "merged", "different")
Count = Callable[[HospitalSession, list[UUID]], dict[UUID, int]]
_counts: dict[str, tuple[str, Count]] = {}
_SIDES = text("""
    SELECT p.id, p.name, p.record_number, p.sex, p.birth_date, p.age_years, p.contact_state, p.created_at,
           encode(p.id_number_index, 'hex') AS id_number, e.kind, e.admitted_on, e.discharged_on,
           d.name AS department, n.numbers, o.started_on, t.stops, s.stays
    FROM patient p
    LEFT JOIN LATERAL (
        SELECT kind, admitted_on, discharged_on, department_id FROM encounter
        WHERE tenant_id = :tenant_id AND patient_id = p.id ORDER BY discharged_on DESC, id DESC LIMIT 1
    ) AS e ON true
    LEFT JOIN department d ON d.tenant_id = :tenant_id AND d.id = e.department_id
    LEFT JOIN LATERAL (
        SELECT array_agg(number_masked ORDER BY position, id) AS numbers FROM contact_point
        WHERE tenant_id = :tenant_id AND patient_id = p.id) AS n ON true
    LEFT JOIN LATERAL (
        SELECT started_on FROM enrolment WHERE tenant_id = :tenant_id AND patient_id = p.id
        AND ended_on IS NULL AND cancelled_on IS NULL) AS o ON true
    LEFT JOIN LATERAL (
        SELECT array_agg(reason ORDER BY started_at, id) AS stops FROM suppression
        WHERE tenant_id = :tenant_id AND patient_id = p.id AND lifted_at IS NULL) AS t ON true
    LEFT JOIN LATERAL (
        SELECT count(*) AS stays FROM encounter
        WHERE tenant_id = :tenant_id AND patient_id = p.id) AS s ON true
    WHERE p.tenant_id = :tenant_id AND p.id = ANY (CAST(:ids AS uuid[]))
""")


@dataclass(frozen=True, slots=True)
class Line:
    """One thing of both records: what it is, left, right, and whether they differ."""

    label: str
    left: str
    right: str
    differs: bool


@dataclass(frozen=True, slots=True)
class Pair:
    """A pair on the page. `merge_id` is the merge that decided it; `kept` the record that stayed then."""

    id: UUID
    reason: str
    found_at: datetime
    left_id: UUID
    right_id: UUID
    lines: tuple[Line, ...]
    decision: str | None
    decided_at: datetime | None
    decided_by: str | None
    merge_id: UUID | None
    kept: UUID | None


def register_count(name: str, label: str, count: Count) -> None:
    """Register what a higher floor counts of a record: (session, patients) → how many of each."""
    _counts[name] = (label, count)


def pairs(
    session: HospitalSession, show: Show, *, after: UUID | None = None
) -> tuple[list[Pair], UUID | None]:
    """A page of pairs, the strongest reasons first found first, and the cursor of the next page.

    Pairs of people whose data is restricted or erased are not shown (PIPL 47).
    """
    query = _of(session, show)
    if after is not None:
        query = query.where(PossibleDuplicate.id > after)
    rows = list(session.scalars(query.order_by(PossibleDuplicate.id).limit(PAGE + 1)))
    page = rows[:PAGE]
    ids = list({one for row in page for one in (row.first_id, row.second_id)})
    sides = _sides(session, ids)
    merges = _merges(session, page) if show == "merged" else {}
    found = [_pair(row, sides, merges.get(frozenset((row.first_id, row.second_id)))) for row in page]
    return found, page[-1].id if len(rows) > PAGE else None


def counts(session: HospitalSession) -> dict[Show, int]:
    """How many pairs wait, were merged, are two people."""
    return {
        show: int(session.scalar(select(func.count()).select_from(_of(session, show).subquery())) or 0)
        for show in SHOWN
    }


def _of(session: HospitalSession, show: Show) -> Select[PossibleDuplicate]:
    first, second = aliased(Patient), aliased(Patient)
    own = PossibleDuplicate.tenant_id == session.tenant_id
    decided = PossibleDuplicate.decision.is_(None) if show == "open" else PossibleDuplicate.decision == show
    query = (
        select(PossibleDuplicate)
        .join(first, and_(first.tenant_id == session.tenant_id, first.id == PossibleDuplicate.first_id))
        .join(second, and_(second.tenant_id == session.tenant_id, second.id == PossibleDuplicate.second_id))
        .where(own, decided, first.restricted_at.is_(None), second.restricted_at.is_(None))
    )
    if show == "open":
        query = query.where(first.merged_at.is_(None), second.merged_at.is_(None))
    return query


def _sides(session: HospitalSession, ids: list[UUID]) -> dict[UUID, dict[str, Any]]:
    if not ids:
        return {}
    rows = session.execute(_SIDES, {"tenant_id": session.tenant_id, "ids": ids}).mappings()
    sides = {row["id"]: dict(row) for row in rows}
    for name, (_label, count) in _counts.items():
        numbers = count(session, ids)
        for patient_id, side in sides.items():
            side[name] = numbers.get(patient_id, 0)
    return sides


def _merges(session: HospitalSession, rows: list[PossibleDuplicate]) -> dict[frozenset[UUID], PatientMerge]:
    ids = [row.first_id for row in rows] + [row.second_id for row in rows]
    live = session.scalars(
        select(PatientMerge).where(
            PatientMerge.tenant_id == session.tenant_id,
            PatientMerge.undone_at.is_(None),
            or_(PatientMerge.kept_id.in_(ids), PatientMerge.gone_id.in_(ids)),
        )
    )
    return {frozenset((merge.kept_id, merge.gone_id)): merge for merge in live}


def _pair(row: PossibleDuplicate, sides: dict[UUID, dict[str, Any]], merge: PatientMerge | None) -> Pair:
    return Pair(
        id=row.id,
        reason=row.reason,
        found_at=row.found_at,
        left_id=row.first_id,
        right_id=row.second_id,
        lines=tuple(_lines(sides[row.first_id], sides[row.second_id])),
        decision=row.decision,
        decided_at=row.decided_at,
        decided_by=row.decided_by,
        merge_id=merge.id if merge else None,
        kept=merge.kept_id if merge else None,
    )


def _lines(left: dict[str, Any], right: dict[str, Any]) -> list[Line]:
    shown = [
        (_("Name"), "name", lambda side: masked_name(side["name"])),
        (_("Record number"), "record_number", lambda side: side["record_number"]),
        (_("Sex"), "sex", lambda side: labels.of(labels.SEXES, side["sex"]) if side["sex"] else ""),
        (_("Born"), "birth_date", _born),
        (_("ID number"), "id_number", None),
        (_("Numbers"), "numbers", lambda side: " · ".join(side["numbers"] or ())),
        (_("Last stay"), "discharged_on", _stay),
        (_("Department"), "department", lambda side: side["department"] or ""),
        (_("Stays and visits"), "stays", lambda side: str(side["stays"])),
        (_("Enrolled since"), "started_on", lambda side: format_date(side["started_on"])),
        (_("Stopped"), "stops", _stops),
        *(
            (gettext(label), name, lambda side, name=name: str(side[name]))
            for name, (label, _count) in _counts.items()
        ),
        (_("On record since"), "created_at", lambda side: format_date(side["created_at"])),
    ]
    same = left["id_number"] == right["id_number"]
    found = []
    for label, name, words in shown:
        if words is None:
            sides = [_id_number(side, same=same) for side in (left, right)]
        else:
            sides = [words(side) for side in (left, right)]
        found.append(Line(label, sides[0] or "—", sides[1] or "—", left[name] != right[name]))
    return found


def _id_number(side: dict[str, Any], *, same: bool) -> str:
    if not side["id_number"]:
        return ""
    return _("on record, the same") if same else _("on record")


def _born(side: dict[str, Any]) -> str:
    born, last = side["birth_date"], side["discharged_on"]
    if born is None:
        return _("{age} years", age=side["age_years"]) if side["age_years"] is not None else ""
    day: date = last or side["created_at"].date()
    return _("{year}, {age} years", year=born.year, age=age_on(born, day))


def _stay(side: dict[str, Any]) -> str:
    if side["discharged_on"] is None:
        return ""
    days = [format_date(day) for day in (side["admitted_on"], side["discharged_on"]) if day]
    return f"{labels.of(labels.KINDS, side['kind'])} {' – '.join(days)}"


def _stops(side: dict[str, Any]) -> str:
    return "、".join(labels.of(labels.SUPPRESSION_REASONS, reason) for reason in side["stops"] or ())
