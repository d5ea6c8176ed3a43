"""When a patient is tried again who said when a call suits (联系时段): the wish orders, the policy decides.

Pure: what the contact policy allows in the preferred part of the day, within the next days and before the
window closes; where it allows none, the try it plans by itself.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Final

from foundation.calendar import local_date, local_day_start
from outreach import policy
from outreach.policy import DayPart, Profile

PARTS: Final[dict[str, DayPart]] = {"morning": "morning", "afternoon": "afternoon", "evening": "evening"}
DAYS: Final = 3  # how long a wish may put a try off; a follow-up has its day


def retry_at(now: datetime, profile: Profile, *, part: DayPart | None, closes_at: datetime) -> datetime:
    """When to try again after no answer: in the preferred part of a day, no sooner than the policy wants.

    Never later than `DAYS` after the policy's own moment, nor when the window (`closes_at`) is over.
    """
    planned = policy.retry_at(now, profile)
    if part is None or policy.day_part(planned, profile) == part:
        return planned
    latest = min(planned + timedelta(days=DAYS), closes_at)
    noon, evening = profile.parts
    begins: dict[DayPart, time] = {"morning": time(0), "afternoon": noon, "evening": evening}
    earliest = now + profile.retry_after
    for day in range(DAYS + 1):
        midnight = local_day_start(local_date(earliest) + timedelta(days=day))
        begin = midnight + timedelta(hours=begins[part].hour, minutes=begins[part].minute)
        at = policy.next_allowed(max(earliest, begin), profile)
        if at < latest and policy.day_part(at, profile) == part:
            return at
    return planned
