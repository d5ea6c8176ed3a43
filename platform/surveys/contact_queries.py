"""What the lists of organisations and of their waves read (S1-1): counts, last contact, last index."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text

from foundation.database import HospitalSession
from foundation.masking import masked_name
from surveys.instrument import Text
from surveys.models import Questionnaire, Response
from surveys.service import instrument_of

PAGE = 50


@dataclass(frozen=True, slots=True)
class OrganisationLine:
    """An organisation in a list; its name is no person's, the contact person's is shown by mask."""

    id: UUID
    name: str
    record_number: str
    contact_type: str
    contact_state: str
    person: str
    position: str
    number: str
    since: date | None
    last_contact: datetime | None
    last_index: Decimal | None
    last_answered: datetime | None
    open_contacts: int
    ended_for: tuple[str, ...]


_LIST = text("""
SELECT p.id, p.name, p.record_number, p.contact_type, p.contact_state, n.name AS person,
       n.relation AS position, n.number_masked AS number, e.discharged_on AS since,
       (SELECT max(c.dialled_at) FROM call c WHERE c.tenant_id = p.tenant_id AND c.patient_id = p.id
           AND c.connected_at IS NOT NULL) AS last_contact,
       r.index_value AS last_index, r.completed_at AS last_answered,
       (SELECT count(*) FROM contact_task t WHERE t.tenant_id = p.tenant_id AND t.patient_id = p.id
           AND t.state = 'open') AS open_contacts,
       ARRAY (SELECT s.reason FROM suppression s WHERE s.tenant_id = p.tenant_id AND s.patient_id = p.id
                 AND s.lifted_at IS NULL ORDER BY s.started_at, s.id) AS ended_for
  FROM patient p
  LEFT JOIN contact_point n ON n.tenant_id = p.tenant_id AND n.patient_id = p.id AND n.holder = 'contact'
  LEFT JOIN LATERAL (
       SELECT discharged_on FROM encounter
        WHERE tenant_id = p.tenant_id AND patient_id = p.id AND kind = 'cooperation'
          AND withdrawn_at IS NULL ORDER BY discharged_on DESC LIMIT 1) AS e ON true
  LEFT JOIN LATERAL (
       SELECT index_value, completed_at FROM response
        WHERE tenant_id = p.tenant_id AND patient_id = p.id AND state IN ('complete', 'partial')
        ORDER BY completed_at DESC LIMIT 1) AS r ON true
 WHERE p.tenant_id = :tenant AND p.contact_type <> 'patient' AND p.restricted_at IS NULL
   AND (CAST(:type AS text) IS NULL OR p.contact_type = :type)
   AND (CAST(:after AS uuid) IS NULL OR p.id < :after)
   AND (CAST(:only AS uuid) IS NULL OR p.id = :only)
 ORDER BY p.id DESC LIMIT :most
""")
_COUNTS = text("""
SELECT contact_type, count(*) AS n FROM patient
 WHERE tenant_id = :tenant AND contact_type <> 'patient' AND restricted_at IS NULL GROUP BY contact_type
""")
_RESULTS = text("""
SELECT p.id AS patient_id, p.name, p.record_number, p.contact_type, p.restricted_at IS NOT NULL AS hidden,
       m.excluded, r.id AS response_id, r.index_value, r.completed_at, r.state,
       CASE WHEN m.excluded IS NOT NULL THEN 'excluded'
            WHEN r.state IN ('complete', 'partial') THEN 'answered'
            WHEN m.stopped_by_id IS NOT NULL THEN 'stopped'
            WHEN t.state = 'refused' THEN 'refused'
            WHEN t.state IN ('completed', 'partial') THEN 'reached'
            WHEN t.state = 'open' THEN 'waiting'
            WHEN t.id IS NOT NULL THEN 'not_reached'
            ELSE 'no_contact' END AS outcome
  FROM sample_member m
  JOIN encounter e ON e.tenant_id = m.tenant_id AND e.id = m.encounter_id
  JOIN patient p ON p.tenant_id = e.tenant_id AND p.id = e.patient_id
  LEFT JOIN contact_task t ON t.tenant_id = m.tenant_id AND t.source = 'sample' AND t.source_id = m.id
  LEFT JOIN response r ON r.tenant_id = t.tenant_id AND r.task_id = t.id
 WHERE m.tenant_id = :tenant AND m.sample_id = :sample
 ORDER BY r.index_value NULLS LAST, p.name COLLATE "C"
""")


@dataclass(frozen=True, slots=True)
class ResultLine:
    """One organisation of a wave; `index` (满意度, 0 to 100) with half of the questions answered."""

    patient_id: UUID | None
    name: str
    record_number: str
    contact_type: str
    outcome: str
    excluded: str | None
    index: Decimal | None
    answered_at: datetime | None


@dataclass(frozen=True, slots=True)
class DimensionMean:
    """The mean of one dimension over the wave, with how many organisations rated it."""

    label: Text
    weight: Decimal
    n: int
    mean: Decimal | None


@dataclass(frozen=True, slots=True)
class WaveResults:
    """A wave's table: organisations, the lowest index first, and the means; of complete answers alone."""

    lines: tuple[ResultLine, ...]
    mean: Decimal | None
    complete: int
    dimensions: tuple[DimensionMean, ...]


def organisations(
    session: HospitalSession, *, contact_type: str | None = None, after: UUID | None = None, limit: int = PAGE
) -> tuple[list[OrganisationLine], UUID | None]:
    """A page of the organisations, the newest first, and the cursor of the next one."""
    rows = session.execute(_LIST, _values(session, contact_type, after, None, limit + 1)).all()
    lines = [_line(row) for row in rows[:limit]]
    return lines, lines[-1].id if len(rows) > limit else None


def organisation(session: HospitalSession, patient_id: UUID) -> OrganisationLine | None:
    """One organisation, None for a patient or for nobody."""
    row = session.execute(_LIST, _values(session, None, None, patient_id, 1)).first()
    return None if row is None else _line(row)


def counts(session: HospitalSession) -> dict[str, int]:
    """How many organisations there are of each kind."""
    return {row.contact_type: row.n for row in session.execute(_COUNTS, {"tenant": session.tenant_id})}


def wave_results(session: HospitalSession, sample_id: UUID) -> WaveResults:
    """What the organisations of a wave answered."""
    rows = session.execute(_RESULTS, {"tenant": session.tenant_id, "sample": sample_id}).all()
    complete = [row.response_id for row in rows if row.state == "complete"]
    values = [row.index_value for row in rows if row.state == "complete" and row.index_value is not None]
    return WaveResults(
        lines=tuple(_result(row) for row in rows),
        mean=_mean(values),
        complete=len(complete),
        dimensions=_dimensions(session, complete),
    )


def _dimensions(session: HospitalSession, response_ids: list[UUID]) -> tuple[DimensionMean, ...]:
    found = session.execute(
        select(Response.dimension_values, Questionnaire)
        .join(
            Questionnaire,
            (Questionnaire.tenant_id == Response.tenant_id) & (Questionnaire.id == Response.questionnaire_id),
        )
        .where(Response.tenant_id == session.tenant_id, Response.id.in_(response_ids))
    ).all()
    if not found:
        return ()
    values: dict[str, list[Decimal]] = {}
    for rated, _questionnaire in found:
        for code, value in rated.items():
            if value is not None:
                values.setdefault(code, []).append(Decimal(value))
    instrument = instrument_of(max((row[1] for row in found), key=lambda one: one.version))
    return tuple(
        DimensionMean(one.label, one.weight, len(values.get(one.code, [])), _mean(values.get(one.code, [])))
        for one in instrument.dimensions
    )


def _mean(values: list[Decimal]) -> Decimal | None:
    return sum(values, Decimal(0)) / len(values) if values else None


def _values(
    session: HospitalSession, contact_type: str | None, after: UUID | None, only: UUID | None, most: int
) -> dict[str, Any]:
    return {
        "tenant": session.tenant_id,
        "type": contact_type,
        "after": after,
        "only": only,
        "most": most,
    }


def _line(row: Row[Any]) -> OrganisationLine:
    values = dict(row._mapping)
    values["person"] = masked_name(row.person or "")
    values["position"], values["number"] = row.position or "", row.number or ""
    values["ended_for"] = tuple(row.ended_for)
    return OrganisationLine(**values)


def _result(row: Row[Any]) -> ResultLine:
    answered = row.state in {"complete", "partial"}
    return ResultLine(
        patient_id=None if row.hidden else row.patient_id,
        name="" if row.hidden else row.name,
        record_number="" if row.hidden else row.record_number,
        contact_type=row.contact_type,
        outcome=row.outcome,
        excluded=row.excluded,
        index=row.index_value if row.state == "complete" else None,
        answered_at=row.completed_at if answered else None,
    )
