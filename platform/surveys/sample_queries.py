"""What the pages, the files and the API read of samples: the months, and who was drawn, who was not and why.

The reason beside a line is that of the day on which it came into the list. Whoever has been erased or asked
for a restriction since then still stands there, without a name or a number (PIPL 47).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, get_args
from uuid import UUID

from sqlalchemy import Row, TextClause, select, text

from foundation.database import HospitalSession
from foundation.masking import masked_name
from patients.models import Encounter
from surveys.models import SampleMember, SurveySample
from tenants.models import Department

PAGE = 50
SAMPLES = 12
Result = Literal["drawn", "not_drawn", "excluded"]
RESULTS: tuple[Result, ...] = get_args(Result)


@dataclass(frozen=True, slots=True)
class SampleLine:
    """One sample and what became of it. `asked`: somebody dialled or a questionnaire was begun; `reached`:
    somebody spoke with them; `answered`: a complete or partial questionnaire; `stopped`: suppressed before.
    """

    id: UUID
    month: date
    audience: str
    rate: Decimal
    seed: str
    drawn_at: datetime
    frame: int
    drawn: int
    excluded: dict[str, int]
    asked: int
    reached: int
    answered: int
    waiting: int
    stopped: int

    @property
    def left_out(self) -> int:
        """How many could not be drawn."""
        return sum(self.excluded.values())

    @property
    def share_drawn(self) -> float | None:
        """Drawn of the frame, 0 to 1."""
        return self.drawn / self.frame if self.frame else None

    @property
    def share_answered(self) -> float | None:
        """Answered of the drawn, 0 to 1."""
        return self.answered / self.drawn if self.drawn else None


# The contacts of a stay or visit: outpatients and organisations have one of the sample, inpatients those of
# their follow-up, which ask the questionnaire (D1).
_CONTACTS = """
 LEFT JOIN LATERAL (
     SELECT count(*) AS n, bool_or(t.state = 'open') AS open, bool_or(t.state = 'refused') AS refused,
            bool_or(t.attempts > 0) AS tried,
            bool_or(t.state IN ('completed', 'partial') OR EXISTS (
                SELECT 1 FROM call c WHERE c.tenant_id = t.tenant_id AND c.patient_id = t.patient_id
                   AND c.task_id = t.id AND c.connected_at IS NOT NULL)) AS reached
       FROM contact_task t
      WHERE t.tenant_id = e.tenant_id AND t.patient_id = e.patient_id AND t.encounter_id = e.id
        AND m.drawn AND t.kind IN ('survey', 'revisit')) AS t ON true
 LEFT JOIN LATERAL (
     SELECT bool_or(r.state IN ('complete', 'partial')) AS answered, count(*) > 0 AS begun
       FROM response r
      WHERE r.tenant_id = e.tenant_id AND r.encounter_id = e.id AND m.drawn) AS r ON true
"""
_SAMPLES = """
SELECT s.id, s.month, s.audience, s.rate, s.seed, s.drawn_at, s.frame_size AS frame, s.drawn_size AS drawn,
       coalesce((SELECT jsonb_object_agg(x.excluded, x.n) FROM (
           SELECT m.excluded, count(*) AS n FROM sample_member m
            WHERE m.tenant_id = s.tenant_id AND m.sample_id = s.id AND m.excluded IS NOT NULL
            GROUP BY m.excluded) AS x), '{}') AS excluded,
       w.asked, w.reached, w.answered, w.waiting, w.stopped
  FROM survey_sample s
 CROSS JOIN LATERAL (
       SELECT count(*) FILTER (WHERE t.tried OR r.begun) AS asked,
              count(*) FILTER (WHERE t.reached OR r.answered) AS reached,
              count(*) FILTER (WHERE r.answered) AS answered,
              count(*) FILTER (WHERE t.open AND r.answered IS NOT TRUE) AS waiting,
              count(*) FILTER (WHERE m.stopped_by_id IS NOT NULL AND r.answered IS NOT TRUE) AS stopped
         FROM sample_member m
         JOIN encounter e ON e.tenant_id = m.tenant_id AND e.id = m.encounter_id
"""
_SAMPLES_END = """
        WHERE m.tenant_id = s.tenant_id AND m.sample_id = s.id AND m.drawn) AS w
 WHERE s.tenant_id = :tenant
"""
_LIST = text(
    f"{_SAMPLES}{_CONTACTS}{_SAMPLES_END}"
    """
   AND (CAST(:audience AS text) IS NULL OR s.audience = :audience)
   AND (CAST(:month AS date) IS NULL OR (s.month, s.id) < (CAST(:month AS date), CAST(:after AS uuid)))
 ORDER BY s.month DESC, s.id DESC LIMIT :most
"""
)
_ONE = text(f"{_SAMPLES}{_CONTACTS}{_SAMPLES_END} AND s.id = :sample")

_MEMBERS = f"""
SELECT m.id, m.position, m.drawn, m.excluded, m.stopped_by_id, e.id AS encounter_id, e.patient_id,
       e.record_number, e.discharged_on, e.withdrawn_at IS NOT NULL AS withdrawn, d.name AS department,
       p.name, p.restricted_at IS NOT NULL AS hidden, p.erased_at IS NOT NULL AS erased,
       p.merged_at IS NOT NULL AS merged, p.contact_type, x.reason AS stopped_reason,
       md5(CAST(:seed AS text) || e.record_number) AS rank,
       CASE WHEN m.excluded IS NOT NULL THEN 'excluded'
            WHEN NOT m.drawn THEN 'not_drawn'
            WHEN r.answered THEN 'answered'
            WHEN m.stopped_by_id IS NOT NULL THEN 'stopped'
            WHEN t.refused THEN 'refused'
            WHEN t.reached THEN 'reached'
            WHEN t.open THEN 'waiting'
            WHEN t.n > 0 THEN 'not_reached'
            ELSE 'no_contact' END AS state
  FROM sample_member m
  JOIN encounter e ON e.tenant_id = m.tenant_id AND e.id = m.encounter_id
  JOIN patient p ON p.tenant_id = e.tenant_id AND p.id = e.patient_id
  LEFT JOIN department d ON d.tenant_id = e.tenant_id AND d.id = e.department_id
  LEFT JOIN suppression x ON x.tenant_id = m.tenant_id AND x.id = m.stopped_by_id
{_CONTACTS}
 WHERE m.tenant_id = :tenant AND m.sample_id = :sample
"""  # noqa: S608 - as above
_ORDER = " ORDER BY m.position"
_FILTERS = {
    "drawn": " AND m.drawn",
    "not_drawn": " AND NOT m.drawn AND m.excluded IS NULL",
    "excluded": " AND m.excluded IS NOT NULL",
}
_DEPARTMENT = " AND e.department_id = :department"
# The few visits of a record number are found first, by its index: the planner cannot take the long way.
_NUMBER = " AND m.encounter_id = ANY (CAST(:encounters AS uuid[])) AND p.restricted_at IS NULL"
_AFTER = " AND m.position > :position"
KINDS = {"inpatient": "inpatient", "outpatient": "outpatient", "organisation": "cooperation"}


@dataclass(frozen=True, slots=True)
class MemberLine:
    """One line of a sample's list: the place in the order of the draw, and what became of it.

    `state` is `excluded`, `not_drawn`, `answered`, `stopped`, `refused`, `reached`, `waiting`, `not_reached`
    (the contact ended without a conversation) or `no_contact` (none was made yet, or none could be).
    `patient_id` is None where there is no page to lead to; `rank` is the digest that orders the draw, empty
    where the record number is not shown any more.
    """

    id: UUID
    position: int
    masked_name: str
    record_number: str
    department: str
    on: date
    drawn: bool
    excluded: str | None
    state: str
    stopped_reason: str | None
    withdrawn: bool
    gone: Literal["erased", "restricted"] | None
    patient_id: UUID | None
    rank: str


@dataclass(frozen=True, slots=True)
class MemberQuery:
    """Which lines of a list; a record number (病案号, 门诊号) is searched for as a whole."""

    result: Result | None = None
    department_id: UUID | None = None
    number: str = ""


@dataclass(frozen=True, slots=True)
class MemberPage:
    """A page of a list in the order of the draw; `after` is the cursor of the next page."""

    lines: tuple[MemberLine, ...]
    after: UUID | None


def samples(
    session: HospitalSession,
    *,
    audience: str | None = None,
    after: SurveySample | None = None,
    limit: int = SAMPLES,
) -> list[SampleLine]:
    """The samples, the newest month first."""
    rows = session.execute(
        _LIST,
        {
            "tenant": session.tenant_id,
            "audience": audience,
            "month": after.month if after else None,
            "after": after.id if after else None,
            "most": limit,
        },
    )
    return [SampleLine(**row._mapping) for row in rows]


def one(session: HospitalSession, sample_id: UUID) -> SampleLine | None:
    """One sample, None when this hospital has none such."""
    row = session.execute(_ONE, {"tenant": session.tenant_id, "sample": sample_id}).first()
    return None if row is None else SampleLine(**row._mapping)


def members(
    session: HospitalSession,
    sample: SampleLine,
    query: MemberQuery,
    *,
    after: UUID | None = None,
    limit: int = PAGE,
) -> MemberPage:
    """A page of the list."""
    statement, values = _statement(sample, query, session)
    if after is not None:
        values["position"] = session.scalar(
            select(SampleMember.position).where(
                SampleMember.tenant_id == session.tenant_id, SampleMember.id == after
            )
        )
        statement += _AFTER
    rows = session.execute(text(statement + _ORDER + " LIMIT :most"), values | {"most": limit + 1}).all()
    lines = tuple(_line(row) for row in rows[:limit])
    return MemberPage(lines, lines[-1].id if len(rows) > limit else None)


def whole_list(session: HospitalSession, sample: SampleLine, query: MemberQuery) -> Iterator[MemberLine]:
    """Every line, read as it is written."""
    statement, values = _statement(sample, query, session)
    found: TextClause = text(statement + _ORDER)
    for row in session.execute(found, values, execution_options={"yield_per": 2_000}):
        yield _line(row)


def departments(session: HospitalSession) -> list[tuple[UUID, str]]:
    """The hospital's departments by name."""
    rows = session.execute(
        select(Department.id, Department.name)
        .where(Department.tenant_id == session.tenant_id)
        .order_by(Department.name)
    )
    return [(row.id, row.name) for row in rows]


def _statement(
    sample: SampleLine, query: MemberQuery, session: HospitalSession
) -> tuple[str, dict[str, Any]]:
    statement = _MEMBERS
    values: dict[str, Any] = {"tenant": session.tenant_id, "sample": sample.id, "seed": sample.seed}
    if query.result is not None:
        statement += _FILTERS[query.result]
    if query.department_id is not None:
        statement += _DEPARTMENT
        values["department"] = query.department_id
    if query.number:
        statement += _NUMBER
        values["encounters"] = list(
            session.scalars(
                select(Encounter.id).where(
                    Encounter.tenant_id == session.tenant_id,
                    Encounter.kind == KINDS[sample.audience],
                    Encounter.record_number == query.number,
                )
            )
        )
    return statement, values


def _line(row: Row[Any]) -> MemberLine:
    gone: Literal["erased", "restricted"] | None = None
    if row.hidden or row.erased:
        gone = "erased" if row.erased else "restricted"
    named = row.name if row.contact_type != "patient" else masked_name(row.name)
    return MemberLine(
        id=row.id,
        position=row.position,
        masked_name="" if gone else named,
        record_number="" if gone else row.record_number,
        department=row.department or "",
        on=row.discharged_on,
        drawn=row.drawn,
        excluded=row.excluded,
        state=row.state,
        stopped_reason=row.stopped_reason,
        withdrawn=row.withdrawn,
        gone=gone,
        patient_id=None if gone or row.merged else row.patient_id,
        rank="" if gone else row.rank,
    )
