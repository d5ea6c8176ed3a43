"""From enrolments to steps to contact tasks, as sets: nothing here goes patient by patient.

The rows are what is due; a tick only looks at them. Days are days in Asia/Shanghai.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import Exists, Row, exists, select, text, update
from sqlalchemy.dialects.postgresql import insert

from foundation.bulk import whole_sets
from foundation.calendar import local_date, local_day_start
from foundation.database import HospitalSession
from foundation.ids import new_id
from outreach.models import ContactTask, PatientHold
from outreach.outcomes import Outcome
from outreach.ranks import Rank
from outreach.tasks import Made, TaskRequest, make_tasks
from revisits.models import RevisitPlan, RevisitStep
from revisits.schedule import plan_for
from surveys import service as surveys
from tenants.models import Hospital

SOURCE = "revisit"
# What a plan is called, by whether it goes on.
NAMES = {
    True: (
        "出院回访：第1、3、6、10周，之后每三个月",
        "After discharge: weeks 1, 3, 6, 10, then every three months",
    ),
    False: ("离院一周内回访一次", "One contact in the week after leaving"),
}
HORIZON_DAYS = 120
# An open enrolment is followed from its patient's latest discharge: a readmission starts the plan anew (C7).
# Steps whose window is already over are never made, so that an old file brings no flood of late calls (J6).
MATERIALISE = text("""
WITH plan AS (
    SELECT id, rules, jsonb_array_length(rules->'windows') AS fixed,
           (rules->'windows'->-1->>'closes')::int AS anchor,
           (rules->>'every_months')::int AS every_months, (rules->>'window_days')::int AS window_days
      FROM revisit_plan
     WHERE tenant_id = :tenant AND active AND code = 'default'
), followed AS (
    SELECT DISTINCT ON (e.patient_id) e.patient_id, n.id AS encounter_id, n.discharged_on
      FROM enrolment e
      JOIN encounter n ON n.tenant_id = e.tenant_id AND n.patient_id = e.patient_id AND n.kind = 'inpatient'
     WHERE e.tenant_id = :tenant AND e.ended_on IS NULL AND e.cancelled_on IS NULL
       AND n.discharged_on <= :today AND n.withdrawn_at IS NULL
     ORDER BY e.patient_id, n.discharged_on DESC, n.admission_count DESC, n.id DESC
), steps AS (
    SELECT f.*, p.id AS plan_id, w.ordinality::int AS number,
           f.discharged_on + (w.value->>'opens')::int AS opens_on,
           f.discharged_on + (w.value->>'target')::int AS target_on,
           f.discharged_on + (w.value->>'closes')::int AS closes_on
      FROM followed f CROSS JOIN plan p
     CROSS JOIN LATERAL jsonb_array_elements(p.rules->'windows') WITH ORDINALITY AS w(value, ordinality)
    UNION ALL
    SELECT f.*, p.id, p.fixed + k, planned - p.window_days, planned, planned
      FROM followed f CROSS JOIN plan p
     CROSS JOIN LATERAL generate_series(
               1, CASE WHEN p.every_months = 0 THEN 0
                       ELSE ((:horizon - (f.discharged_on + p.anchor)) + p.window_days)
                            / (28 * p.every_months) + 1 END) AS k
     CROSS JOIN LATERAL (SELECT (f.discharged_on + p.anchor
                                 + make_interval(months => k * p.every_months))::date AS planned) AS due
)
INSERT INTO revisit_step (tenant_id, id, plan_id, patient_id, encounter_id, number,
                          opens_on, target_on, closes_on, state, created_at)
SELECT :tenant, uuidv7(), plan_id, patient_id, encounter_id, number, opens_on, target_on, closes_on,
       'planned', :now
  FROM steps
 WHERE opens_on <= :horizon AND closes_on >= :today
-- A discharge date that the hospital has corrected moves what has not begun.
ON CONFLICT (tenant_id, encounter_id, number) DO UPDATE
   SET opens_on = excluded.opens_on, target_on = excluded.target_on, closes_on = excluded.closes_on
 WHERE revisit_step.state = 'planned' AND revisit_step.target_on <> excluded.target_on
RETURNING xmax = 0 AS is_new
""")

# Steps of an earlier stay of a patient who was discharged again.
_SUPERSEDE = """
WITH latest AS (
    SELECT DISTINCT ON (patient_id) patient_id, id FROM encounter
     WHERE tenant_id = :tenant{whose} AND kind = 'inpatient' AND discharged_on <= :today
       AND withdrawn_at IS NULL
     ORDER BY patient_id, discharged_on DESC, admission_count DESC, id DESC
)
UPDATE revisit_step s SET state = 'cancelled', cancelled_because = 'readmitted'
  FROM latest
 WHERE s.tenant_id = :tenant AND s.state IN ('planned', 'tasked')
   AND latest.patient_id = s.patient_id AND latest.id <> s.encounter_id
RETURNING s.id
"""
SUPERSEDE = text(_SUPERSEDE.replace("{whose}", ""))
SUPERSEDE_OF = text(_SUPERSEDE.replace("{whose}", " AND patient_id = ANY (CAST(:patients AS uuid[]))"))

TASKED = text("""
UPDATE revisit_step s SET state = 'tasked'
  FROM contact_task t
 WHERE s.tenant_id = :tenant AND s.state = 'planned' AND s.opens_on <= :today AND s.closes_on >= :today
   AND t.tenant_id = :tenant AND t.source = :source AND t.source_id = s.id AND t.state = 'open'
""")


def ensure_plan(session: HospitalSession, *, now: datetime) -> UUID:
    """The hospital's default plan (S4-10 to S4-14), by its type (S0-8), made on first use."""
    found = _default_plan(session)
    if found is not None:
        return found
    hospital_type = session.scalars(
        select(Hospital.hospital_type).where(Hospital.tenant_id == session.tenant_id)
    ).one()
    rules = plan_for(hospital_type)
    name, name_en = NAMES[rules.every_months > 0]
    session.execute(
        insert(RevisitPlan)
        .values(
            tenant_id=session.tenant_id,
            id=new_id(),
            code="default",
            name=name,
            name_en=name_en,
            rules=rules.to_numbers(),
            active=True,
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=["tenant_id", "code"])
    )
    plan_id = _default_plan(session)
    if plan_id is None:
        msg = "the default plan was not stored"
        raise LookupError(msg)
    return plan_id


def _default_plan(session: HospitalSession) -> UUID | None:
    return session.scalar(
        select(RevisitPlan.id).where(
            RevisitPlan.tenant_id == session.tenant_id, RevisitPlan.code == "default"
        )
    )


def materialise(
    session: HospitalSession, today: date, *, now: datetime, horizon_days: int = HORIZON_DAYS
) -> int:
    """Make the steps whose window opens within the horizon; returns how many are new. Idempotent.

    A patient discharged again is followed from the new discharge, and the old plan ends (C7). A step whose
    window is over already is not made: an old file starts at the next future step (J6).
    """
    ensure_plan(session, now=now)
    supersede(session, today, now=now)
    horizon = today + timedelta(days=horizon_days)
    with whole_sets(session):
        rows = session.execute(
            MATERIALISE, {"tenant": session.tenant_id, "today": today, "horizon": horizon, "now": now}
        ).all()
    session.expire_all()
    return sum(row.is_new for row in rows)


def supersede(
    session: HospitalSession, today: date, *, now: datetime, patient_ids: Sequence[UUID] | None = None
) -> int:
    """Cancel the open steps, and their tasks, of stays before the patient's latest; returns how many.

    `patient_ids` keeps to these patients.
    """
    values = {"tenant": session.tenant_id, "today": today}
    if patient_ids is None:
        with whole_sets(session):
            ended = session.scalars(SUPERSEDE, values).all()
    else:
        session.flush()
        ended = session.scalars(SUPERSEDE_OF, values | {"patients": list(patient_ids)}).all()
    if ended:
        session.execute(
            update(ContactTask)
            .where(
                ContactTask.tenant_id == session.tenant_id,
                ContactTask.source == SOURCE,
                ContactTask.source_id.in_(ended),
                ContactTask.state == "open",
            )
            .values(state="cancelled", outcome="readmitted", closed_at=now)
            .execution_options(synchronize_session="fetch")
        )
    return len(ended)


def open_tasks(session: HospitalSession, *, now: datetime) -> Made:
    """A contact task for every planned step whose window is open; a refused one is tried again later."""
    today = local_date(now)
    rows = session.execute(
        select(
            RevisitStep.id,
            RevisitStep.patient_id,
            RevisitStep.encounter_id,
            RevisitStep.number,
            RevisitStep.opens_on,
            RevisitStep.target_on,
            RevisitStep.closes_on,
        )
        .where(
            RevisitStep.tenant_id == session.tenant_id,
            RevisitStep.state == "planned",
            RevisitStep.opens_on <= today,
            RevisitStep.closes_on >= today,
        )
        .order_by(RevisitStep.target_on, RevisitStep.id)
    ).all()
    made = make_tasks(session, [task_request(row) for row in rows], now)
    with whole_sets(session):
        session.execute(TASKED, {"tenant": session.tenant_id, "today": today, "source": SOURCE})
    session.expire_all()
    return made


def task_request(step: Row[UUID, UUID, UUID, int, date, date, date]) -> TaskRequest:
    """The contact a step asks for; its window in moments of Asia/Shanghai days."""
    day = timedelta(days=1)
    window = f"{step.opens_on:%m-%d} – {step.closes_on:%m-%d}"
    return TaskRequest(
        patient_id=step.patient_id,
        encounter_id=step.encounter_id,
        kind="revisit",
        purpose="care_followup",
        source=SOURCE,
        source_id=step.id,
        label={"zh": f"第{step.number}次回访 ({window})", "en": f"Follow-up {step.number} ({window})"},
        rank=Rank.FIRST_CALL if step.number == 1 else Rank.REST,
        opens_at=local_day_start(step.opens_on),
        due_at=local_day_start(step.target_on + day),
        closes_at=local_day_start(step.closes_on + day),
    )


def _still_called(now: datetime) -> Exists:
    """Whether the step's contact goes on: booked for later, or on an agent's card."""
    held = exists(
        select(1).where(
            PatientHold.tenant_id == ContactTask.tenant_id,
            PatientHold.id == ContactTask.patient_id,
            PatientHold.until >= now,
        )
    )
    return exists(
        select(1).where(
            ContactTask.tenant_id == RevisitStep.tenant_id,
            ContactTask.source == SOURCE,
            ContactTask.source_id == RevisitStep.id,
            ContactTask.state == "open",
            (ContactTask.closes_at > now) | held,
        )
    )


def close_windows(session: HospitalSession, *, now: datetime) -> int:
    """Steps whose window is over are missed (漏随访), and their open tasks expire; returns how many.

    A booked callback outlives the window (its task closes later), and a patient on an agent's card is left to
    the agent: such a step waits for that call. What an expired task had answered is scored.
    """
    session.flush()
    missed = session.scalars(
        update(RevisitStep)
        .where(
            RevisitStep.tenant_id == session.tenant_id,
            RevisitStep.state.in_(("planned", "tasked")),
            RevisitStep.closes_on < local_date(now),
            ~_still_called(now),
        )
        .values(state="missed")
        .returning(RevisitStep.id)
        .execution_options(synchronize_session="fetch")
    ).all()
    if missed:
        expired = session.scalars(
            update(ContactTask)
            .where(
                ContactTask.tenant_id == session.tenant_id,
                ContactTask.source == SOURCE,
                ContactTask.source_id.in_(missed),
                ContactTask.state == "open",
            )
            .values(state="expired", outcome=Outcome.EXPIRED.value, closed_at=now)
            .returning(ContactTask.id)
            .execution_options(synchronize_session="fetch")
        ).all()
        surveys.settle_many(session, expired, now=now)
    return len(missed)
