"""Which tasks an agent could be given now, as one statement: the top of each hospital, then the top of those.

Row-level security alone cannot use an index's order over several hospitals, so each branch takes its few rows
per hospital by LATERAL over a partial index (design §2). The text is SQL, and the same for every agent: it is
asked at every press of a key, and must not be put together anew each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from foundation.calendar import CalendarMissing, local_date, local_day_start
from foundation.database import FirmSession
from outreach.policy import STANDARD, WESTERN, WESTERN_REGIONS, Profile, is_open
from outreach.ranks import ACKNOWLEDGE_PRESSES, APPOINTMENT_GRACE, CALLBACK_PRESSES, Rank

# OFFSET 0 keeps the two questions what they are, a look at one key for each row read.
# The classes of J1: those that press by the clock, and below them all others by their own rank. `ordinary` is
# false where only calls that the patient asked for are made now (a holiday, the hours of rest). A hospital
# whose agreement does not cover calls today is passed over, and so are tasks of a purpose that it does not
# name (tenants.life.agreement.in_force says the same of one hospital).
_CANDIDATES = """
WITH candidate AS MATERIALIZED (
    SELECT h.tenant_id, c.id, c.class, c.at
    FROM (SELECT tenant_id, CASE WHEN left(region, 2) = ANY (CAST(:western AS text[])) THEN :western_open
                            ELSE :standard_open END AS ordinary
               , a.purposes
          FROM hospital
          JOIN LATERAL (SELECT g.purposes, g.channels, g.ended_at, g.valid_to FROM processing_agreement g
                        WHERE g.tenant_id = hospital.tenant_id AND g.signed_at IS NOT NULL
                          AND g.valid_from <= CAST(:today AS date)
                        ORDER BY g.version DESC LIMIT 1) AS a
            ON a.ended_at IS NULL AND coalesce(a.valid_to >= CAST(:today AS date), true)
               AND jsonb_exists(a.channels, 'telephone')
          WHERE tenant_id = ANY (CAST(:tenant_ids AS uuid[])) AND state = 'active'
          OFFSET 0) AS h,
    LATERAL (
        WITH ready AS NOT MATERIALIZED (
            SELECT t.id, t.kind, t.rank, t.due_at, t.closes_at, t.appointment_at, t.appointment_agent
            FROM contact_task t
            WHERE t.tenant_id = h.tenant_id AND t.state = 'open' AND t.opens_at <= :now AND t.closes_at > :now
              AND t.next_try_at <= :now AND t.not_by IS DISTINCT FROM :agent_id
              AND jsonb_exists(h.purposes, t.purpose)
              AND NOT EXISTS (SELECT FROM suppression s WHERE s.tenant_id = h.tenant_id
                              AND s.patient_id = t.patient_id AND s.lifted_at IS NULL OFFSET 0)
              AND NOT EXISTS (SELECT FROM patient_hold o WHERE o.tenant_id = h.tenant_id
                              AND o.id = t.patient_id AND o.until >= :now OFFSET 0)
        )
        (SELECT id, :appointment AS class, appointment_at AS at FROM ready
         WHERE appointment_at BETWEEN CAST(:now AS timestamptz) - CAST(:grace AS interval)
                                  AND CAST(:now AS timestamptz) + CAST(:grace AS interval)
           AND appointment_agent = :agent_id
         ORDER BY appointment_at LIMIT :look)
        UNION ALL -- its agent did not come: a promise is kept by whoever is there
        (SELECT id, :promise, appointment_at FROM ready
         WHERE appointment_at < CAST(:now AS timestamptz) - CAST(:grace AS interval)
         ORDER BY appointment_at LIMIT :look)
        UNION ALL
        (SELECT id, :callback, due_at FROM ready
         WHERE kind = 'callback' AND due_at < :callback_before AND appointment_at IS NULL AND h.ordinary
         ORDER BY due_at LIMIT :look)
        UNION ALL
        (SELECT id, :acknowledge, due_at FROM ready
         WHERE kind = 'acknowledge' AND due_at < :acknowledge_before AND appointment_at IS NULL
         ORDER BY due_at LIMIT :look)
        UNION ALL
        (SELECT id, :promise, due_at FROM ready WHERE kind = 'promise' AND appointment_at IS NULL
         ORDER BY due_at LIMIT :look)
        UNION ALL
        (SELECT id, :closes_today, closes_at FROM ready
         WHERE kind = 'revisit' AND closes_at <= :day_end AND appointment_at IS NULL AND h.ordinary
         ORDER BY closes_at LIMIT :look)
        UNION ALL
        (SELECT id, rank, due_at FROM ready WHERE appointment_at IS NULL AND h.ordinary
         ORDER BY rank, due_at, id LIMIT :look)
    ) AS c
)
"""
# The task and its patient are locked without waiting, so neither this task nor another one of the same
# patient goes to a second agent; what the lock found changed (finished, tried) is asked again. One candidate
# after the other in the order of the queue, and no further than the first that could be locked.
_NEXT = text(
    _CANDIDATES  # noqa: S608 - two texts of ours, no value in them
    + """
SELECT l.*, c.class AS rank
FROM (SELECT * FROM candidate ORDER BY class, at, id) AS c,
LATERAL (
    SELECT t.tenant_id, t.id, t.patient_id, t.kind, t.purpose, t.attempts, t.appointment_at, t.source_id
    FROM contact_task t
    WHERE t.tenant_id = c.tenant_id AND t.id = c.id AND t.state = 'open' AND t.next_try_at <= :now
    FOR NO KEY UPDATE SKIP LOCKED
) AS l,
LATERAL (
    SELECT p.id FROM patient p WHERE p.tenant_id = l.tenant_id AND p.id = l.patient_id
    FOR NO KEY UPDATE SKIP LOCKED
) AS p
LIMIT 1
"""
)
_ANY = text(_CANDIDATES + "SELECT EXISTS (SELECT FROM candidate)")  # noqa: S608 - as above


@dataclass(frozen=True, slots=True)
class Candidate:
    """A task that is locked for this transaction, with what the policy must know of it; `rank` is the
    class.
    """

    tenant_id: UUID
    id: UUID
    patient_id: UUID
    kind: str
    purpose: str
    attempts: int
    appointment_at: datetime | None
    source_id: UUID
    rank: int


def next_candidate(session: FirmSession, agent_id: UUID, now: datetime, look: int) -> Candidate | None:
    """The most urgent task that nobody else is just taking, locked; `look` rows a branch and hospital are
    read.

    Ordinary calls only in hospitals whose calling hours it is; those that the patient asked for in all active
    ones. By night nothing at all may be drawn: that the caller has asked already.
    """
    row = session.execute(_NEXT, _values(session, agent_id, now, look)).one_or_none()
    return None if row is None else Candidate(**row._mapping)


def any_candidate(session: FirmSession, agent_id: UUID, now: datetime) -> bool:
    """Whether there is anything at all, locked by somebody or not."""
    return bool(session.scalar(_ANY, _values(session, agent_id, now, 1)))


def _values(session: FirmSession, agent_id: UUID, now: datetime, look: int) -> dict[str, Any]:
    return {
        "tenant_ids": list(session.tenant_ids),
        "today": local_date(now),
        "western": list(WESTERN_REGIONS),
        "western_open": _ordinary(WESTERN, now),
        "standard_open": _ordinary(STANDARD, now),
        "agent_id": agent_id,
        "now": now,
        "look": look,
        "grace": APPOINTMENT_GRACE,
        "callback_before": now + CALLBACK_PRESSES,
        "acknowledge_before": now + ACKNOWLEDGE_PRESSES,
        "day_end": local_day_start(local_date(now) + timedelta(days=1)),
        "appointment": int(Rank.APPOINTMENT),
        "callback": int(Rank.CALLBACK_DUE),
        "acknowledge": int(Rank.ACKNOWLEDGE_DUE),
        "promise": int(Rank.PROMISE),
        "closes_today": int(Rank.CLOSES_TODAY),
    }


def _ordinary(profile: Profile, now: datetime) -> bool:
    try:
        return is_open(now, profile)
    except CalendarMissing:
        return False
