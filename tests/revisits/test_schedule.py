"""The revisit plan: the windows of the procedures and the contacts they promise."""

import json
from datetime import date, timedelta
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from revisits.schedule import DEFAULT_PLAN, PlanRules, PlanStep, Window, step_on, steps_until

discharges = st.dates(date(2000, 1, 1), date(2080, 12, 31))


@given(discharges)
def test_seven_contacts_are_due_in_the_first_year_and_four_in_each_later_one(discharged: date) -> None:
    year = discharged + timedelta(days=365)
    steps = steps_until(discharged, year)
    assert len(steps) == 7
    assert all(step.closes <= year for step in steps)
    assert [(step.closes - discharged).days for step in steps[:4]] == [7, 21, 42, 70]
    # About D+161, 253 and 344: calendar months differ by a few days.
    for step, about in zip(steps[4:], (161, 253, 344), strict=True):
        assert abs((step.closes - discharged).days - about) <= 3
    tenth = discharged + timedelta(days=365 * 3)
    later = [s for s in steps_until(discharged, tenth) if s.number > 7]
    assert len(later) in {8, 9}


@given(discharges, st.integers(0, 4000))
def test_windows_never_overlap_and_a_later_horizon_only_adds(discharged: date, days: int) -> None:
    steps = steps_until(discharged, discharged + timedelta(days=days))
    assert [step.number for step in steps] == list(range(1, len(steps) + 1))
    assert all(step.opens <= step.target <= step.closes for step in steps)
    assert all(earlier.closes < later.opens for earlier, later in pairwise(steps))
    more = steps_until(discharged, discharged + timedelta(days=days + 100))
    assert more[: len(steps)] == steps
    assert all(step.opens > discharged + timedelta(days=days) for step in more[len(steps) :])


def test_the_plan_of_a_patient_discharged_on_2_march_2026() -> None:
    steps = steps_until(date(2026, 3, 2), date(2026, 8, 31))
    assert steps[:4] == [
        PlanStep(1, date(2026, 3, 3), date(2026, 3, 5), date(2026, 3, 9)),
        PlanStep(2, date(2026, 3, 17), date(2026, 3, 23), date(2026, 3, 23)),
        PlanStep(3, date(2026, 4, 7), date(2026, 4, 13), date(2026, 4, 13)),
        PlanStep(4, date(2026, 5, 5), date(2026, 5, 11), date(2026, 5, 11)),
    ]
    # Three calendar months after 11 May, the window a week before it.
    assert steps[4:] == [PlanStep(5, date(2026, 8, 4), date(2026, 8, 11), date(2026, 8, 11))]


def test_the_series_runs_from_the_planned_day_and_does_not_drift_after_february() -> None:
    discharged = date(2025, 11, 30) - timedelta(days=70)
    planned = [step_on(discharged, number) for number in (4, 5, 6, 7, 8)]
    assert [step.closes for step in planned if step] == [
        date(2025, 11, 30),
        date(2026, 2, 28),
        date(2026, 5, 30),
        date(2026, 8, 30),
        date(2026, 11, 30),
    ]


def test_the_database_plans_the_same_days(engine: Engine) -> None:
    statement = text(
        """
        SELECT CAST((d::date + :anchor) + make_interval(months => k * :every) AS date) AS planned
          FROM generate_series(date '2023-10-01', date '2024-03-31', interval '1 day') AS d,
               generate_series(1, 9) AS k
         ORDER BY d, k
        """
    )
    numbers = {"anchor": DEFAULT_PLAN.anchor, "every": DEFAULT_PLAN.every_months}
    days = [date(2023, 10, 1) + timedelta(days=n) for n in range(183)]
    fixed = len(DEFAULT_PLAN.windows)
    ours = [step_on(day, fixed + k) for day in days for k in range(1, 10)]
    with engine.connect() as connection:
        theirs = list(connection.execute(statement, numbers).scalars())
    assert theirs == [step.target for step in ours if step]


def test_nothing_is_due_before_the_first_window_opens() -> None:
    assert steps_until(date(2026, 3, 2), date(2026, 3, 2)) == []


def test_a_plan_may_end_with_its_windows() -> None:
    once = PlanRules(windows=(Window(1, 2, 3),), every_months=0)
    assert len(steps_until(date(2026, 1, 1), date(2056, 1, 1), once)) == 1
    assert step_on(date(2026, 1, 1), 2, once) is None


def test_the_numbers_survive_json() -> None:
    text = json.dumps(DEFAULT_PLAN.to_numbers())
    assert PlanRules.from_numbers(json.loads(text)) == DEFAULT_PLAN
    assert DEFAULT_PLAN.anchor == 70


@pytest.mark.parametrize(
    "numbers",
    [
        {"windows": []},
        {"windows": [{"opens": 5, "target": 3, "closes": 7}]},
        {
            "windows": [
                {"opens": 1, "target": 3, "closes": 7},
                {"opens": 7, "target": 8, "closes": 9},
            ]
        },
        {"windows": [{"opens": 1, "target": 3, "closes": 7}], "every_months": -1},
        {"windows": [{"opens": 1, "target": 3, "closes": 7}], "window_days": 28},
        {"windows": [{"opens": "1", "target": 3, "closes": 7}]},
    ],
)
def test_numbers_that_are_no_plan_are_refused(numbers: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        PlanRules.from_numbers(numbers)
