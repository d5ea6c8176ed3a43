"""How long a feedback case may take: the clocks (时限) of the three tiers, and the law above them.

Tier 1 is general feedback (一般反馈), 2 important (重要反馈), 3 a complaint (投诉反馈): S0-20 to S0-31.
Hours are clock time. Days are calendar days unless a hospital switches them to working days (D4); they keep
the time of day of their start. Whatever a policy says, the complaint regulation (医疗机构投诉管理办法, in
force since 2019-04-10) is the ceiling: feedback within 5 working days of receipt, 10 where several
departments must be heard (C3, D6).

Nothing pauses a clock. A new round (S0-32) restarts the clocks: pass the round's start as ``received_at``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Literal

import msgspec

from foundation.calendar import (
    CalendarMissing,
    DayOff,
    add_local_days,
    add_working_days,
    at_local_time_of,
    days_off_between,
    is_makeup_workday,
    local_date,
    local_day_end,
)

Tier = Literal[1, 2, 3]
Unit = Literal["hour", "day", "working_day"]
Start = Literal["received", "handled"]
Kind = Literal[
    "ack",  # somebody makes contact and says that it was received (对接)
    "direction",  # the direction of the improvement is told (反馈改善方向)
    "plan",  # a plan exists and was told (解决方案)
    "confirm",  # the result is confirmed (确认处理结果)
    "emergency",  # the emergency process runs (投诉应急流程)
    "investigate",  # the investigation has begun (调查)
    "resolve",  # finished and published (处理完成并公示)
    "callback",  # the patient is asked whether it was handled well (回访确认)
]

LEGAL_SOURCE = "医疗机构投诉管理办法 (国家卫生健康委令第3号)"
LEGAL_WORKING_DAYS = 5
LEGAL_WORKING_DAYS_SEVERAL_DEPARTMENTS = 10


@dataclass(frozen=True, slots=True)
class ClockRule:
    """One limit of one tier.

    ``owners`` are role codes; where there are two, both must act (S0-24). ``source`` is the requirement.
    """

    kind: Kind
    tier: Tier
    amount: int
    unit: Unit
    starts: Start
    source: str
    owners: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.amount < 1:
            raise ValueError(f"a limit is at least one {self.unit}: {self}")
        if not self.owners:
            raise ValueError(f"a limit needs somebody who must keep it: {self}")


@dataclass(frozen=True, slots=True)
class ClockPolicy:
    """A hospital's limits. ``version`` is printed with every deadline that came from it."""

    rules: tuple[ClockRule, ...]
    version: str

    def __post_init__(self) -> None:
        keys = [(rule.tier, rule.kind) for rule in self.rules]
        if len(set(keys)) < len(keys):
            raise ValueError("a tier has two limits of one kind")

    def in_working_days(self, version: str) -> "ClockPolicy":
        """The same policy with its days counted as working days (D4); hours stay clock time."""
        rules = (replace(r, unit="working_day") if r.unit == "day" else r for r in self.rules)
        return ClockPolicy(tuple(rules), version)

    def to_values(self) -> dict[str, Any]:
        """The policy as plain JSON values, to be stored with the hospital."""
        values: dict[str, Any] = msgspec.to_builtins(self)
        return values

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> "ClockPolicy":
        """The inverse of :meth:`to_values`. Raises msgspec.ValidationError for anything that is no policy."""
        return msgspec.convert(values, cls)


_AGENT = ("agent",)
_HEAD = ("department_head",)
_OFFICER = ("complaint_officer",)
_BOTH = ("complaint_officer", "department_head")

DEFAULT_POLICY = ClockPolicy(
    rules=(
        ClockRule("ack", 1, 24, "hour", "received", "S0-20", _AGENT),
        ClockRule("direction", 1, 7, "day", "received", "S0-21", _AGENT),
        ClockRule("ack", 2, 12, "hour", "received", "S0-22", _HEAD),
        ClockRule("plan", 2, 3, "day", "received", "S0-23", _HEAD),
        ClockRule("confirm", 2, 5, "day", "received", "S0-23", _HEAD),
        ClockRule("callback", 2, 2, "day", "handled", "S0-31", _AGENT),
        ClockRule("emergency", 3, 1, "hour", "received", "S0-24", _BOTH),
        ClockRule("investigate", 3, 24, "hour", "received", "S0-25", _BOTH),
        ClockRule("plan", 3, 3, "day", "received", "S0-26", _OFFICER),
        ClockRule("resolve", 3, 7, "day", "received", "S0-27", _OFFICER),
        ClockRule("callback", 3, 2, "day", "handled", "S0-31", _AGENT),
    ),
    version="default-1",
)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a deadline is where it is, as data that a page prints in either language.

    ``policy_due`` is what the rule alone gives, ``legal_due`` the ceiling of ``legal_working_days`` (None
    where the law sets none or its calendar is missing), ``decided_by`` which of them is the deadline.
    ``skipped`` and ``makeup`` are the days off passed over and the weekend days that were worked, both only
    where working days decided. ``calendar_missing`` is the year whose holiday notice was wanted and is not
    loaded: the deadline is then the earliest day the law could mean, because n working days never end
    before n calendar days (``earliest_legal``).
    """

    starts_at: datetime
    starts: Start
    amount: int
    unit: Unit
    source: str
    policy_version: str
    policy_due: datetime
    legal_due: datetime | None = None
    legal_working_days: int | None = None
    decided_by: Literal["policy", "law", "earliest_legal"] = "policy"
    skipped: tuple[DayOff, ...] = ()
    makeup: tuple[date, ...] = ()
    calendar_missing: int | None = None


@dataclass(frozen=True, slots=True)
class Deadline:
    """An instant (UTC) by which something must have happened."""

    kind: Kind
    due_at: datetime
    rule: ClockRule
    explanation: Explanation


def legal_limit(received_at: datetime, *, several_departments: bool = False) -> datetime:
    """The end of the last working day on which the law still accepts feedback (C3), as UTC.

    A change of class recomputes from the ORIGINAL receipt; keep both limits, so that a missed 5-day limit
    stays visible. Raises CalendarMissing when the count reaches a year without a holiday notice.
    """
    return local_day_end(add_working_days(local_date(received_at), _legal_days(several_departments)))


def deadlines(
    tier: Tier,
    received_at: datetime,
    handled_at: datetime | None = None,
    policy: ClockPolicy = DEFAULT_POLICY,
    *,
    several_departments: bool = False,
) -> list[Deadline]:
    """The deadlines of a case of ``tier``, earliest first (S0-20 to S0-31, D4, D6).

    Clocks that start at handling appear once ``handled_at`` is known. Instants are aware. Raises
    CalendarMissing when a rule in working days reaches a year without a holiday notice; rules in hours and
    calendar days go on (see :class:`Explanation`).
    """
    found = []
    for rule in policy.rules:
        start = received_at if rule.starts == "received" else handled_at
        if rule.tier == tier and start is not None:
            found.append(_deadline(rule, start, policy.version, several_departments))
    return sorted(found, key=lambda deadline: deadline.due_at)


def met_in_time(deadline: Deadline, at: datetime) -> bool:
    """Whether something that happened at ``at`` (aware) kept the deadline; the last instant counts."""
    return at <= deadline.due_at


def reminders(deadline: Deadline, shares: Iterable[float] = (0.5, 0.8)) -> list[datetime]:
    """When to warn before the deadline: at these shares of the time given (S0-30)."""
    start = deadline.explanation.starts_at
    return [start + (deadline.due_at - start) * share for share in shares]


def _deadline(rule: ClockRule, start: datetime, version: str, several_departments: bool) -> Deadline:
    due = _policy_due(rule, start)
    told = Explanation(start, rule.starts, rule.amount, rule.unit, rule.source, version, due)
    if rule.starts == "received":
        due, told = _under_the_law(told, _legal_days(several_departments))
    if told.decided_by == "law" or (told.decided_by == "policy" and rule.unit == "working_day"):
        told = _with_days_passed(told, due)
    return Deadline(rule.kind, due, rule, told)


def _policy_due(rule: ClockRule, start: datetime) -> datetime:
    if rule.unit == "hour":
        return start + timedelta(hours=rule.amount)
    if rule.unit == "day":
        return add_local_days(start, rule.amount)
    return at_local_time_of(start, add_working_days(local_date(start), rule.amount))


def _under_the_law(told: Explanation, days: int) -> tuple[datetime, Explanation]:
    """The stricter of policy and law, and the explanation with the law's part filled in."""
    told = replace(told, legal_working_days=days)
    try:
        limit = local_day_end(add_working_days(local_date(told.starts_at), days))
    except CalendarMissing as missing:
        earliest = local_day_end(local_date(told.starts_at) + timedelta(days=days))
        if told.policy_due <= earliest:
            return told.policy_due, told
        return earliest, replace(told, decided_by="earliest_legal", calendar_missing=missing.year)
    told = replace(told, legal_due=limit)
    if told.policy_due <= limit:
        return told.policy_due, told
    return limit, replace(told, decided_by="law")


def _with_days_passed(told: Explanation, due: datetime) -> Explanation:
    first, last = local_date(told.starts_at), local_date(due)
    days = [first + timedelta(days=n) for n in range(1, (last - first).days + 1)]
    return replace(
        told,
        skipped=tuple(days_off_between(first, last)),
        makeup=tuple(day for day in days if is_makeup_workday(day)),
    )


def _legal_days(several_departments: bool) -> int:
    return LEGAL_WORKING_DAYS_SEVERAL_DEPARTMENTS if several_departments else LEGAL_WORKING_DAYS
