"""Clocks of a case: the limits of the three tiers, and the law that no policy exceeds."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.clock import (
    DEFAULT_POLICY,
    ClockPolicy,
    ClockRule,
    Deadline,
    Tier,
    deadlines,
    legal_limit,
    met_in_time,
    reminders,
)
from foundation.calendar import SHANGHAI, CalendarMissing, local_date

tiers: st.SearchStrategy[Tier] = st.sampled_from((1, 2, 3))
moments = st.datetimes(datetime(2005, 1, 1), datetime(2026, 11, 1), timezones=st.just(UTC))  # noqa: DTZ001


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def by_kind(found: list[Deadline]) -> dict[str, Deadline]:
    return {deadline.kind: deadline for deadline in found}


def printed(found: list[Deadline]) -> list[tuple[str, str]]:
    return [(d.kind, d.due_at.astimezone(SHANGHAI).strftime("%m-%d %H:%M")) for d in found]


def test_general_feedback_is_acknowledged_in_a_day_and_answered_in_a_week() -> None:
    # Monday 2 March 2026: five working days end on Monday 9 March at midnight, the week a little earlier.
    found = deadlines(1, at("2026-03-02 09:52"))
    assert printed(found) == [("ack", "03-03 09:52"), ("direction", "03-09 09:52")]
    assert [d.rule.owners for d in found] == [("agent",), ("agent",)]


def test_important_feedback_reaches_the_department_head_in_twelve_hours() -> None:
    found = deadlines(2, at("2026-03-02 09:52"), handled_at=at("2026-03-05 17:00"))
    assert printed(found) == [
        ("ack", "03-02 21:52"),
        ("plan", "03-05 09:52"),
        ("confirm", "03-07 09:52"),
        ("callback", "03-07 17:00"),
    ]
    assert found[0].rule.owners == ("department_head",)


def test_a_complaint_starts_the_emergency_process_in_an_hour_with_two_owners() -> None:
    found = deadlines(3, at("2026-03-02 23:30"))
    assert printed(found) == [
        ("emergency", "03-03 00:30"),
        ("investigate", "03-03 23:30"),
        ("plan", "03-05 23:30"),
        ("resolve", "03-09 23:30"),
    ]
    assert found[0].rule.owners == ("complaint_officer", "department_head")


def test_the_callback_clock_starts_at_handling_and_general_feedback_has_none() -> None:
    assert "callback" not in by_kind(deadlines(3, at("2026-03-02 09:00")))
    assert "callback" not in by_kind(deadlines(1, at("2026-03-02 09:00"), at("2026-03-03 09:00")))


@pytest.mark.parametrize(
    ("received", "five", "ten"),
    [
        ("2024-09-27", date(2024, 10, 10), date(2024, 10, 16)),
        ("2024-09-29", date(2024, 10, 11), date(2024, 10, 17)),
        ("2025-01-24", date(2025, 2, 7), date(2025, 2, 13)),
        ("2025-09-30", date(2025, 10, 14), date(2025, 10, 21)),
        ("2024-04-30", date(2024, 5, 10), date(2024, 5, 16)),
    ],
)
def test_the_law_ends_with_the_last_minute_of_its_working_day(received: str, five: date, ten: date) -> None:
    late = at(f"{received} 23:59")
    assert local_date(legal_limit(late)) == five
    assert local_date(legal_limit(late, several_departments=True)) == ten
    assert local_date(legal_limit(late) + timedelta(microseconds=1)) == five + timedelta(days=1)


def test_a_week_after_a_saturday_is_later_than_the_law_allows() -> None:
    direction = by_kind(deadlines(1, at("2026-03-14 10:00")))["direction"]
    assert printed([direction]) == [("direction", "03-20 23:59")]
    why = direction.explanation
    assert (why.decided_by, why.legal_working_days, why.source) == ("law", 5, "S0-21")
    assert why.policy_due == at("2026-03-21 10:00")
    assert [day.day for day in why.skipped] == [date(2026, 3, 15)]


def test_several_departments_give_the_law_ten_days_and_the_policy_none() -> None:
    direction = by_kind(deadlines(1, at("2026-03-14 10:00"), several_departments=True))["direction"]
    assert direction.due_at == at("2026-03-21 10:00")
    assert direction.explanation.decided_by == "policy"


def test_working_days_skip_the_spring_festival_and_count_its_makeup_sunday() -> None:
    policy = DEFAULT_POLICY.in_working_days("working-1")
    plan = by_kind(deadlines(3, at("2025-01-24 15:00"), policy=policy))["plan"]
    # Friday; Sunday 26 and Monday 27 are worked, 28 January to 4 February are off.
    assert plan.due_at == at("2025-02-05 15:00")
    assert plan.explanation.policy_version == "working-1"
    assert plan.explanation.makeup == (date(2025, 1, 26),)
    assert [day.day.day for day in plan.explanation.skipped] == [25, 28, 29, 30, 31, 1, 2, 3, 4]
    assert plan.explanation.skipped[1].name == "Spring Festival"


def test_seven_working_days_are_cut_to_the_five_of_the_law() -> None:
    policy = DEFAULT_POLICY.in_working_days("working-1")
    resolve = by_kind(deadlines(3, at("2025-09-30 09:00"), policy=policy))["resolve"]
    assert resolve.due_at == legal_limit(at("2025-09-30 09:00"))
    assert resolve.explanation.decided_by == "law"


@given(tiers, moments, st.booleans(), st.booleans())
def test_no_deadline_of_receipt_is_later_than_the_law(
    tier: Tier, received: datetime, working: bool, several: bool
) -> None:
    policy = DEFAULT_POLICY.in_working_days("w") if working else DEFAULT_POLICY
    found = deadlines(tier, received, policy=policy, several_departments=several)
    limit = legal_limit(received, several_departments=several)
    assert found
    for deadline in found:
        assert received < deadline.due_at == min(deadline.explanation.policy_due, limit)
        assert met_in_time(deadline, deadline.due_at)
        assert not met_in_time(deadline, deadline.due_at + timedelta(microseconds=1))


@given(tiers, moments, st.integers(1, 10**6))
def test_a_later_receipt_never_has_an_earlier_deadline(tier: Tier, received: datetime, seconds: int) -> None:
    first = by_kind(deadlines(tier, received))
    later = by_kind(deadlines(tier, received + timedelta(seconds=seconds)))
    assert all(first[kind].due_at <= later[kind].due_at for kind in first)


def test_an_unpublished_year_is_named_and_the_earliest_legal_day_taken() -> None:
    received = at("2099-03-02 10:00")
    with pytest.raises(CalendarMissing):
        legal_limit(received)
    with pytest.raises(CalendarMissing):
        deadlines(2, received, policy=DEFAULT_POLICY.in_working_days("w"))
    found = by_kind(deadlines(3, received))
    assert found["plan"].due_at == at("2099-03-05 10:00")
    assert found["plan"].explanation.calendar_missing is None
    assert printed([found["resolve"]]) == [("resolve", "03-07 23:59")]
    assert found["resolve"].explanation.calendar_missing == 2099
    assert found["resolve"].explanation.decided_by == "earliest_legal"


def test_warnings_come_at_half_and_four_fifths_of_the_time() -> None:
    ack = deadlines(1, at("2026-03-02 00:00"))[0]
    assert reminders(ack) == [at("2026-03-02 12:00"), at("2026-03-02 19:12")]


def test_a_hospital_may_be_stricter_and_its_policy_survives_json() -> None:
    strict = replace(DEFAULT_POLICY.rules[1], amount=2)
    policy = ClockPolicy((DEFAULT_POLICY.rules[0], strict), "strict-1")
    again = ClockPolicy.from_values(json.loads(json.dumps(policy.to_values())))
    assert again == policy
    assert by_kind(deadlines(1, at("2026-03-02 10:00"), policy=again))["direction"].due_at == at(
        "2026-03-04 10:00"
    )


def test_a_limit_without_time_or_owner_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one hour"):
        ClockRule("ack", 1, 0, "hour", "received", "S0-20", ("agent",))
    with pytest.raises(ValueError, match="somebody"):
        ClockRule("ack", 1, 1, "hour", "received", "S0-20", ())
    with pytest.raises(ValueError, match="two limits"):
        ClockPolicy((DEFAULT_POLICY.rules[0], DEFAULT_POLICY.rules[0]), "x")
