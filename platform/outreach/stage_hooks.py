"""What contacting people does when a hospital is suspended and when it is resumed (journeys.md J6).

Suspended: nothing is drawn, made or dialled; cards go back, except those of a call that is going on.
Callbacks, first answers and promises of complaints stay in the queue: their clocks run, the hospital's own
people may make them by hand, and they come first when the firm works again.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import text

from foundation.calendar import CalendarMissing, is_holiday, local_date, local_day_start
from foundation.database import HospitalSession
from outreach import spreading
from tenants.life import moves, stages

# Contacts that a plan or a sample asked for; the others are of complaints.
SCHEDULED = ("revisit", "survey")
# The outcome of a contact whose window closed in the suspension: cancelled, so it stands in no rate.
LOST = "hospital_paused"
# A survey's window is 42 days; whatever closes later is looked at as if it closed then.
DAYS_AHEAD = 45

_LET_GO = text("""
DELETE FROM patient_hold o
WHERE o.tenant_id = :tenant_id AND NOT EXISTS (
    SELECT FROM call c WHERE c.tenant_id = :tenant_id AND c.task_id = o.task_id AND c.agent_id = o.agent_id
       AND c.outcome IS NULL)
""")
_END_CALLS = text("""
UPDATE call c
SET ended_at = :now, outcome = CASE WHEN c.connected_at IS NULL THEN 'no_answer' ELSE 'hung_up' END
WHERE c.tenant_id = :tenant_id AND c.outcome IS NULL
""")
_FREE_HELD = text("""
UPDATE contact_task t SET next_try_at = :now FROM patient_hold o
WHERE t.tenant_id = :tenant_id AND o.tenant_id = :tenant_id AND t.id = o.task_id AND t.state = 'open'
""")
_DROP_HOLDS = text("DELETE FROM patient_hold o WHERE o.tenant_id = :tenant_id")
_FREE_APPOINTMENTS = text("""
UPDATE contact_task t SET appointment_agent = NULL
WHERE t.tenant_id = :tenant_id AND t.state = 'open' AND t.appointment_agent IS NOT NULL
""")
_CANCEL_LOST = text("""
UPDATE contact_task t SET state = 'cancelled', outcome = :lost, closed_at = :now
WHERE t.tenant_id = :tenant_id AND t.state = 'open' AND t.kind = ANY (:kinds)
  AND t.closes_at > :since AND t.closes_at <= :now
""")
# A complaint's contact is not given up because of a suspension: it gets back the time it lost.
_GIVE_BACK = text("""
UPDATE contact_task t SET closes_at = t.closes_at + (CAST(:now AS timestamptz) - CAST(:since AS timestamptz))
WHERE t.tenant_id = :tenant_id AND t.state = 'open' AND t.kind <> ALL (:kinds) AND t.closes_at > :since
""")
# An appointment that fell into the suspension was not kept; the contact is an ordinary one again.
_MISSED_APPOINTMENTS = text("""
UPDATE contact_task t SET appointment_at = NULL, appointment_agent = NULL, next_try_at = :now
WHERE t.tenant_id = :tenant_id AND t.state = 'open' AND t.appointment_at >= :since AND t.appointment_at < :now
""")
_WAITING = """
    FROM contact_task t
    WHERE t.tenant_id = :tenant_id AND t.state = 'open' AND t.kind = ANY (:kinds)
      AND t.opens_at <= :now AND t.next_try_at < :end
      AND t.closes_at > greatest(CAST(:now AS timestamptz), CAST(:first_day AS timestamptz))
"""
# Which of the days (of calls) is the last one inside each window; none left means the first one.
_CLOSING = text(
    """
SELECT greatest(array_length(array_remove(ARRAY(
           SELECT d FROM unnest(CAST(:starts AS timestamptz[])) AS d WHERE d < t.closes_at), NULL), 1), 1) - 1
           AS last_day, count(*) AS contacts
"""  # noqa: S608 - two texts of ours, no value in them
    + _WAITING
    + "GROUP BY 1"
)
_DEAL = text(
    """
WITH waiting AS (
    SELECT t.id, row_number() OVER (ORDER BY least(t.closes_at, CAST(:horizon AS timestamptz)), t.rank,
                                             t.due_at, t.id) - 1 AS place
"""  # noqa: S608 - as above
    + _WAITING
    + """
), dealt AS (
    SELECT w.id, (CAST(:starts AS timestamptz[]))
                 [1 + s.day + (w.place - s.first) * s.days / (s.last - s.first)]
                 AS day_start
    FROM waiting w
    JOIN unnest(CAST(:firsts AS bigint[]), CAST(:lasts AS bigint[]), CAST(:days AS bigint[]),
                CAST(:lengths AS bigint[])) AS s(first, last, day, days)
      ON w.place >= s.first AND w.place < s.last
)
UPDATE contact_task t
SET next_try_at = greatest(d.day_start, CAST(:now AS timestamptz)),
    due_at = least(t.closes_at, greatest(t.due_at, d.day_start + interval '1 day'))
FROM dealt d WHERE t.tenant_id = :tenant_id AND t.id = d.id
"""
)


def register() -> None:
    """Follow the stages of the hospitals; harmless twice."""
    stages.on_suspended(let_go)
    stages.on_resumed(take_up)
    moves.on_leaving(hand_over)


def let_go(session: HospitalSession, _now: datetime) -> None:
    """Every card goes back at once; whoever is just calling may end that call and save it."""
    session.flush()
    session.execute(_LET_GO, {"tenant_id": session.tenant_id})


def hand_over(session: HospitalSession, _moved: moves.Moved, now: datetime) -> list[dict[str, Any]]:
    """The old firm's agents let go: their calls end, their cards and appointments go to whoever comes. The
    contacts themselves stay as they are.
    """
    values = {"tenant_id": session.tenant_id, "now": now}
    session.flush()
    for statement in (_END_CALLS, _FREE_HELD, _DROP_HOLDS, _FREE_APPOINTMENTS):
        session.execute(statement, values)
    return []


def take_up(session: HospitalSession, since: datetime, now: datetime) -> None:
    """What closed in the suspension is cancelled because of it, what is still open is spread over its days.

    Complaints' contacts get the time back in which nobody could make them; their limits stay as they are.
    """
    session.flush()
    values = {"tenant_id": session.tenant_id, "now": now, "since": since, "kinds": list(SCHEDULED)}
    session.execute(_CANCEL_LOST, values | {"lost": LOST})
    session.execute(_GIVE_BACK, values)
    session.execute(_MISSED_APPOINTMENTS, values)
    spread(session, now)
    session.expire_all()


def spread(session: HospitalSession, now: datetime) -> int:
    """Deal out the scheduled contacts that wait now over the days on which people are called; how many.

    Two statements, whatever the number (`outreach.spreading` has the rule).
    """
    days = calling_days(local_date(now), DAYS_AHEAD)
    starts = [local_day_start(day) for day in days]
    values = {
        "tenant_id": session.tenant_id,
        "now": now,
        "end": local_day_start(local_date(now) + timedelta(days=1)),
        "kinds": list(SCHEDULED),
        "starts": starts,
        "first_day": starts[0],
    }
    closing = [0] * len(days)
    for last_day, contacts in session.execute(_CLOSING, values):
        closing[last_day] += contacts
    row = spreading.stretches(closing)
    if not row:
        return 0
    session.execute(
        _DEAL,
        values
        | {
            "horizon": starts[-1] + timedelta(days=1),
            "firsts": [part.first for part in row],
            "lasts": [part.last for part in row],
            "days": [part.day for part in row],
            "lengths": [part.days for part in row],
        },
    )
    return sum(closing)


def calling_days(first: date, count: int) -> list[date]:
    """The days of the next `count` calendar days on which people are called; the first one if there is none.

    A year without a holiday notice is taken as it stands: the policy refuses its days when they come.
    """
    ahead = [first + timedelta(days=n) for n in range(count)]
    return [day for day in ahead if not _holiday(day)] or ahead[:1]


def _holiday(day: date) -> bool:
    try:
        return is_holiday(day)
    except CalendarMissing:
        return False
