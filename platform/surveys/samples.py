"""The monthly samples (抽样, S3-5): frame, draw, and a survey task for every outpatient drawn.

The frame is every visit, or every discharge, of a month in Asia/Shanghai. One of each patient can be drawn;
whoever cannot be asked stands in the frame with the reason of that day, and the rate counts the whole frame,
so that 10 % of visits is 10 % of visits. Nobody drawn is ever replaced: there is no function for it, and a
refusal stays a refusal.

Outpatients are drawn at the hospital's rate after the month's end, and each gets a task. Of inpatients 100 %
are drawn, every night those discharged until the day before, so that a reason is that of their own day; their
questionnaire is part of the follow-up calls (D1), and no other task is made. A stay or visit that the
hospital took back stands for nothing and comes into no frame; one taken back later stays listed.
"""

from __future__ import annotations

import secrets
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal
from uuid import UUID

from sqlalchemy import func, select, text, update
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
OUTPATIENT: Literal["outpatient"] = "outpatient"
INPATIENT: Literal["inpatient"] = "inpatient"
Drawn = Literal["outpatient", "inpatient"]
EVERYBODY = Decimal(1)  # S3-5: 100 % of inpatients
# Days after the visit: not before 48 hours, aimed at two weeks, not after six weeks, when memory has faded.
OPENS, AIMED, CLOSES = 2, 14, 42
DAYS_TO_CALL = (
    7  # a visit early in the month is drawn late: its call is due a week after the draw at the soonest
)

# Visits of the month that are not in the sample yet; of a patient's several visits the latest can be drawn.
# An inpatient counts as asked lately as the follow-up call sees it: before its window opened, for another
# stay or visit. What the follow-up asked about this very stay is no reason against it.
_ADMIT = text("""
WITH visit AS (
    SELECT e.* FROM encounter e
      LEFT JOIN sample_member m ON m.tenant_id = e.tenant_id AND m.sample_id = :sample
                               AND m.encounter_id = e.id
     WHERE e.tenant_id = :tenant AND e.kind = :kind AND e.discharged_on >= :first AND e.discharged_on < :next
       AND e.withdrawn_at IS NULL AND m.id IS NULL
), recent AS (
    SELECT DISTINCT v.id
      FROM visit v
      JOIN response o ON o.tenant_id = v.tenant_id AND o.patient_id = v.patient_id AND o.encounter_id <> v.id
                     AND o.state IN ('complete', 'partial')
     WHERE o.completed_at > CASE WHEN :followed_up
               THEN CAST(v.discharged_on + 1 AS timestamp) AT TIME ZONE 'Asia/Shanghai' - :gap
               ELSE :now - :gap END
), answered AS (
    SELECT DISTINCT v.id
      FROM visit v
      JOIN response o ON o.tenant_id = v.tenant_id AND o.encounter_id = v.id
                     AND o.state IN ('complete', 'partial')
), stopped AS (
    SELECT patient_id, bool_or(reason = 'deceased') AS died FROM suppression
     WHERE tenant_id = :tenant AND lifted_at IS NULL GROUP BY patient_id
), refused AS (
    SELECT patient_id FROM (
        SELECT DISTINCT ON (patient_id) patient_id, given FROM consent
         WHERE tenant_id = :tenant AND purpose = 'satisfaction' AND channel IN ('all', 'telephone')
         ORDER BY patient_id, at DESC, id DESC) AS newest
     WHERE NOT given
), known AS (
    SELECT DISTINCT v.patient_id FROM sample_member o
      JOIN encounter v ON v.tenant_id = o.tenant_id AND v.id = o.encounter_id
     WHERE o.tenant_id = :tenant AND o.sample_id = :sample AND o.excluded IS NULL
), arrived AS (
    SELECT e.id, e.record_number,
           CASE WHEN p.merged_at IS NOT NULL THEN 'merged'
                WHEN p.restricted_at IS NOT NULL THEN 'restricted'
                WHEN s.died OR e.disposition = 'died' THEN 'died'
                WHEN s.patient_id IS NOT NULL THEN 'suppressed'
                WHEN p.contact_state <> 'reachable' THEN p.contact_state
                WHEN c.patient_id IS NOT NULL THEN 'consent_withdrawn'
                WHEN r.id IS NOT NULL AND a.id IS NULL THEN 'surveyed_recently'
                WHEN k.patient_id IS NOT NULL OR row_number() OVER (
                     PARTITION BY e.patient_id ORDER BY e.discharged_on DESC, e.admission_count DESC,
                                  e.record_number COLLATE "C") > 1 THEN 'same_patient' END AS excluded
      FROM visit e
      JOIN patient p ON p.tenant_id = e.tenant_id AND p.id = e.patient_id AND p.contact_type = 'patient'
      LEFT JOIN stopped s ON s.patient_id = e.patient_id
      LEFT JOIN refused c ON c.patient_id = e.patient_id
      LEFT JOIN recent r ON r.id = e.id
      LEFT JOIN answered a ON a.id = e.id
      LEFT JOIN known k ON k.patient_id = e.patient_id
)
INSERT INTO sample_member (tenant_id, id, sample_id, encounter_id, drawn, position, excluded)
SELECT :tenant, uuidv7(), :sample, id, false,
       :frame + row_number() OVER (ORDER BY md5(:seed || record_number) COLLATE "C",
                                   record_number COLLATE "C", id),
       excluded
  FROM arrived
RETURNING id
""")

# Who came in undrawn and was stopped since is nobody's next. Every draw took the lowest ranks, and these were
# not among them: a draw repeated without them is the same.
_PASS_OVER = text("""
UPDATE sample_member m
   SET excluded = CASE WHEN p.merged_at IS NOT NULL THEN 'merged'
                       WHEN p.restricted_at IS NOT NULL THEN 'restricted'
                       WHEN s.died THEN 'died' ELSE 'suppressed' END
  FROM encounter n
  JOIN patient p ON p.tenant_id = n.tenant_id AND p.id = n.patient_id
  LEFT JOIN (SELECT patient_id, bool_or(reason = 'deceased') AS died FROM suppression
              WHERE tenant_id = :tenant AND lifted_at IS NULL GROUP BY patient_id) AS s
    ON s.patient_id = p.id
 WHERE m.tenant_id = :tenant AND m.sample_id = :sample AND NOT m.drawn AND m.excluded IS NULL
   AND n.tenant_id = m.tenant_id AND n.id = m.encounter_id
   AND (p.merged_at IS NOT NULL OR p.restricted_at IS NOT NULL OR s.patient_id IS NOT NULL)
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
 WHERE m.tenant_id = :tenant AND m.sample_id = :sample AND m.drawn AND m.stopped_by_id IS NULL
   AND n.withdrawn_at IS NULL AND n.discharged_on >= :not_before AND t.id IS NULL
 ORDER BY m.position
""")


def draw_sample(
    session: HospitalSession,
    month: date,
    *,
    now: datetime,
    seed: str | None = None,
    audience: Drawn = OUTPATIENT,
) -> SurveySample:
    """The sample of a month, and the tasks of its outpatients; drawn once, then always the same.

    The rate of outpatients is the hospital's (`outpatient_rate`, S3-5, D2), that of inpatients 100 %. `seed`
    is made from the hospital, the month and chance unless given; with the same seed the same record numbers
    are drawn, also after the data was imported anew. Raises `tenants.life.agreement.NotAgreed` (PIPL 21).
    """
    agreement.require(session, "satisfaction", doing="surveys.sample", now=now)
    first = first_of_month(month)
    existing = find_sample(session, first, audience=audience)
    if existing is not None:
        return existing
    hospital = session.scalars(select(Hospital).where(Hospital.tenant_id == session.tenant_id)).one()
    rate = EVERYBODY if audience == INPATIENT else hospital.outpatient_rate
    begin(session, first, audience, rate=rate, seed=seed or new_seed(hospital.code, first), now=now)
    return extend_sample(session, first, now=now, audience=audience)


def new_seed(code: str, month: date) -> str:
    """What a draw begins with (随机种子): hospital, month and chance, so that nobody can choose it."""
    return f"{code}-{month:%Y%m}-{secrets.token_hex(4)}"


def begin(
    session: HospitalSession, month: date, audience: str, *, rate: Decimal, seed: str, now: datetime
) -> bool:
    """Store an empty sample of the month; False where there is one already."""
    made = session.execute(
        insert(SurveySample)
        .values(
            tenant_id=session.tenant_id,
            id=new_id(),
            month=month,
            audience=audience,
            rate=rate,
            seed=seed,
            frame_size=0,
            drawn_size=0,
            drawn_at=now,
        )
        .on_conflict_do_nothing(index_elements=["tenant_id", "month", "audience"])
        .returning(SurveySample.id)
    )
    return made.first() is not None


def extend_sample(
    session: HospitalSession, month: date, *, now: datetime, audience: Drawn = OUTPATIENT
) -> SurveySample:
    """Take in what arrived after the draw. Everybody drawn stays drawn, and the rate is reached again.

    The missing ones are the next in the order of the seed, old and new visits together, so that a late file
    is drawn from as if it had come in time. Drawn outpatients without a task are asked for again. Raises
    LookupError for a month that was not drawn.
    """
    sample = find_sample(session, month, lock=True, audience=audience)
    if sample is None:
        msg = f"no sample of {first_of_month(month):%Y-%m}"
        raise LookupError(msg)
    key = {"tenant": session.tenant_id, "sample": sample.id, "seed": sample.seed}
    end = add_months(sample.month, 1)
    frame = {
        "kind": audience,
        "first": sample.month,
        "next": min(end, local_date(now)) if audience == INPATIENT else end,
        "frame": sample.frame_size,
        "followed_up": audience == INPATIENT,
        "gap": SURVEY_GAP,
        "now": now,
    }
    with whole_sets(session):
        arrived = len(session.execute(_ADMIT, key | frame).all())
    if arrived:
        take_in(session, sample, arrived)
    made = open_tasks(session, sample, now=now).made if audience == OUTPATIENT else 0
    if arrived:
        record_draw(session, sample, tasks=made, now=now)
    return sample


def take_in(session: HospitalSession, sample: SurveySample, arrived: int) -> None:
    """Count what has just come into the frame, and draw until the rate is reached.

    Nobody is drawn who was suppressed, restricted or merged since they came in.
    """
    sample.frame_size += arrived
    wanted = max(0, sample_size(sample.frame_size, sample.rate) - sample.drawn_size)
    key = {"tenant": session.tenant_id, "sample": sample.id}
    draw = {"seed": sample.seed, "wanted": wanted}
    with whole_sets(session):
        session.execute(_PASS_OVER, key)
        sample.drawn_size += len(session.execute(_DRAW, key | draw).all())
    session.flush()


def record_draw(session: HospitalSession, sample: SurveySample, *, tasks: int, now: datetime) -> None:
    """Put a draw on record with all that repeats it: `surveys.replay` reads the frame sizes again."""
    audit.record(
        session,
        "surveys.sample_drawn",
        now=now,
        subject=f"survey_sample:{sample.id}",
        reason=f"{sample.month:%Y-%m}",
        detail={
            "audience": sample.audience,
            "seed": sample.seed,
            "rate": str(sample.rate),
            "frame": sample.frame_size,
            "drawn": sample.drawn_size,
            "tasks": tasks,
        },
    )


def find_sample(
    session: HospitalSession, month: date, *, lock: bool = False, audience: str = OUTPATIENT
) -> SurveySample | None:
    """The sample of a month and audience, None before its draw."""
    statement = select(SurveySample).where(
        SurveySample.tenant_id == session.tenant_id,
        SurveySample.month == first_of_month(month),
        SurveySample.audience == audience,
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


def has_visits(session: HospitalSession, month: date, audience: Drawn = OUTPATIENT) -> bool:
    """Whether any outpatient visit (or discharge) of the month has been imported."""
    first = first_of_month(month)
    found = session.scalar(
        select(func.count())
        .select_from(Encounter)
        .where(
            Encounter.tenant_id == session.tenant_id,
            Encounter.kind == audience,
            Encounter.withdrawn_at.is_(None),
            Encounter.discharged_on >= first,
            Encounter.discharged_on < add_months(first, 1),
        )
    )
    return bool(found)


def set_rate(session: HospitalSession, rate: Decimal, *, now: datetime) -> None:
    """The share of outpatients to be asked (门诊抽样率, D2), from the next draw on; months drawn keep theirs.

    `rate` is more than 0 and at most 1; ValueError otherwise.
    """
    if not 0 < rate <= 1:
        msg = f"a rate lies above 0 and is at most 1, not {rate}"
        raise ValueError(msg)
    before = session.scalars(
        select(Hospital.outpatient_rate).where(Hospital.tenant_id == session.tenant_id)
    ).one()
    if before == rate:
        return
    session.execute(
        update(Hospital).where(Hospital.tenant_id == session.tenant_id).values(outpatient_rate=rate)
    )
    audit.record(
        session,
        "surveys.rate_changed",
        now=now,
        subject=f"hospital:{session.tenant_id}",
        detail={"from": str(before), "to": str(rate)},
    )


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
