"""What the workbench and «my day» show (SC-1, SC-7): figures, the day's timeline, what was done.

Lists over the firm's hospitals name people by mask only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text

from foundation.calendar import CalendarMissing, is_holiday, local_date, local_day_start
from foundation.database import FirmSession, HospitalSession
from outreach import policy
from outreach.ranks import CALLBACK_PRESSES, Rank
from tenants.keys import unseal
from tenants.models import Hospital

# S3-17: twenty patients properly reached, a day and agent.
GOAL = 20
REACHED_OUTCOMES = ("completed", "partial")


@dataclass(frozen=True, slots=True)
class Promise:
    """A fixed time of today: an appointment, a closing callback or a promised call, with its deadline."""

    tenant_id: UUID
    task_id: UUID
    kind: str
    name: str
    label: dict[str, str]
    at: datetime
    mine: bool


@dataclass(frozen=True, slots=True)
class Pool:
    """How many contacts of one hospital are due today, by class (`outreach.ranks.Rank`)."""

    tenant_id: UUID
    total: int
    overdue: int
    by_class: dict[str, int]


@dataclass(frozen=True, slots=True)
class Workbench:
    """The figures of SC-1. `next_at` is when a card may be drawn next, when nothing is due today or
    nobody is called now."""

    due: int
    overdue: int
    done: int
    goal: int
    timeline: tuple[Promise, ...]
    pools: tuple[Pool, ...]
    closed_because: str | None
    next_at: datetime | None

    @property
    def appointments(self) -> list[Promise]:
        """Own appointments of today."""
        return [promise for promise in self.timeline if promise.mine]

    @property
    def callbacks(self) -> list[Promise]:
        """Closing callbacks, the earliest deadline first."""
        return [promise for promise in self.timeline if promise.kind == "callback"]


@dataclass(frozen=True, slots=True)
class CallLine:
    """One call in a list: when, which hospital, whom (masked by the page), how it ended."""

    call_id: UUID
    tenant_id: UUID
    name: str
    label: dict[str, str]
    agent_name: str
    dialled_at: datetime
    connected_at: datetime | None
    ended_at: datetime | None
    outcome: str | None
    note: str
    contact_point_id: UUID


@dataclass(frozen=True, slots=True)
class MyDay:
    """An agent's day (SC-7): dials, people reached, and how the contacts ended."""

    dialled: int
    reached: int
    completed: int
    partial: int
    refused: int
    booked: int
    calls: tuple[CallLine, ...]
    promises: tuple[Promise, ...]


_POOLS = text("""
SELECT t.tenant_id, CASE WHEN t.appointment_at IS NOT NULL THEN :appointment
            WHEN t.kind = 'callback' AND t.due_at < :presses THEN :callback
            WHEN t.kind = 'promise' THEN :promise
            WHEN t.kind = 'revisit' AND t.closes_at <= :day_end THEN :closes_today
            ELSE t.rank END AS class,
    count(*) AS total, count(*) FILTER (WHERE t.due_at < :now) AS overdue
FROM contact_task t
WHERE t.tenant_id = ANY (CAST(:tenant_ids AS uuid[])) AND t.state = 'open' AND t.opens_at < :day_end
  AND t.closes_at > :now AND t.next_try_at < :day_end AND t.not_by IS DISTINCT FROM :agent_id
GROUP BY 1, 2
""")
_PROMISES = text("""
SELECT t.tenant_id, t.id, t.kind, p.name, t.label, coalesce(t.appointment_at, t.due_at) AS at,
    t.appointment_at IS NOT NULL AND t.appointment_agent = :agent_id AS mine
FROM contact_task t JOIN patient p ON p.tenant_id = t.tenant_id AND p.id = t.patient_id
WHERE t.tenant_id = ANY (CAST(:tenant_ids AS uuid[])) AND t.state = 'open'
  AND t.not_by IS DISTINCT FROM :agent_id
  AND ((t.appointment_at IS NOT NULL AND t.appointment_agent = :agent_id AND t.appointment_at < :until)
       OR (:others AND t.appointment_at IS NULL AND t.kind IN ('callback', 'acknowledge', 'promise')
           AND t.due_at < :until))
ORDER BY at, t.id LIMIT 50
""")
_NEXT_TRY = text("""
SELECT min(greatest(t.next_try_at, t.opens_at)) FROM contact_task t
WHERE t.tenant_id = ANY (CAST(:tenant_ids AS uuid[])) AND t.state = 'open' AND t.closes_at > :now
  AND t.not_by IS DISTINCT FROM :agent_id AND greatest(t.next_try_at, t.opens_at) > :now
""")
_CALLS = """
SELECT c.id AS call_id, c.tenant_id, p.name, t.label, c.agent_name, c.dialled_at, c.connected_at, c.ended_at,
    c.outcome, c.note_cipher, c.contact_point_id
FROM call c JOIN patient p ON p.tenant_id = c.tenant_id AND p.id = c.patient_id
JOIN contact_task t ON t.tenant_id = c.tenant_id AND t.id = c.task_id
"""
_MY_CALLS = text(
    _CALLS
    + """
WHERE c.tenant_id = ANY (CAST(:tenant_ids AS uuid[])) AND c.agent_id = :agent_id
  AND c.dialled_at >= :begins AND c.dialled_at < :ends
ORDER BY c.dialled_at DESC
"""
)
_HISTORY = text(
    _CALLS
    + """
WHERE c.tenant_id = :tenant_id AND c.patient_id = :patient_id AND c.outcome IS NOT NULL
ORDER BY c.dialled_at DESC LIMIT :most
"""
)


def workbench(session: FirmSession, agent_id: UUID, now: datetime) -> Workbench:
    """What this agent finds on the first screen, over the hospitals of the session."""
    common = _common(session, agent_id, now)
    pools = _pools(session, common, now)
    due = sum(pool.total for pool in pools)
    closed_because, next_at = _closed(session, now)
    if closed_because is None and due == 0:
        next_at = session.scalar(_NEXT_TRY, common)
    return Workbench(
        due=due,
        overdue=sum(pool.overdue for pool in pools),
        done=len(_reached_today(session, agent_id, now)),
        goal=GOAL,
        timeline=_promises(session, common, _day_end(now), others=True),
        pools=pools,
        closed_because=closed_because,
        next_at=next_at,
    )


def my_day(session: FirmSession, agent_id: UUID, day: date, now: datetime) -> MyDay:
    """An agent's calls of one day in China, the latest first, and the promises still to be kept."""
    calls = _calls_of(session, agent_id, day)
    ends = Counter(call.outcome for call in calls)
    return MyDay(
        dialled=len(calls),
        reached=sum(call.connected_at is not None for call in calls),
        completed=ends["completed"],
        partial=ends["partial"],
        refused=ends["refused_now"] + ends["refused_forever"],
        booked=ends["callback_booked"],
        calls=calls,
        promises=_promises(session, _common(session, agent_id, now), now + timedelta(days=30), others=False),
    )


def history(session: HospitalSession, patient_id: UUID, most: int = 5) -> list[CallLine]:
    """The latest ended calls of a patient, the newest first."""
    values = {"tenant_id": session.tenant_id, "patient_id": patient_id, "most": most}
    return [_line(session, row) for row in session.execute(_HISTORY, values)]


def _calls_of(session: FirmSession, agent_id: UUID, day: date) -> tuple[CallLine, ...]:
    values = {
        "tenant_ids": list(session.tenant_ids),
        "agent_id": agent_id,
        "begins": local_day_start(day),
        "ends": local_day_start(day + timedelta(days=1)),
    }
    return tuple(_line(session, row) for row in session.execute(_MY_CALLS, values))


def _reached_today(session: FirmSession, agent_id: UUID, now: datetime) -> list[CallLine]:
    calls = _calls_of(session, agent_id, local_date(now))
    return [call for call in calls if call.outcome in REACHED_OUTCOMES]


def _pools(session: FirmSession, common: dict[str, Any], now: datetime) -> tuple[Pool, ...]:
    found: dict[UUID, tuple[Counter[str], int]] = {}
    values = common | {
        "presses": now + CALLBACK_PRESSES,
        "appointment": int(Rank.APPOINTMENT),
        "callback": int(Rank.CALLBACK_DUE),
        "promise": int(Rank.PROMISE),
        "closes_today": int(Rank.CLOSES_TODAY),
    }
    for row in session.execute(_POOLS, values):
        counts, overdue = found.get(row.tenant_id, (Counter[str](), 0))
        counts[Rank(min(row[1], Rank.REST)).name.lower()] += row.total
        found[row.tenant_id] = counts, overdue + row.overdue
    order: Sequence[UUID] = session.tenant_ids
    return tuple(
        Pool(tenant_id, counts.total(), overdue, dict(counts))
        for tenant_id in order
        for counts, overdue in [found.get(tenant_id, (Counter[str](), 0))]
    )


def _promises(
    session: FirmSession, common: dict[str, Any], until: datetime, *, others: bool
) -> tuple[Promise, ...]:
    rows = session.execute(_PROMISES, common | {"until": until, "others": others})
    return tuple(Promise(r.tenant_id, r.id, r.kind, r.name, r.label, r.at, r.mine) for r in rows)


def _closed(session: FirmSession, now: datetime) -> tuple[str | None, datetime | None]:
    """Why nobody is called now in any of the hospitals, and when the first one opens."""
    regions = session.scalars(
        select(Hospital.region).where(Hospital.tenant_id.in_(session.tenant_ids), Hospital.state == "active")
    ).all()
    profiles = {policy.profile_for(region) for region in regions}
    if not profiles:
        return ("no_hospital" if not session.tenant_ids else "hospital_paused"), None
    try:
        if any(policy.is_open(now, profile) for profile in profiles):
            return None, None
        opens_at = min(policy.next_allowed(now, profile) for profile in profiles)
        holiday = is_holiday(local_date(now))
    except CalendarMissing:
        return "calendar_missing", None
    return ("holiday" if holiday else "out_of_hours"), opens_at


def _common(session: FirmSession, agent_id: UUID, now: datetime) -> dict[str, Any]:
    return {
        "tenant_ids": list(session.tenant_ids),
        "agent_id": agent_id,
        "now": now,
        "day_end": _day_end(now),
    }


def _day_end(now: datetime) -> datetime:
    return local_day_start(local_date(now) + timedelta(days=1))


def _line(session: FirmSession | HospitalSession, row: Row[Any]) -> CallLine:
    columns = dict(row._mapping)
    note = unseal(session, columns.pop("note_cipher"), row.tenant_id)
    return CallLine(**columns, note=note)
