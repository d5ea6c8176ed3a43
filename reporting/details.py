"""What only a hospital itself sees of its month: parts, problems, contacts, follow-up, cases.

Each function is one statement over the month of one hospital; sums are made in the database.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import text

from feedback.callbacks import SATISFIED_FROM
from feedback.tags import by_code
from foundation.calendar import add_months
from foundation.database import HospitalSession
from reporting.core import Audience, Period
from reporting.figures import (
    Cases,
    Contacts,
    Encounters,
    Figure,
    FollowUp,
    Labelled,
    Problem,
    mean,
    rate,
    share,
)

HANDLING_TARGET = 0.92  # S0-5
NO_DEPARTMENT = ("—", "未分科室", "No department")

_ENCOUNTERS = text("""
SELECT kind, count(*) AS n FROM encounter
 WHERE tenant_id = :tenant AND discharged_on >= :month AND discharged_on < :next AND withdrawn_at IS NULL
 GROUP BY kind
""")

# What organisations answer is no index of patients (S1-1): it stands on the page of their wave.
_DIMENSIONS = text("""
SELECT q.audience, d.key AS code, max(l.value->'label'->>'zh') AS zh, max(l.value->'label'->>'en') AS en,
       min(l.ordinality) AS place, count(*) AS n, avg(CAST(d.value AS numeric)) AS mean,
       stddev_samp(CAST(d.value AS numeric)) AS sd
  FROM response r
  JOIN questionnaire q ON q.tenant_id = r.tenant_id AND q.id = r.questionnaire_id
 CROSS JOIN LATERAL jsonb_each_text(r.dimension_values) AS d(key, value)
  JOIN LATERAL jsonb_array_elements(q.content->'dimensions') WITH ORDINALITY AS l(value, ordinality)
    ON l.value->>'code' = d.key
 WHERE r.tenant_id = :tenant AND r.state = 'complete' AND r.completed_at >= :starts AND r.completed_at < :ends
   AND d.value IS NOT NULL AND q.audience IN ('inpatient', 'outpatient')
 GROUP BY q.audience, d.key ORDER BY place, code
""")

_DEPARTMENTS = text("""
SELECT q.audience, d.name, count(*) AS n, avg(r.index_value) AS mean, stddev_samp(r.index_value) AS sd
  FROM response r
  JOIN questionnaire q ON q.tenant_id = r.tenant_id AND q.id = r.questionnaire_id
  JOIN encounter e ON e.tenant_id = r.tenant_id AND e.id = r.encounter_id
  LEFT JOIN department d ON d.tenant_id = e.tenant_id AND d.id = e.department_id
 WHERE r.tenant_id = :tenant AND r.state = 'complete' AND r.index_value IS NOT NULL
   AND r.completed_at >= :starts AND r.completed_at < :ends
   AND q.audience IN ('inpatient', 'outpatient')
 GROUP BY q.audience, d.name ORDER BY n DESC, d.name COLLATE "C" NULLS LAST
""")

_PROBLEMS = text("""
SELECT f.tag, d.name, count(*) FILTER (WHERE f.received_at >= :starts) AS n,
       count(*) FILTER (WHERE f.received_at < :starts) AS before
  FROM feedback_case f
  LEFT JOIN department d ON d.tenant_id = f.tenant_id AND d.id = f.department_id
 WHERE f.tenant_id = :tenant AND f.received_at >= :earlier AND f.received_at < :ends
 GROUP BY f.tag, d.name
""")

# A revisit due by the end of a day is due at the first instant of the next: the month is (starts, ends].
_CONTACTS = text("""
WITH due AS (
    SELECT CASE WHEN t.closed_at >= :ends THEN 'open' ELSE t.state END AS state, t.attempts > 0 AS attempted
      FROM contact_task t
     WHERE t.tenant_id = :tenant AND t.due_at > :starts AND t.due_at <= :ends
    UNION ALL
    SELECT 'missed', false
      FROM revisit_step s
     WHERE s.tenant_id = :tenant AND s.target_on >= :month AND s.target_on < :next AND s.state = 'missed'
       AND NOT EXISTS (SELECT 1 FROM contact_task t WHERE t.tenant_id = :tenant AND t.source = 'revisit'
                          AND t.source_id = s.id)
), calls AS (
    SELECT count(*) AS dialled, count(connected_at) AS connected
      FROM call WHERE tenant_id = :tenant AND dialled_at >= :starts AND dialled_at < :ends
), done AS (
    SELECT count(*) AS done FROM contact_task
     WHERE tenant_id = :tenant AND state = 'completed' AND closed_at >= :starts AND closed_at < :ends
)
SELECT count(*) FILTER (WHERE state <> 'cancelled') AS planned,
       count(*) FILTER (WHERE state <> 'cancelled' AND attempted) AS attempted,
       count(*) FILTER (WHERE state = 'completed') AS completed,
       count(*) FILTER (WHERE state = 'partial') AS partial,
       count(*) FILTER (WHERE state = 'unreachable') AS unreachable,
       count(*) FILTER (WHERE state = 'refused') AS refused,
       count(*) FILTER (WHERE state IN ('missed', 'expired')) AS missed,
       count(*) FILTER (WHERE state = 'open') AS open,
       count(*) FILTER (WHERE state = 'cancelled') AS cancelled,
       (SELECT dialled FROM calls) AS dialled, (SELECT connected FROM calls) AS connected,
       (SELECT done FROM done) AS done
  FROM due
""")

_FOLLOW_UP = text("""
SELECT e.discharged_on >= :month AS this_month, count(*) AS discharged,
       count(*) FILTER (WHERE followed.yes) AS followed,
       count(*) FILTER (WHERE NOT gone.yes) AS living,
       count(*) FILTER (WHERE followed.yes AND NOT gone.yes) AS living_followed
  FROM encounter e
 CROSS JOIN LATERAL (SELECT EXISTS (
           SELECT 1 FROM contact_task t
            WHERE t.tenant_id = :tenant AND t.patient_id = e.patient_id AND t.encounter_id = e.id
              AND t.kind IN ('revisit', 'survey') AND t.state IN ('completed', 'partial')
              AND t.closed_at < :cut) AS yes) AS followed
 CROSS JOIN LATERAL (SELECT coalesce(e.disposition = 'died', false) OR EXISTS (
           SELECT 1 FROM suppression x
            WHERE x.tenant_id = :tenant AND x.patient_id = e.patient_id AND x.reason = 'deceased'
              AND x.started_at < :cut AND (x.lifted_at IS NULL OR x.lifted_at >= :cut)) AS yes) AS gone
 WHERE e.tenant_id = :tenant AND e.kind = 'inpatient' AND e.discharged_on >= :earlier_month
   AND e.discharged_on < :next AND e.withdrawn_at IS NULL
 GROUP BY 1
""")

_CASES = text("""
WITH known AS (
    SELECT f.*, f.received_at >= :starts AS received_now,
           coalesce(f.closed_at >= :starts AND f.closed_at < :ends, false) AS closed_now,
           f.closed_at IS NULL OR f.closed_at >= :ends AS still_open
      FROM feedback_case f
     WHERE f.tenant_id = :tenant AND f.received_at < :ends AND (f.closed_at IS NULL OR f.closed_at >= :starts)
)
SELECT count(*) FILTER (WHERE received_now) AS opened,
       count(*) FILTER (WHERE received_now AND tier = 3) AS complaints,
       count(*) FILTER (WHERE closed_now) AS closed,
       count(*) FILTER (WHERE closed_now AND NOT missed.yes) AS in_time,
       count(*) FILTER (WHERE still_open) AS open,
       count(*) FILTER (WHERE still_open AND late.yes) AS overdue
  FROM known
 CROSS JOIN LATERAL (SELECT EXISTS (
           SELECT 1 FROM case_clock c
            WHERE c.tenant_id = :tenant AND c.case_id = known.id
              AND (c.met_at > c.due_at OR c.met_at IS NULL AND c.kind <> 'callback')) AS yes) AS missed
 CROSS JOIN LATERAL (SELECT EXISTS (
           SELECT 1 FROM case_clock c
            WHERE c.tenant_id = :tenant AND c.case_id = known.id AND c.round = known.round
              AND c.due_at < :ends AND (c.met_at IS NULL OR c.met_at >= :ends)) AS yes) AS late
""")

_FIRST_LIMITS = text("""
SELECT count(*) AS n, count(*) FILTER (WHERE c.met_at <= c.due_at AND c.met_at < :cut) AS met
  FROM feedback_case f
  JOIN case_clock c ON c.tenant_id = f.tenant_id AND c.case_id = f.id AND c.round = 1
                   AND c.kind IN ('ack', 'emergency')
 WHERE f.tenant_id = :tenant AND f.received_at >= :starts AND f.received_at < :ends
   AND (c.due_at <= :cut OR c.met_at < :cut)
""")

_CALLBACKS = text("""
SELECT count(*) FILTER (WHERE kind = 'callback') AS answered,
       count(*) FILTER (WHERE kind = 'callback' AND CAST(detail->>'level' AS int) >= :satisfied) AS satisfied,
       count(*) FILTER (WHERE kind = 'round') AS rounds
  FROM case_event
 WHERE tenant_id = :tenant AND kind IN ('callback', 'round') AND at >= :starts AND at < :ends
""")


def parameters(session: HospitalSession, period: Period, before: Period) -> dict[str, Any]:
    """What every statement here is given."""
    return {
        "tenant": session.tenant_id,
        "month": period.month,
        "next": add_months(period.month, 1),
        "starts": period.starts,
        "ends": period.ends,
        "cut": period.cut,
        "earlier": before.starts,
        "earlier_month": before.month,
    }


def encounters(session: HospitalSession, given: Mapping[str, Any]) -> Encounters:
    """Discharges and visits by kind."""
    found = {row.kind: row.n for row in session.execute(_ENCOUNTERS, given)}
    return Encounters(found.get("inpatient", 0), found.get("outpatient", 0), found.get("checkup", 0))


def dimensions(session: HospitalSession, given: Mapping[str, Any]) -> dict[Audience, list[Labelled]]:
    """The mean index of each dimension in the order of the questionnaire, hidden below ten answers (A9)."""
    found: dict[Audience, list[Labelled]] = {"inpatient": [], "outpatient": []}
    for row in session.execute(_DIMENSIONS, given):
        found[row.audience].append(Labelled(row.code, row.zh, row.en, _mean(row)))
    return found


def departments(session: HospitalSession, given: Mapping[str, Any]) -> dict[Audience, list[Labelled]]:
    """The mean index of each department, the largest first, hidden below ten answers (A9)."""
    found: dict[Audience, list[Labelled]] = {"inpatient": [], "outpatient": []}
    for row in session.execute(_DEPARTMENTS, given):
        code, zh, en = (row.name, row.name, row.name) if row.name else NO_DEPARTMENT
        found[row.audience].append(Labelled(code, zh, en, _mean(row)))
    return found


def problems_and_counts(
    session: HospitalSession, given: Mapping[str, Any]
) -> tuple[list[Problem], dict[tuple[str, str], int]]:
    """Tags by number of cases (S0-35), and this month's cases by (department, tag)."""
    this: dict[str, int] = {}
    before: dict[str, int] = {}
    counts: dict[tuple[str, str], int] = {}
    for row in session.execute(_PROBLEMS, given):
        this[row.tag] = this.get(row.tag, 0) + row.n
        before[row.tag] = before.get(row.tag, 0) + row.before
        if row.n:
            counts[row.name or NO_DEPARTMENT[0], row.tag] = row.n
    labels = by_code()
    problems = []
    for tag in sorted(this, key=lambda code: (-this[code], code)):
        label = labels[tag].label if tag in labels else None
        problems.append(
            Problem(tag, label.zh if label else tag, label.en if label else tag, this[tag], before[tag])
        )
    return problems, counts


def contacts(session: HospitalSession, given: Mapping[str, Any]) -> Contacts:
    """Contacts due in the month as they stood at its end, and the month's calls."""
    row = session.execute(_CONTACTS, given).one()
    return Contacts(
        planned=row.planned,
        attempted=row.attempted,
        completed=row.completed,
        partial=row.partial,
        unreachable=row.unreachable,
        refused=row.refused,
        missed=row.missed,
        open=row.open,
        cancelled=row.cancelled,
        reach=share(row.connected, row.dialled),
        dials=rate(row.dialled, row.done),
    )


def follow_up(session: HospitalSession, given: Mapping[str, Any]) -> FollowUp:
    """Follow-up of this month's discharges and of last month's, both as known at the cut (C7)."""
    found = {row.this_month: row for row in session.execute(_FOLLOW_UP, given)}
    this, before = found.get(True), found.get(False)
    return FollowUp(
        all=share(this.followed, this.discharged) if this else share(0, 0),
        living=share(this.living_followed, this.living) if this else share(0, 0),
        before=share(before.followed, before.discharged) if before else share(0, 0),
    )


def cases(session: HospitalSession, given: Mapping[str, Any]) -> tuple[Cases, int, Figure]:
    """Cases of the month, how many are complaints (tier 3), satisfaction with the handling (S0-5)."""
    row = session.execute(_CASES, given).one()
    asked = session.execute(_CALLBACKS, {**given, "satisfied": SATISFIED_FROM}).one()
    told = Cases(
        opened=row.opened,
        closed=row.closed,
        open=row.open,
        overdue=row.overdue,
        rounds=asked.rounds,
        in_time=share(row.in_time, row.closed),
    )
    return told, row.complaints, share(asked.satisfied, asked.answered, target=HANDLING_TARGET)


def first_limits(session: HospitalSession, given: Mapping[str, Any]) -> Figure:
    """分级及时率 (D5): the first limit of its own tier kept, 24 h, 12 h or 1 h (S0-20, S0-22, S0-24)."""
    row = session.execute(_FIRST_LIMITS, given).one()
    return share(row.met, row.n)


def _mean(row: Any) -> Figure:
    return mean(row.n, float(row.mean), None if row.sd is None else float(row.sd))
