"""When a discharged patient is called again: the revisit plan (回访计划) of S4-10 to S4-14.

Four windows after discharge, then one contact every three calendar months. All dates are dates in
Asia/Shanghai; day D is the day of discharge.

The numbers stand in :class:`PlanRules` and nowhere else, so that a set-based statement can use the same
ones. In PostgreSQL a fixed step opens on ``discharged + opens`` (and so on), and the ``k``-th recurring one
is planned on ``(discharged + anchor) + make_interval(months => k * every_months)``, which clamps to the end
of a shorter month exactly as :func:`foundation.calendar.add_months` does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count, pairwise, takewhile
from typing import Any

import msgspec

from foundation.calendar import add_months


@dataclass(frozen=True, slots=True)
class Window:
    """One fixed step, in days after discharge: first day, day aimed at, last day (all inclusive)."""

    opens: int
    target: int
    closes: int

    def __post_init__(self) -> None:
        if not 0 <= self.opens <= self.target <= self.closes:
            raise ValueError(f"a window must open, aim and close in this order: {self}")


@dataclass(frozen=True, slots=True)
class PlanRules:
    """The numbers of a revisit plan.

    ``windows`` are the fixed steps, in order and without overlap. ``every_months`` is the rhythm afterwards
    (0: the plan ends with the last window); a recurring step is planned on its due day and opens
    ``window_days`` before it. A plan without windows has no anchor to recur from and is refused.
    """

    windows: tuple[Window, ...]
    every_months: int = 3
    window_days: int = 7

    def __post_init__(self) -> None:
        if not self.windows:
            raise ValueError("a plan needs at least one window")
        if any(earlier.closes >= later.opens for earlier, later in pairwise(self.windows)):
            raise ValueError("the windows of a plan must follow each other without overlap")
        # The shortest month has 28 days; a wider window would open before the step before it is over.
        if self.every_months < 0 or not 0 <= self.window_days < 28:
            raise ValueError("a plan recurs every 0 or more months, with a window below 28 days")

    @property
    def anchor(self) -> int:
        """Days from discharge to the planned day of the last window, from which the series runs.

        The planned day, not the day of the call: a late call must not shift the series (D3).
        """
        return self.windows[-1].closes

    def to_numbers(self) -> dict[str, Any]:
        """The rules as plain JSON values."""
        numbers: dict[str, Any] = msgspec.to_builtins(self)
        return numbers

    @classmethod
    def from_numbers(cls, numbers: Mapping[str, Any]) -> "PlanRules":
        """The inverse of :meth:`to_numbers`. Raises msgspec.ValidationError for anything that is no plan."""
        return msgspec.convert(numbers, cls)


DEFAULT_PLAN = PlanRules(
    windows=(
        Window(1, 3, 7),  # S4-10 week 1; S0-15 asks for day 3; one call serves both (D1)
        Window(15, 21, 21),  # S4-11 week 3
        Window(36, 42, 42),  # S4-12 week 6
        Window(64, 70, 70),  # S4-13 week 10
    ),
    every_months=3,  # S4-14
    window_days=7,
)


# A check-up centre follows nobody for life: one contact in the first week (S0-15).
CHECKUP_PLAN = PlanRules(windows=(Window(1, 3, 7),), every_months=0)
PLANS: Mapping[str, PlanRules] = {"checkup": CHECKUP_PLAN}


def plan_for(hospital_type: str) -> PlanRules:
    """The plan that a hospital of this type begins with (S0-8)."""
    return PLANS.get(hospital_type, DEFAULT_PLAN)


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One contact due: ``number`` counts from 1; the dates are inclusive.

    ``closes`` is the day by which the contact is due, ``target`` the day the queue aims at.
    """

    number: int
    opens: date
    target: date
    closes: date


def steps_until(discharged: date, horizon: date, rules: PlanRules = DEFAULT_PLAN) -> list[PlanStep]:
    """The steps whose window opens on or before ``horizon``, in order (S4-10 to S4-14, D1, D3).

    Lifetime follow-up (S3-21) has no last step, hence the horizon. A later horizon only ever adds steps.
    """
    return list(takewhile(lambda step: step.opens <= horizon, _steps(discharged, rules)))


def step_on(discharged: date, number: int, rules: PlanRules = DEFAULT_PLAN) -> PlanStep | None:
    """Step ``number`` (from 1) of the plan, None when the plan ends before it."""
    if number < 1:
        raise ValueError("steps are counted from 1")
    fixed = len(rules.windows)
    if number <= fixed:
        window = rules.windows[number - 1]
        opens, target, closes = (
            discharged + timedelta(days=days) for days in (window.opens, window.target, window.closes)
        )
        return PlanStep(number, opens, target, closes)
    if rules.every_months == 0:
        return None
    # Always from the anchor: month by month, 30 November would drift to the 28th for good.
    anchor = discharged + timedelta(days=rules.anchor)
    planned = add_months(anchor, (number - fixed) * rules.every_months)
    return PlanStep(number, planned - timedelta(days=rules.window_days), planned, planned)


def _steps(discharged: date, rules: PlanRules) -> Iterator[PlanStep]:
    for number in count(1):
        step = step_on(discharged, number, rules)
        if step is None:
            return
        yield step
