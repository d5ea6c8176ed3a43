"""What the page of questionnaires and samples reads (SC-54), counts only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, text

from foundation.database import HospitalSession
from surveys.instrument import Instrument, load
from surveys.models import Questionnaire, Response
from surveys.service import instrument_of


@dataclass(frozen=True, slots=True)
class QuestionnaireFigures:
    """A questionnaire and its responses. `mean` is the mean index (满意度, 0 to 100) of the complete ones."""

    audience: str
    instrument: Instrument
    since: datetime | None
    complete: int
    partial: int
    mean: Decimal | None


@dataclass(frozen=True, slots=True)
class SampleFigures:
    """One month's sample and what became of the people drawn.

    `reached`: somebody spoke with the patient; `completed`: a complete response; `open`: still to be called.
    `excluded` says by reason who of the frame could not be drawn.
    """

    sample_id: UUID
    month: date
    rate: Decimal
    seed: str
    drawn_at: datetime
    frame: int
    drawn: int
    excluded: dict[str, int]
    tasked: int
    open: int
    reached: int
    completed: int


def questionnaires(session: HospitalSession) -> list[QuestionnaireFigures]:
    """Every questionnaire in use; the shipped one where a hospital has not begun to ask."""
    known = session.scalars(
        select(Questionnaire)
        .where(Questionnaire.tenant_id == session.tenant_id)
        .order_by(Questionnaire.audience, Questionnaire.version.desc())
    ).all()
    counts = {
        row.questionnaire_id: row
        for row in session.execute(
            select(
                Response.questionnaire_id,
                func.count().filter(Response.state == "complete").label("complete"),
                func.count().filter(Response.state == "partial").label("partial"),
                func.avg(Response.index_value).filter(Response.state == "complete").label("mean"),
            )
            .where(Response.tenant_id == session.tenant_id)
            .group_by(Response.questionnaire_id)
        )
    }
    found = [_figures(one, counts.get(one.id)) for one in known]
    begun = {one.audience for one in known}
    found += [
        QuestionnaireFigures(audience, load(audience), None, 0, 0, None)
        for audience in ("inpatient", "outpatient", "organisation")
        if audience not in begun
    ]
    return sorted(found, key=lambda one: (one.audience, -one.instrument.version))


_SAMPLES = text("""
SELECT s.id, s.month, s.rate, s.seed, s.drawn_at, s.frame_size, s.drawn_size,
       coalesce((SELECT jsonb_object_agg(x.excluded, x.n) FROM (
           SELECT m.excluded, count(*) AS n FROM sample_member m
            WHERE m.tenant_id = s.tenant_id AND m.sample_id = s.id AND m.excluded IS NOT NULL
            GROUP BY m.excluded) AS x), '{}') AS excluded,
       w.tasked, w.open, w.reached, w.completed
  FROM survey_sample s
 CROSS JOIN LATERAL (
       SELECT count(t.id) AS tasked, count(*) FILTER (WHERE t.state = 'open') AS open,
              count(*) FILTER (WHERE t.state IN ('completed', 'partial') OR EXISTS (
                  SELECT 1 FROM call c WHERE c.tenant_id = t.tenant_id AND c.task_id = t.id
                     AND c.patient_id = t.patient_id AND c.connected_at IS NOT NULL)) AS reached,
              count(*) FILTER (WHERE r.state = 'complete') AS completed
         FROM sample_member m
         JOIN contact_task t ON t.tenant_id = m.tenant_id AND t.source = 'sample' AND t.source_id = m.id
         LEFT JOIN response r ON r.tenant_id = t.tenant_id AND r.task_id = t.id
        WHERE m.tenant_id = s.tenant_id AND m.sample_id = s.id AND m.drawn) AS w
 WHERE s.tenant_id = :tenant AND s.audience = 'outpatient'
 ORDER BY s.month DESC
 LIMIT :months
""")


def samples(session: HospitalSession, *, months: int = 12) -> list[SampleFigures]:
    """The samples of outpatients of the last months, newest first."""
    rows = session.execute(_SAMPLES, {"tenant": session.tenant_id, "months": months})
    return [
        SampleFigures(
            sample_id=row.id,
            month=row.month,
            rate=row.rate,
            seed=row.seed,
            drawn_at=row.drawn_at,
            frame=row.frame_size,
            drawn=row.drawn_size,
            excluded=dict(row.excluded),
            tasked=row.tasked,
            open=row.open,
            reached=row.reached,
            completed=row.completed,
        )
        for row in rows
    ]


def _figures(questionnaire: Questionnaire, counted: Row[UUID, int, int, Any] | None) -> QuestionnaireFigures:
    return QuestionnaireFigures(
        audience=questionnaire.audience,
        instrument=instrument_of(questionnaire),
        since=questionnaire.created_at,
        complete=counted.complete if counted else 0,
        partial=counted.partial if counted else 0,
        mean=counted.mean if counted else None,
    )
