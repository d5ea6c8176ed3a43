"""A patient who said when a call suits is tried again then, wherever the contact policy allows it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outreach import policy, preferred


def at(words: str) -> datetime:
    return datetime.fromisoformat(f"{words}+08:00")


LATE = at("2026-12-31T00:00")


@pytest.mark.parametrize(
    ("now", "part", "expected"),
    [
        # Tuesday 15 September 2026; hours 9-12 and 14-20.
        ("2026-09-15T10:00", None, "2026-09-15T14:00"),
        ("2026-09-15T10:00", "afternoon", "2026-09-15T14:00"),
        ("2026-09-15T10:00", "evening", "2026-09-15T17:00"),
        ("2026-09-15T10:00", "morning", "2026-09-16T09:00"),
        ("2026-09-15T19:00", "evening", "2026-09-16T17:00"),
        ("2026-09-15T15:00", "morning", "2026-09-16T09:00"),
        # The holidays of early October lie in between: too far, so the policy's own moment.
        ("2026-09-30T10:00", "morning", "2026-09-30T14:00"),
    ],
)
def test_the_next_try_falls_into_the_part_that_suits(now: str, part: str | None, expected: str) -> None:
    wish = preferred.PARTS.get(part or "")
    assert preferred.retry_at(at(now), policy.STANDARD, part=wish, closes_at=LATE) == at(expected)


def test_a_window_that_closes_first_is_not_missed_for_a_wish() -> None:
    closes = at("2026-09-16T08:00")
    found = preferred.retry_at(at("2026-09-15T10:00"), policy.STANDARD, part="morning", closes_at=closes)
    assert found == at("2026-09-15T14:00")


@given(st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 1)), st.sampled_from(list(preferred.PARTS)))  # noqa: DTZ001 - the zone is put on below
def test_no_wish_breaks_the_policy(moment: datetime, part: str) -> None:
    now = at(moment.isoformat())
    for profile in (policy.STANDARD, policy.WESTERN):
        found = preferred.retry_at(
            now, profile, part=preferred.PARTS[part], closes_at=now + timedelta(days=9)
        )
        assert found >= now + profile.retry_after
        assert policy.is_open(found, profile)
