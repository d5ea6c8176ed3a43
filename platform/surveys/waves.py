"""A wave (调查批次): the organisations of some kinds, asked with their own questionnaire (S1-1, S1-2).

A wave is a sample of the audience `organisation`: everybody of the frame is drawn, whoever cannot be asked
stands in it with the reason, and each of the others gets a survey task. There is one a month and hospital,
by the key of the samples: nobody is asked twice in a month, and no more than once in 30 days (regulation C4).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from foundation import audit
from foundation.bulk import whole_sets
from foundation.calendar import first_of_month, local_date, local_day_start
from foundation.database import HospitalSession
from outreach.ranks import Rank
from outreach.tasks import Made, TaskRequest, make_tasks
from patients.organisations import TYPES
from surveys import samples, service
from surveys.models import SurveySample
from surveys.service import SURVEY_GAP
from tenants.life import agreement
from tenants.models import Hospital

AUDIENCE = "organisation"
LEAST_DAYS, USUAL_DAYS, MOST_DAYS = 3, 21, 90

_ADMIT = text("""
WITH stopped AS (
    SELECT DISTINCT patient_id FROM suppression WHERE tenant_id = :tenant AND lifted_at IS NULL
), refused AS (
    SELECT patient_id FROM (
        SELECT DISTINCT ON (patient_id) patient_id, given FROM consent
         WHERE tenant_id = :tenant AND purpose = 'satisfaction' AND channel IN ('all', 'telephone')
         ORDER BY patient_id, at DESC, id DESC) AS newest
     WHERE NOT given
), recent AS (
    SELECT DISTINCT patient_id FROM response
     WHERE tenant_id = :tenant AND state IN ('complete', 'partial') AND completed_at > :now - :gap
)
INSERT INTO sample_member (tenant_id, id, sample_id, encounter_id, drawn, position, excluded)
SELECT :tenant, uuidv7(), :sample, e.id, false,
       row_number() OVER (ORDER BY md5(:seed || e.record_number) COLLATE "C", e.record_number COLLATE "C",
                                   e.id),
       CASE WHEN s.patient_id IS NOT NULL THEN 'suppressed'
            WHEN p.contact_state <> 'reachable' THEN p.contact_state
            WHEN c.patient_id IS NOT NULL THEN 'consent_withdrawn'
            WHEN r.patient_id IS NOT NULL THEN 'surveyed_recently' END
  FROM patient p
  JOIN encounter e ON e.tenant_id = p.tenant_id AND e.patient_id = p.id AND e.kind = 'cooperation'
                  AND e.withdrawn_at IS NULL
  LEFT JOIN stopped s ON s.patient_id = p.id
  LEFT JOIN refused c ON c.patient_id = p.id
  LEFT JOIN recent r ON r.patient_id = p.id
 WHERE p.tenant_id = :tenant AND p.contact_type = ANY (CAST(:types AS text[]))
   AND p.restricted_at IS NULL AND p.merged_at IS NULL
RETURNING id
""")
_DRAWN = text("""
SELECT m.id, e.patient_id, m.encounter_id
  FROM sample_member m
  JOIN encounter e ON e.tenant_id = m.tenant_id AND e.id = m.encounter_id
 WHERE m.tenant_id = :tenant AND m.sample_id = :sample AND m.drawn
 ORDER BY m.position
""")


class WaveRefused(ValueError):
    """No wave can be started; `reason` is `types`, `days`, `this_month` or `nobody`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def start(
    session: HospitalSession,
    types: Collection[str],
    *,
    now: datetime,
    days: int = USUAL_DAYS,
    seed: str | None = None,
) -> tuple[SurveySample, Made]:
    """Ask every organisation of these kinds from today on, for `days` days in Asia/Shanghai.

    Raises `WaveRefused`, and `tenants.life.agreement.NotAgreed` (PIPL 21). Whoever is suppressed while the
    wave runs is asked no more; whoever is stored after the start waits for the next wave.
    """
    agreement.require(session, "satisfaction", doing="surveys.wave", now=now)
    chosen = _checked(types, days)
    month = first_of_month(local_date(now))
    code = session.get_one(Hospital, session.tenant_id).code
    seed = seed or samples.new_seed(code, month)
    if not samples.begin(session, month, AUDIENCE, rate=samples.EVERYBODY, seed=seed, now=now):
        raise WaveRefused("this_month")
    service.questionnaire_for(session, AUDIENCE, now=now)
    sample = samples.find_sample(session, month, lock=True, audience=AUDIENCE)
    if sample is None:
        raise WaveRefused("this_month")
    values = {
        "tenant": session.tenant_id,
        "sample": sample.id,
        "seed": sample.seed,
        "types": chosen,
        "now": now,
        "gap": SURVEY_GAP,
    }
    with whole_sets(session):
        arrived = len(session.execute(_ADMIT, values).all())
    if not arrived:
        raise WaveRefused("nobody")
    samples.take_in(session, sample, arrived)
    made = _open_tasks(session, sample, days, now)
    samples.record_draw(session, sample, tasks=made.made, now=now)
    audit.record(
        session,
        "surveys.wave_started",
        now=now,
        subject=f"survey_sample:{sample.id}",
        reason=f"{month:%Y-%m}",
        detail={"types": chosen, "days": days},
    )
    return sample, made


def _checked(types: Collection[str], days: int) -> list[str]:
    chosen = sorted(set(types))
    if not chosen or not set(chosen) <= set(TYPES):
        raise WaveRefused("types")
    if not LEAST_DAYS <= days <= MOST_DAYS:
        raise WaveRefused("days")
    return chosen


def _open_tasks(session: HospitalSession, sample: SurveySample, days: int, now: datetime) -> Made:
    rows = session.execute(_DRAWN, {"tenant": session.tenant_id, "sample": sample.id}).all()
    last = local_date(now) + timedelta(days=days)
    requests = [_request(row.id, row.patient_id, row.encounter_id, sample.month, now, last) for row in rows]
    return make_tasks(session, requests, now)


def _request(
    member_id: UUID, patient_id: UUID, encounter_id: UUID, month: date, now: datetime, last: date
) -> TaskRequest:
    closes_at = local_day_start(last)
    return TaskRequest(
        patient_id=patient_id,
        encounter_id=encounter_id,
        kind="survey",
        purpose="satisfaction",
        source=samples.SOURCE,
        source_id=member_id,
        label={
            "zh": f"{month.year}年{month.month}月合作单位满意度调查",
            "en": f"Survey of partner organisations of {month:%Y-%m}",
        },
        rank=Rank.SURVEY,
        opens_at=now,
        due_at=now + (closes_at - now) * 2 / 3,  # the last third is for those who were not there
        closes_at=closes_at,
    )
