"""What a report is made of: small values that say how they came about and why one is not shown.

They are frozen as JSON with a report (`freeze`, `thaw`), so that page, PDF and Excel of a released month show
the same numbers a year later. Shares are 0 to 1, indices 0 to 100, months the first of the month.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Literal, TypeVar

import msgspec

from reporting.disclosure import DEFAULT_THRESHOLDS
from reporting.statistics import Interval, mean_interval, wilson

HIDE_BELOW = DEFAULT_THRESHOLDS.hide_below
Kind = Literal["share", "mean", "rate"]
Reason = Literal[
    "nothing_counted",  # 无数据: the denominator is 0
    "too_few_answers",  # 样本不足 (A9)
    "too_few_hospitals",
    "dominant_weight",
    "dominant_answers",
    "would_reveal",
]


class Figure(msgspec.Struct, frozen=True):
    """One number (指标值).

    A share is ``numerator / denominator``; a mean rests on ``denominator`` answers (no numerator) with the
    sample standard deviation ``sd``; a rate is a numerator per so many of the denominator. ``low`` and
    ``high`` are the 95 % interval. Where ``withheld`` names a reason, value, numerator and interval are None:
    a hidden share would be known again from its numerator (A10.5).
    """

    kind: Kind
    value: float | None
    numerator: int | None
    denominator: int
    low: float | None = None
    high: float | None = None
    sd: float | None = None
    target: float | None = None
    withheld: Reason | None = None

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None without a target or a value."""
        return None if self.target is None or self.value is None else self.value >= self.target


def share(hits: int, of: int, *, target: float | None = None, hide_below: int = 0) -> Figure:
    """``hits`` of ``of`` with the Wilson interval (A4). ValueError for more hits than cases."""
    if not 0 <= hits <= of:
        raise ValueError(f"{hits} of {of} is no share")
    reason = _reason(of, hide_below)
    if reason:
        return Figure("share", None, None, of, target=target, withheld=reason)
    interval = wilson(hits, of)
    return Figure("share", hits / of, hits, of, interval.low, interval.high, target=target)


def mean(n: int, value: float | None, sd: float | None, *, hide_below: int = HIDE_BELOW) -> Figure:
    """The mean index of ``n`` answers with its interval; hidden below ``hide_below`` answers (A9)."""
    reason = _reason(n, hide_below)
    if reason or value is None:
        return Figure("mean", None, None, n, withheld=reason or "nothing_counted")
    spread = sd or 0.0
    interval = mean_interval(n, value, spread) or Interval(0.0, 100.0)
    return Figure("mean", value, None, n, interval.low, interval.high, sd=spread)


def rate(numerator: int, denominator: int, *, per: int = 1) -> Figure:
    """``numerator`` for every ``per`` of ``denominator``, such as complaints per 1,000 encounters."""
    if denominator == 0:
        return Figure("rate", None, None, 0, withheld="nothing_counted")
    return Figure("rate", per * numerator / denominator, numerator, denominator)


def _reason(n: int, hide_below: int) -> Reason | None:
    if n == 0:
        return "nothing_counted"
    return "too_few_answers" if n < hide_below else None


# ------------------------------------------------------------------------------------------------- a month


class Labelled(msgspec.Struct, frozen=True):
    """A figure of a part: a dimension (维度, a code with both languages) or a department (科室)."""

    code: str
    zh: str
    en: str
    figure: Figure


class Satisfaction(msgspec.Struct, frozen=True):
    """What inpatients or outpatients said, completed within the month; the two are never pooled (A8).

    ``index`` is 满意度 (mean index), ``satisfied`` 满意率: levels 5 and 6 of the overall question.
    """

    audience: Literal["inpatient", "outpatient"]
    index: Figure
    satisfied: Figure
    dimensions: list[Labelled]
    departments: list[Labelled]


class Problem(msgspec.Struct, frozen=True):
    """One kind of problem (高频问题, S0-35): cases received in the month and in the month before."""

    tag: str
    zh: str
    en: str
    count: int
    before: int


class HeatCell(msgspec.Struct, frozen=True):
    """Cases of one department with one tag (S0-36); ``count`` None is hidden."""

    department: str
    tag: str
    count: int | None


class Heat(msgspec.Struct, frozen=True):
    """Department × tag (高发区域). A missing cell is zero; ``minimum`` is the smallest one shown."""

    minimum: int
    tags: list[Problem]
    departments: list[str]
    cells: list[HeatCell]
    tags_left_out: int


class Contacts(msgspec.Struct, frozen=True):
    """Contacts due in the month and how they stood at its end; the parts sum to ``planned`` (应访).

    ``missed``: the window closed, or no task could be made. ``cancelled`` (suppressed, readmitted) stands
    outside. ``attempted`` were tried at least once (覆盖). ``reach`` is 接通率: connected ÷ dialled calls of
    the month; ``dials`` are calls for each contact completed in the month.
    """

    planned: int
    attempted: int
    completed: int
    partial: int
    unreachable: int
    refused: int
    missed: int
    open: int
    cancelled: int
    reach: Figure
    dials: Figure


class FollowUp(msgspec.Struct, frozen=True):
    """Follow-up of discharges (出院患者随访比例, C7): an admission counts once, by the month of discharge.

    ``living`` leaves the deceased out of both sides; ``before`` is last month's discharges as they stand now,
    because a follow-up in a later month counts for the month of discharge.
    """

    all: Figure
    living: Figure
    before: Figure


class Cases(msgspec.Struct, frozen=True):
    """Feedback cases (反馈工单). ``in_time``: closed ones that missed no deadline ÷ closed in the month.

    ``rounds`` began again because the patient was not satisfied (S0-32). ``overdue`` are open at the end of
    the month with a limit of their present round passed and unmet.
    """

    opened: int
    closed: int
    open: int
    overdue: int
    rounds: int
    in_time: Figure


class TrendMonth(msgspec.Struct, frozen=True):
    """A month of the trend, of the audience that leads the report."""

    month: date
    index: Figure
    satisfied: Figure
    collection: Figure
    response24: Figure


class Encounters(msgspec.Struct, frozen=True):
    """Discharges and visits of the month by kind."""

    inpatient: int
    outpatient: int
    checkup: int


class MonthFigures(msgspec.Struct, frozen=True):
    """A hospital's month (月报).

    What happened in the month is counted by event time in Asia/Shanghai; feedback, follow-up and first
    responses of the month's own patients and cases are counted up to ``cut`` (J5: day 3, 18:00).
    ``collection`` is S0-1 (``collection_before``: last month's patients as they stand now), ``response24``
    S0-2, ``tier`` the stricter first limit of each tier (D5), ``handling`` S0-5, ``complaints`` per 1,000
    encounters (S0-4).
    """

    month: date
    cut: datetime
    audience: Literal["inpatient", "outpatient"]
    encounters: Encounters
    collection: Figure
    collection_inpatient: Figure
    collection_outpatient: Figure
    collection_before: Figure
    response24: Figure
    tier: Figure
    satisfaction: list[Satisfaction]
    problems: list[Problem]
    heat: Heat
    contacts: Contacts
    follow_up: FollowUp
    cases: Cases
    complaints: Figure
    handling: Figure
    trend: list[TrendMonth]

    @property
    def leading(self) -> Satisfaction:
        """The audience that leads the report: inpatients where there are any."""
        return next(one for one in self.satisfaction if one.audience == self.audience)


S = TypeVar("S", bound=msgspec.Struct)


def freeze(values: msgspec.Struct) -> dict[str, Any]:
    """The figures as plain JSON values, to be stored."""
    plain: dict[str, Any] = msgspec.to_builtins(values)
    return plain


def thaw(values: Mapping[str, Any], kind: type[S]) -> S:
    """The inverse of `freeze`. Raises msgspec.ValidationError for anything else."""
    return msgspec.convert(values, kind)
