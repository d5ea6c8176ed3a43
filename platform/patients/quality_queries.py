"""What is wrong in a hospital's data (数据质量, SC-25), read from what is stored: a thing put right is gone.

Four lists, each with whom to correct: wrong numbers by ward and by file (an import problem shows as many from
one ward in one file), patients whom nobody can call, stays without a department, and ways in that are silent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, exists, select, text

from foundation.database import HospitalSession
from foundation.masking import masked_name
from patients import feed_queries
from tenants.identity import membership
from tenants.models import Department, Membership
from tenants.rights import Role

PAGE = 50
MOST_ROWS = 20_000  # of a downloaded list
LATELY = timedelta(days=90)  # discharges that shares are taken of
CLUSTER = 3  # wrong numbers of one ward in one file that are no chance any more

# A number where a stranger answered, or that a spreadsheet damaged; the person in use.
_BAD = """
    bad AS (
        SELECT f.patient_id FROM (
            SELECT c.patient_id FROM contact_point c
            WHERE c.tenant_id = :tenant_id AND c.invalid_since IS NOT NULL
            UNION
            SELECT d.patient_id FROM data_problem d
            WHERE d.tenant_id = :tenant_id AND d.resolved_at IS NULL
              AND d.kind IN ('wrong_number', 'phone_damaged')) AS f
        JOIN patient p ON p.tenant_id = :tenant_id AND p.id = f.patient_id
        WHERE p.restricted_at IS NULL AND p.merged_at IS NULL)
"""
_LATELY = """
    lately AS (
        SELECT e.patient_id, e.ward, e.department_id, e.import_id FROM encounter e
        WHERE e.tenant_id = :tenant_id AND e.kind IN ('inpatient', 'outpatient', 'checkup')
          AND e.discharged_on >= :since AND e.withdrawn_at IS NULL)
"""


def _of(query: str) -> TextClause:
    return text(query.replace("{bad}", _BAD).replace("{lately}", _LATELY))


_BY_WARD = _of("""
    WITH {bad}, {lately}
    SELECT l.ward, l.department_id, d.name AS department, count(DISTINCT l.patient_id) AS patients,
           count(DISTINCT b.patient_id) AS wrong
    FROM lately l
    LEFT JOIN bad b ON b.patient_id = l.patient_id
    LEFT JOIN department d ON d.tenant_id = :tenant_id AND d.id = l.department_id
    GROUP BY l.ward, l.department_id, d.name
    HAVING count(b.patient_id) > 0
    ORDER BY wrong DESC, patients, d.name, l.ward LIMIT :limit
""")
_BY_FILE = _of("""
    WITH {bad}, {lately}
    SELECT l.import_id, i.file_name, i.imported_at, l.ward, l.department_id, d.name AS department,
           count(DISTINCT l.patient_id) AS patients, count(DISTINCT b.patient_id) AS wrong
    FROM lately l
    JOIN data_import i ON i.tenant_id = :tenant_id AND i.id = l.import_id
    LEFT JOIN bad b ON b.patient_id = l.patient_id
    LEFT JOIN department d ON d.tenant_id = :tenant_id AND d.id = l.department_id
    GROUP BY l.import_id, i.file_name, i.imported_at, l.ward, l.department_id, d.name
    HAVING count(DISTINCT b.patient_id) >= :least
    ORDER BY wrong DESC, i.imported_at DESC, l.ward LIMIT :limit
""")
_WRONG = _of("""
    WITH {bad}
    SELECT p.id, p.name, p.record_number, p.contact_state, e.ward, d.name AS department, e.discharged_on,
           (SELECT string_agg(c.number_masked, ', ' ORDER BY c.position) FROM contact_point c
            WHERE c.tenant_id = :tenant_id AND c.patient_id = p.id AND c.invalid_since IS NOT NULL) AS numbers
    FROM bad b
    JOIN patient p ON p.tenant_id = :tenant_id AND p.id = b.patient_id
    LEFT JOIN LATERAL (
        SELECT ward, department_id, discharged_on FROM encounter
        WHERE tenant_id = :tenant_id AND patient_id = p.id AND withdrawn_at IS NULL
        ORDER BY discharged_on DESC, id DESC LIMIT 1) AS e ON true
    LEFT JOIN department d ON d.tenant_id = :tenant_id AND d.id = e.department_id
    WHERE (CAST(:after AS uuid) IS NULL OR p.id < :after)
      AND (NOT :of_ward OR EXISTS (
          SELECT 1 FROM encounter w WHERE w.tenant_id = :tenant_id AND w.patient_id = p.id
          AND w.withdrawn_at IS NULL AND w.ward = :ward
          AND w.department_id IS NOT DISTINCT FROM CAST(:department_id AS uuid)
          AND (CAST(:import_id AS uuid) IS NULL OR w.import_id = :import_id)))
    ORDER BY p.id DESC LIMIT :limit
""")
_UNREACHABLE = text("""
    SELECT p.id, p.name, p.record_number, p.contact_state, e.ward, d.name AS department, e.discharged_on,
           '' AS numbers
    FROM patient p
    LEFT JOIN LATERAL (
        SELECT ward, department_id, discharged_on FROM encounter
        WHERE tenant_id = :tenant_id AND patient_id = p.id AND withdrawn_at IS NULL
        ORDER BY discharged_on DESC, id DESC LIMIT 1) AS e ON true
    LEFT JOIN department d ON d.tenant_id = :tenant_id AND d.id = e.department_id
    WHERE p.tenant_id = :tenant_id AND p.contact_state <> 'reachable' AND p.restricted_at IS NULL
      AND p.merged_at IS NULL AND (CAST(:after AS uuid) IS NULL OR p.id < :after)
      AND NOT EXISTS (SELECT 1 FROM suppression s WHERE s.tenant_id = :tenant_id AND s.patient_id = p.id
                      AND s.lifted_at IS NULL)
    ORDER BY p.id DESC LIMIT :limit
""")
_NO_DEPARTMENT = text("""
    SELECT e.ward, e.kind, count(*) AS stays, count(DISTINCT e.patient_id) AS patients,
           max(e.discharged_on) AS latest
    FROM encounter e
    WHERE e.tenant_id = :tenant_id AND e.department_id IS NULL AND e.withdrawn_at IS NULL
      AND e.kind <> 'cooperation'
    GROUP BY e.ward, e.kind ORDER BY stays DESC, e.ward, e.kind LIMIT :limit
""")
_COUNTS = _of("""
    WITH {bad}
    SELECT (SELECT count(*) FROM bad) AS wrong,
           (SELECT count(*) FROM patient p
            WHERE p.tenant_id = :tenant_id AND p.contact_state <> 'reachable' AND p.restricted_at IS NULL
              AND p.merged_at IS NULL
              AND NOT EXISTS (SELECT 1 FROM suppression s WHERE s.tenant_id = :tenant_id
                              AND s.patient_id = p.id AND s.lifted_at IS NULL)) AS unreachable,
           (SELECT count(*) FROM encounter e
            WHERE e.tenant_id = :tenant_id AND e.department_id IS NULL AND e.withdrawn_at IS NULL
              AND e.kind <> 'cooperation') AS departments,
           (SELECT count(*) FROM data_problem d JOIN patient p ON p.tenant_id = :tenant_id
                AND p.id = d.patient_id
            WHERE d.tenant_id = :tenant_id AND d.resolved_at IS NULL AND p.restricted_at IS NULL
              AND p.merged_at IS NULL) AS problems
""")


@dataclass(frozen=True, slots=True)
class Counts:
    """How much stands in each list; `feeds` are the ways in that are silent for too long."""

    wrong: int
    unreachable: int
    departments: int
    problems: int
    feeds: int


@dataclass(frozen=True, slots=True)
class WardLine:
    """Wrong numbers among the patients of one ward (病区): `share` is a fraction of one."""

    ward: str
    department_id: UUID | None
    department: str
    patients: int
    wrong: int

    @property
    def share(self) -> float:
        """Which part of the ward's patients has a wrong number."""
        return self.wrong / self.patients


@dataclass(frozen=True, slots=True)
class FileLine:
    """Wrong numbers of one ward in one file: an import problem (J3)."""

    import_id: UUID
    file_name: str
    imported_at: datetime
    ward: str
    department_id: UUID | None
    department: str
    patients: int
    wrong: int


@dataclass(frozen=True, slots=True)
class Faulty:
    """A patient in one of the lists; `numbers` are those that are wrong, masked."""

    id: UUID
    masked_name: str
    record_number: str
    contact_state: str
    ward: str
    department: str
    discharged_on: date | None
    numbers: str


@dataclass(frozen=True, slots=True)
class People:
    """A page of a list of patients; `after` is the cursor of the next one, None at the end."""

    lines: tuple[Faulty, ...]
    after: UUID | None


@dataclass(frozen=True, slots=True)
class NoDepartment:
    """Stays of one ward whose department the lists left out."""

    ward: str
    kind: str
    stays: int
    patients: int
    latest: date


@dataclass(frozen=True, slots=True)
class Chosen:
    """One ward, and of it one file, whose patients are looked at."""

    ward: str
    department_id: UUID | None = None
    import_id: UUID | None = None


def counts(session: HospitalSession, now: datetime) -> Counts:
    """The figures beside the tabs."""
    row = session.execute(_COUNTS, {"tenant_id": session.tenant_id}).one()
    late = sum(feed.late for feed in feed_queries.ages(session, now))
    return Counts(row.wrong, row.unreachable, row.departments, row.problems, late)


def by_ward(session: HospitalSession, today: date, *, limit: int = PAGE) -> list[WardLine]:
    """Wards with wrong numbers among those discharged in the last 90 days, the most first."""
    rows = session.execute(_BY_WARD, _window(session, today, limit))
    return [
        WardLine(row.ward, row.department_id, row.department or "", row.patients, row.wrong) for row in rows
    ]


def by_file(session: HospitalSession, today: date, *, limit: int = PAGE) -> list[FileLine]:
    """Files in which one ward has several wrong numbers, of the last 90 days, the most first."""
    rows = session.execute(_BY_FILE, _window(session, today, limit) | {"least": CLUSTER})
    return [FileLine(**(dict(row) | {"department": row["department"] or ""})) for row in rows.mappings()]


def wrong_numbers(
    session: HospitalSession, chosen: Chosen | None = None, *, after: UUID | None = None, limit: int = PAGE
) -> People:
    """Patients with a wrong number, of one ward or file, the newest first."""
    only = {
        "of_ward": chosen is not None,
        "ward": chosen.ward if chosen else "",
        "department_id": chosen.department_id if chosen else None,
        "import_id": chosen.import_id if chosen else None,
    }
    return _people(session, _WRONG, only, after, limit)


def unreachable(session: HospitalSession, *, after: UUID | None = None, limit: int = PAGE) -> People:
    """Patients whom nobody can call (无法联系): no number, or of a child no guardian's; who may not be
    contacted anyway is left out.
    """
    return _people(session, _UNREACHABLE, {}, after, limit)


def without_department(session: HospitalSession, *, limit: int = PAGE) -> list[NoDepartment]:
    """Stays and visits without a department, by ward, the most first."""
    rows = session.execute(_NO_DEPARTMENT, {"tenant_id": session.tenant_id, "limit": limit})
    return [NoDepartment(*row) for row in rows]


def departments(session: HospitalSession) -> Sequence[tuple[UUID, str]]:
    """The hospital's departments by name."""
    query = select(Department.id, Department.name).where(Department.tenant_id == session.tenant_id)
    return [(row.id, row.name) for row in session.execute(query.order_by(Department.name))]


def without_head(session: HospitalSession) -> list[str]:
    """The departments whose cases nobody receives, because no account heads them."""
    headed = exists().where(
        Membership.tenant_id == session.tenant_id,
        Membership.department_id == Department.id,
        Membership.role == Role.DEPARTMENT_HEAD.value,
        membership.counts(),
    )
    query = select(Department.name).where(Department.tenant_id == session.tenant_id, ~headed)
    return list(session.scalars(query.order_by(Department.name)))


def _window(session: HospitalSession, today: date, limit: int) -> dict[str, Any]:
    return {"tenant_id": session.tenant_id, "since": today - LATELY, "limit": limit}


def _people(
    session: HospitalSession, query: TextClause, only: dict[str, Any], after: UUID | None, limit: int
) -> People:
    rows = session.execute(
        query, {"tenant_id": session.tenant_id, "after": after, "limit": limit + 1} | only
    ).all()
    lines = tuple(
        Faulty(
            id=row.id,
            masked_name=masked_name(row.name),
            record_number=row.record_number,
            contact_state=row.contact_state,
            ward=row.ward or "",
            department=row.department or "",
            discharged_on=row.discharged_on,
            numbers=row.numbers or "",
        )
        for row in rows[:limit]
    )
    return People(lines, lines[-1].id if len(rows) > limit else None)
