"""The monthly sample of outpatients (门诊抽样, S3-5): frame, draw, and a survey task for everybody drawn.

The frame is every outpatient visit of a month in Asia/Shanghai. One visit of each patient can be drawn;
whoever cannot be asked stands in the frame with the reason, and the rate counts the whole frame, so that 10 %
of visits is 10 % of visits. Nobody drawn is ever replaced: there is no function for it, and a refusal stays a
refusal.
"""

from __future__ import annotations

import secrets
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert

from foundation import audit
from foundation.bulk import whole_sets
from foundation.calendar import add_months, first_of_month, local_date, local_day_start
from foundation.database import HospitalSession
from foundation.ids import new_id
from outreach.ranks import Rank
from outreach.tasks import Made, TaskRequest, make_tasks
from patients.models import Encounter
from surveys.models import SurveySample
from surveys.sampling import sample_size
from surveys.service import SURVEY_GAP
from tenants.life import agreement
from tenants.models import Hospital

SOURCE = "sample"
AUDIENCE = "outpatient"
# Days after the visit: not before 48 hours, aimed at two weeks, not after six weeks, when memory has faded.
OPENS, AIMED, CLOSES = 2, 14, 42
DAYS_TO_CALL = (
    7  # a visit early in the month is drawn late: its call is due a week after the draw at the soonest
)

# Visits of the month that are not in the sample yet; of a patient's several visits the latest can be drawn.
_ADMIT = text("""
WITH arrived AS (
    SELECT e.id, e.record_number,
           CASE WHEN s.patient_id IS NOT NULL THEN 'suppressed'
                WHEN p.contact_state <> 'reachable' THEN p.contact_state
                WHEN r.patient_id IS NOT NULL THEN 'surveyed_recently'
                WHEN k.patient_id IS NOT NULL OR row_number() OVER (
                     PARTITION BY e.patient_id ORDER BY e.discharged_on DESC, e.admission_count DESC,
                                  e.record_number COLLATE "C") > 1 THEN 'same_patient' END AS excluded
      FROM encounter e
      JOIN patient p ON p.tenant_id = e.tenant_id AND p.id = e.patient_id
      LEFT JOIN (SELECT DISTINCT patient_id FROM suppression
                  WHERE tenant_id = :tenant AND lifted_at IS NULL) AS s ON s.patient_id = e.patient_id
      LEFT JOIN (SELECT DISTINCT patient_id FROM response
                  WHERE tenant_id = :tenant AND state IN ('complete', 'partial')
                    AND completed_at > :asked_since) AS r ON r.patient_id = e.patient_id
      LEFT JOIN (SELECT DISTINCT v.patient_id FROM sample_member o
                   JOIN encounter v ON v.tenant_id = o.tenant_id AND v.id = o.encounter_id
                  WHERE o.tenant_id = :tenant AND o.sample_id = :sample AND o.excluded IS NULL
                ) AS k ON k.patient_id = e.patient_id
      LEFT JOIN sample_member m ON m.tenant_id = e.tenant_id AND m.sample_id = :sample
                               AND m.encounter_id = e.id
     WHERE e.tenant_id = :tenant AND e.kind = :kind AND e.discharged_on >= :first AND e.discharged_on < :next
       AND m.id IS NULL
)
INSERT INTO sample_member (tenant_id, id, sample_id, encounter_id, drawn, position, excluded)
SELECT :tenant, uuidv7(), :sample, id, false,
       :frame + row_number() OVER (ORDER BY md5(:seed || record_number) COLLATE "C",
                                   record_number COLLATE "C", id),
       excluded
  FROM arrived
RETURNING id
""")

_DRAW = text("""
UPDATE sample_member d SET drawn = true
  FROM (SELECT m.id
          FROM sample_member m
          JOIN encounter n ON n.tenant_id = m.tenant_id AND n.id = m.encounter_id
         WHERE m.tenant_id = :tenant AND m.sample_id = :sample AND NOT m.drawn AND m.excluded IS NULL
         ORDER BY md5(:seed || n.record_number) COLLATE "C", n.record_number COLLATE "C", m.id
         LIMIT :wanted) AS chosen
 WHERE d.tenant_id = :tenant AND d.id = chosen.id
RETURNING d.id
""")

_WITHOUT_TASK = text("""
SELECT m.id, n.patient_id, m.encounter_id, n.discharged_on
  FROM sample_member m
  JOIN encounter n ON n.tenant_id = m.tenant_id AND n.id = m.encounter_id
  LEFT JOIN contact_task t ON t.tenant_id = m.tenant_id AND t.source = :source AND t.source_id = m.id
 WHERE m.tenant_id = :tenant AND m.sample_id = :sample AND m.drawn AND n.discharged_on >= :not_before
   AND t.id IS NULL
 ORDER BY m.position
""")


def draw_sample(
    session: HospitalSession, month: date, *, now: datetime, seed: str | None = None
) -> SurveySample:
    """The sample of the outpatients of a month, and their tasks; drawn once, then always the same.

    The rate is the hospital's (`outpatient_rate`, S3-5, D2). `seed` is made from the hospital, the month and
    chance unless given; with the same seed the same record numbers are drawn, also after the data was
    imported anew. Raises `tenants.life.agreement.NotAgreed` (PIPL 21).
    """
    agreement.require(session, "satisfaction", doing="surveys.sample", now=now)
    first = first_of_month(month)
    existing = find_sample(session, first)
    if existing is not None:
        return existing
    hospital = session.scalars(select(Hospital).where(Hospital.tenant_id == session.tenant_id)).one()
    session.execute(
        insert(SurveySample)
        .values(
            tenant_id=session.tenant_id,
            id=new_id(),
            month=first,
            audience=AUDIENCE,
            rate=hospital.outpatient_rate,
            seed=seed or f"{hospital.code}-{first:%Y%m}-{secrets.token_hex(4)}",
            frame_size=0,
            drawn_size=0,
            drawn_at=now,
        )
        .on_conflict_do_nothing(index_elements=["tenant_id", "month", "audience"])
    )
    return extend_sample(session, first, now=now)


def extend_sample(session: HospitalSession, month: date, *, now: datetime) -> SurveySample:
    """Take in visits that arrived after the draw. Everybody drawn stays drawn, and the rate is reached again.

    The missing ones are the next in the order of the seed, old and new visits together, so that a late file
    is drawn from as if it had come in time. Drawn people without a task are asked for again. Raises
    LookupError for a month that was not drawn.
    """
    sample = find_sample(session, month, lock=True)
    if sample is None:
        msg = f"no sample of {first_of_month(month):%Y-%m}"
        raise LookupError(msg)
    key = {"tenant": session.tenant_id, "sample": sample.id, "seed": sample.seed}
    month_key = {
        "kind": AUDIENCE,
        "first": sample.month,
        "next": add_months(sample.month, 1),
        "frame": sample.frame_size,
        "asked_since": now - SURVEY_GAP,
    }
    with whole_sets(session):
        arrived = session.execute(_ADMIT, key | month_key).all()
    if arrived:
        sample.frame_size += len(arrived)
        wanted = max(0, sample_size(sample.frame_size, sample.rate) - sample.drawn_size)
        with whole_sets(session):
            sample.drawn_size += len(session.execute(_DRAW, key | {"wanted": wanted}).all())
        session.flush()
    made = open_tasks(session, sample, now=now)
    if arrived:
        audit.record(
            session,
            "surveys.sample_drawn",
            now=now,
            subject=f"survey_sample:{sample.id}",
            reason=f"{sample.month:%Y-%m}",
            detail={
                "seed": sample.seed,
                "rate": str(sample.rate),
                "frame": sample.frame_size,
                "drawn": sample.drawn_size,
                "tasks": made.made,
            },
        )
    return sample


def find_sample(session: HospitalSession, month: date, *, lock: bool = False) -> SurveySample | None:
    """The outpatient sample of a month, None before its draw."""
    statement = select(SurveySample).where(
        SurveySample.tenant_id == session.tenant_id,
        SurveySample.month == first_of_month(month),
        SurveySample.audience == AUDIENCE,
    )
    if lock:
        session.flush()
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return session.scalar(statement)


def open_tasks(session: HospitalSession, sample: SurveySample, *, now: datetime) -> Made:
    """A survey task for everybody drawn who has none and can still be asked; a refused one is tried again."""
    today = local_date(now)
    key = {
        "tenant": session.tenant_id,
        "sample": sample.id,
        "source": SOURCE,
        "not_before": today - timedelta(days=CLOSES),
    }
    with whole_sets(session):
        rows = session.execute(_WITHOUT_TASK, key).all()
    requests = [
        _request(member_id, patient_id, encounter_id, visited_on, sample.month, today)
        for member_id, patient_id, encounter_id, visited_on in rows
    ]
    return make_tasks(session, requests, now)


def has_visits(session: HospitalSession, month: date) -> bool:
    """Whether any outpatient visit of the month has been imported."""
    first = first_of_month(month)
    found = session.scalar(
        select(func.count())
        .select_from(Encounter)
        .where(
            Encounter.tenant_id == session.tenant_id,
            Encounter.kind == AUDIENCE,
            Encounter.discharged_on >= first,
            Encounter.discharged_on < add_months(first, 1),
        )
    )
    return bool(found)


def _request(
    member_id: UUID, patient_id: UUID, encounter_id: UUID, visited_on: date, month: date, today: date
) -> TaskRequest:
    closes_at = local_day_start(visited_on + timedelta(days=CLOSES + 1))
    due = max(visited_on + timedelta(days=AIMED), today + timedelta(days=DAYS_TO_CALL))
    label = {
        "zh": f"{month.year}年{month.month}月门诊满意度调查",
        "en": f"Outpatient survey of {month:%Y-%m}",
    }
    return TaskRequest(
        patient_id=patient_id,
        encounter_id=encounter_id,
        kind="survey",
        purpose="satisfaction",
        source=SOURCE,
        source_id=member_id,
        label=label,
        rank=Rank.SURVEY,
        opens_at=local_day_start(visited_on + timedelta(days=OPENS)),
        due_at=min(local_day_start(due + timedelta(days=1)), closes_at),
        closes_at=closes_at,
    )
