"""The measures that a month, its trend and the benchmark share: one definition each, in one statement.

Rows come by hospital and month: aggregates only. A hospital's month asks for itself and thirteen months, the
benchmark for one month and many hospitals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import text

from foundation.calendar import SHANGHAI, add_months, first_of_month, month_bounds
from foundation.database import ScopedSession
from reporting.figures import HIDE_BELOW, Figure, mean, share
from surveys.instrument import LEVELS
from surveys.scoring import level_index

COLLECTION_TARGET = 0.95  # S0-1
RESPONSE_TARGET = 0.98  # S0-2
FIRST_RESPONSE_HOURS = 24  # S0-2
SATISFIED_FROM = level_index(LEVELS - 1)  # the two best of six levels, on 0 to 100
FREEZE_DAY, FREEZE_HOUR = 3, 18  # J5: late rows stay open until then

Audience = Literal["inpatient", "outpatient"]


@dataclass(frozen=True, slots=True)
class Period:
    """A month: its first instant, the first of the next, and until when late rows are read."""

    month: date
    starts: datetime
    ends: datetime
    cut: datetime


def period(month: date, cut: datetime | None = None) -> Period:
    """The month of ``month`` in Asia/Shanghai; read up to ``cut``, else to the freeze (J5)."""
    first = first_of_month(month)
    starts, ends = month_bounds(first)
    return Period(first, starts, ends, cut or freeze_of(first))


def freeze_of(month: date) -> datetime:
    """When a month's numbers stop moving: the 3rd of the next month at 18:00 in China (J5)."""
    day = add_months(first_of_month(month), 1) + timedelta(days=FREEZE_DAY - 1)
    return datetime.combine(day, time(FREEZE_HOUR), SHANGHAI)


@dataclass(frozen=True, slots=True)
class Asked:
    """Complete responses of one audience: count, mean, sample deviation, satisfied of those who rated."""

    n: int
    mean: float | None
    sd: float | None
    satisfied: int
    rated: int

    def index(self) -> Figure:
        """满意度, hidden below ten answers."""
        return mean(self.n, self.mean, self.sd)

    def satisfied_share(self) -> Figure:
        """满意率, hidden below ten answers."""
        return share(self.satisfied, self.rated, hide_below=HIDE_BELOW)


@dataclass(frozen=True, slots=True)
class Core:
    """The shared measures of one hospital and month, as counts."""

    inpatient: Asked
    outpatient: Asked
    served_inpatient: int
    collected_inpatient: int
    served_outpatient: int
    collected_outpatient: int
    received: int
    answered_in_time: int

    def asked(self, audience: Audience) -> Asked:
        """Inpatients or outpatients."""
        return self.inpatient if audience == "inpatient" else self.outpatient

    @property
    def collection(self) -> Figure:
        """反馈收集率 (S0-1)."""
        collected = self.collected_inpatient + self.collected_outpatient
        return share(collected, self.served_inpatient + self.served_outpatient, target=COLLECTION_TARGET)

    @property
    def response24(self) -> Figure:
        """处理及时率 (S0-2)."""
        return share(self.answered_in_time, self.received, target=RESPONSE_TARGET)

    @property
    def empty(self) -> bool:
        """Nothing was served, asked or received."""
        served = self.served_inpatient + self.served_outpatient
        return self.inpatient.n + self.outpatient.n + served + self.received == 0


# Served: inpatients by day of discharge, outpatients as drawn into a sample within the month (the sample of a
# month is drawn after its end and asked from then on). Suppressed at the cut: on neither side (S0-1, S4-15).
_CORE = text("""
WITH hospital AS (
    SELECT unnest(CAST(:tenants AS uuid[])) AS tenant_id
), period AS (
    SELECT * FROM unnest(CAST(:months AS date[]), CAST(:nexts AS date[]), CAST(:starts AS timestamptz[]),
                         CAST(:ends AS timestamptz[]), CAST(:cuts AS timestamptz[]))
               AS p(month, next, starts, ends, cut)
), asked AS (
    SELECT r.tenant_id, p.month, q.audience, r.index_value,
           CAST(r.dimension_values->>'overall' AS numeric) AS overall
      FROM period p
      JOIN response r ON r.tenant_id = ANY(:tenants)
                     AND r.completed_at >= p.starts AND r.completed_at < p.ends
      JOIN questionnaire q ON q.tenant_id = r.tenant_id AND q.id = r.questionnaire_id
     WHERE r.state = 'complete' AND r.index_value IS NOT NULL
), answers AS (
    SELECT tenant_id, month,
           count(*) FILTER (WHERE audience = 'inpatient') AS in_n,
           avg(index_value) FILTER (WHERE audience = 'inpatient') AS in_mean,
           stddev_samp(index_value) FILTER (WHERE audience = 'inpatient') AS in_sd,
           count(overall) FILTER (WHERE audience = 'inpatient') AS in_rated,
           count(*) FILTER (WHERE audience = 'inpatient' AND overall >= :satisfied_from) AS in_satisfied,
           count(*) FILTER (WHERE audience = 'outpatient') AS out_n,
           avg(index_value) FILTER (WHERE audience = 'outpatient') AS out_mean,
           stddev_samp(index_value) FILTER (WHERE audience = 'outpatient') AS out_sd,
           count(overall) FILTER (WHERE audience = 'outpatient') AS out_rated,
           count(*) FILTER (WHERE audience = 'outpatient' AND overall >= :satisfied_from) AS out_satisfied
      FROM asked GROUP BY tenant_id, month
), encounters AS (
    SELECT e.tenant_id, p.month, p.cut, e.id, e.patient_id, true AS inpatient
      FROM period p
      JOIN encounter e ON e.tenant_id = ANY(:tenants) AND e.kind = 'inpatient'
                      AND e.discharged_on >= p.month AND e.discharged_on < p.next
                      AND e.withdrawn_at IS NULL
    UNION ALL
    SELECT e.tenant_id, p.month, p.cut, e.id, e.patient_id, false
      FROM period p
      JOIN survey_sample s ON s.tenant_id = ANY(:tenants) AND s.audience = 'outpatient'
                          AND s.drawn_at >= p.starts AND s.drawn_at < p.ends
      JOIN sample_member m ON m.tenant_id = s.tenant_id AND m.sample_id = s.id AND m.drawn
      JOIN encounter e ON e.tenant_id = m.tenant_id AND e.id = m.encounter_id AND e.withdrawn_at IS NULL
), served AS (
    SELECT s.*,
           EXISTS (SELECT 1 FROM response r WHERE r.tenant_id = s.tenant_id AND r.encounter_id = s.id
                      AND r.state = 'complete' AND r.completed_at < s.cut)
        OR EXISTS (SELECT 1 FROM feedback_case f WHERE f.tenant_id = s.tenant_id
                      AND f.patient_id = s.patient_id AND f.encounter_id = s.id
                      AND f.received_at < s.cut) AS collected
      FROM encounters s
     WHERE NOT EXISTS (SELECT 1 FROM suppression x WHERE x.tenant_id = s.tenant_id
                          AND x.patient_id = s.patient_id AND x.started_at < s.cut
                          AND (x.lifted_at IS NULL OR x.lifted_at >= s.cut))
), collection AS (
    SELECT tenant_id, month,
           count(*) FILTER (WHERE inpatient) AS served_in,
           count(*) FILTER (WHERE inpatient AND collected) AS collected_in,
           count(*) FILTER (WHERE NOT inpatient) AS served_out,
           count(*) FILTER (WHERE NOT inpatient AND collected) AS collected_out
      FROM served GROUP BY tenant_id, month
), first_response AS (
    SELECT f.tenant_id, p.month,
           count(*) FILTER (WHERE f.responded_at < p.cut OR f.received_at + :limit <= p.cut) AS received,
           count(*) FILTER (WHERE f.responded_at < p.cut
                              AND f.responded_at <= f.received_at + :limit) AS in_time
      FROM period p
      JOIN feedback_case f ON f.tenant_id = ANY(:tenants)
                          AND f.received_at >= p.starts AND f.received_at < p.ends
     GROUP BY f.tenant_id, p.month
)
SELECT h.tenant_id, p.month, in_n, in_mean, in_sd, in_rated, in_satisfied, out_n, out_mean, out_sd, out_rated,
       out_satisfied, served_in, collected_in, served_out, collected_out, f.received, f.in_time
  FROM hospital h CROSS JOIN period p
  LEFT JOIN answers a ON a.tenant_id = h.tenant_id AND a.month = p.month
  LEFT JOIN collection c ON c.tenant_id = h.tenant_id AND c.month = p.month
  LEFT JOIN first_response f ON f.tenant_id = h.tenant_id AND f.month = p.month
""")


def core_measures(
    session: ScopedSession, tenants: Sequence[UUID], periods: Sequence[Period]
) -> dict[tuple[UUID, date], Core]:
    """The shared measures by hospital and month, zeros where nothing is. One statement, aggregates only.

    A case whose first 24 hours are not over at the cut and that has no answer yet is not counted as received.
    """
    rows = session.execute(_CORE, _parameters(tenants, periods)).mappings()
    return {(row["tenant_id"], row["month"]): _core(dict(row)) for row in rows}


def _parameters(tenants: Sequence[UUID], periods: Sequence[Period]) -> dict[str, Any]:
    return {
        "tenants": list(tenants),
        "months": [one.month for one in periods],
        "nexts": [add_months(one.month, 1) for one in periods],
        "starts": [one.starts for one in periods],
        "ends": [one.ends for one in periods],
        "cuts": [one.cut for one in periods],
        "limit": timedelta(hours=FIRST_RESPONSE_HOURS),
        "satisfied_from": float(SATISFIED_FROM),
    }


def _core(row: dict[str, Any]) -> Core:
    return Core(
        inpatient=_asked(row, "in"),
        outpatient=_asked(row, "out"),
        served_inpatient=row["served_in"] or 0,
        collected_inpatient=row["collected_in"] or 0,
        served_outpatient=row["served_out"] or 0,
        collected_outpatient=row["collected_out"] or 0,
        received=row["received"] or 0,
        answered_in_time=row["in_time"] or 0,
    )


def _asked(row: dict[str, Any], side: str) -> Asked:
    value, sd = row[f"{side}_mean"], row[f"{side}_sd"]
    return Asked(
        n=row[f"{side}_n"] or 0,
        mean=None if value is None else float(value),
        sd=None if sd is None else float(sd),
        satisfied=row[f"{side}_satisfied"] or 0,
        rated=row[f"{side}_rated"] or 0,
    )
