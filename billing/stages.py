"""Time in which a hospital was suspended, as billing sees it (暂停期间的计费; decision 0005).

A day counts as suspended when the hospital was suspended from its first moment to its last. A patient's month
(S3-20: with at least one enrolled day) is left out when the hospital was suspended on every enrolled day of
it; with one day of service it is billed whole, as the contract says: there is no proration either way.

Pure; `billing.ledger` says the same in SQL, and a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from foundation.calendar import first_of_month, local_day_start


@dataclass(frozen=True, slots=True)
class Suspension:
    """From when (aware) to when a hospital was suspended; `ended_at` None: it still is."""

    started_at: datetime
    ended_at: datetime | None


def is_suspended_on(day: date, suspensions: Iterable[Suspension]) -> bool:
    """Whether one of the suspensions covers the whole of this day in Asia/Shanghai."""
    begin, end = local_day_start(day), local_day_start(day + timedelta(days=1))
    return any(
        span.started_at <= begin and (span.ended_at is None or span.ended_at >= end) for span in suspensions
    )


def is_left_out(enrolled: Collection[date], month: date, suspensions: Collection[Suspension]) -> bool:
    """Whether a patient's month is not billed, from the days enrolled; False without one in it."""
    first = first_of_month(month)
    days = [day for day in enrolled if first_of_month(day) == first]
    return bool(days) and all(is_suspended_on(day, suspensions) for day in days)
