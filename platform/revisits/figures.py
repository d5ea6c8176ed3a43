"""Two small figures: the plan's windows after discharge, and the contacts due against capacity."""

from __future__ import annotations

from datetime import date, timedelta

import altair as alt

from foundation.calendar import add_months
from foundation.documents.figures import Figure, Table, palette, to_svg
from foundation.languages import format_date
from foundation.languages import gettext as _
from revisits.schedule import PlanRules, PlanStep, steps_until

WIDTH = 960
SHOWN_DAYS = 365
ANY_DAY = date(2026, 1, 1)  # the figure shows the days after a discharge, so the day itself does not matter


def timeline(rules: PlanRules) -> Figure:
    """The windows of the first year (时间轴), each with its number, its days and the day aimed at."""
    steps = steps_until(ANY_DAY, ANY_DAY + timedelta(days=SHOWN_DAYS), rules)
    colour = palette()
    data = [
        {"opens": _day(step.opens), "closes": _day(step.closes) + 1, "target": _day(step.target) + 0.5}
        | {"middle": (_day(step.opens) + _day(step.closes) + 1) / 2, "name": str(step.number), "row": 0}
        for step in steps
    ]
    scale = alt.Scale(domain=[0, SHOWN_DAYS + 15], nice=False)
    axis = alt.Axis(values=[0, 7, 21, 42, 70, 161, 253, 345], grid=False, domain=True, ticks=True)
    base = alt.Chart(alt.InlineData(values=data)).encode(y=alt.Y("row:O", axis=None))
    layers: list[alt.Chart] = [
        base.mark_bar(size=22, cornerRadius=2, color=colour["accent_mid"]).encode(
            x=alt.X("opens:Q", title=_("Days after discharge"), scale=scale, axis=axis), x2="closes:Q"
        ),
        base.mark_tick(size=22, thickness=2, color=colour["accent"]).encode(x="target:Q"),
        base.mark_text(dy=-20, color=colour["ink"]).encode(x="middle:Q", text="name:N"),
    ]
    chart = alt.layer(*layers).properties(width=WIDTH - 40, height=64)
    text = _("{count} contacts in the first year after discharge", count=len(steps))
    heads = (_("Follow-up contact"), _("First day"), _("Day aimed at"), _("Last day"))
    return Figure(to_svg(chart, alt_text=text), text, Table(heads, tuple(map(_row, steps))))


def due_by_day(due: list[int], today: date, capacity: int) -> Figure:
    """Contacts due on each day from today, against what the agents can make (a line), the peak marked."""
    colour = palette()
    peak = due.index(max(due)) if any(due) else -1
    data = [
        {"day": (today + timedelta(days=n)).isoformat(), "due": count, "over": count > capacity > 0}
        | {"peak": str(count) if n == peak else ""}
        for n, count in enumerate(due)
    ]
    top = max([*due, capacity, 1]) * 1.15
    ink = alt.when("datum.over").then(alt.value(colour["alert"])).otherwise(alt.value(colour["accent_mid"]))
    base = alt.Chart(alt.InlineData(values=data)).encode(
        x=alt.X("day:O", title=None, axis=alt.Axis(values=_ticks(today, len(due)), labelOverlap=True))
    )
    down = alt.Y("due:Q", title=_("Contacts due a day"), scale=alt.Scale(domain=[0, top], nice=False))
    layers: list[alt.Chart] = [
        base.mark_bar().encode(y=down, color=ink),
        base.mark_text(dy=-8, color=colour["ink"]).encode(y="due:Q", text="peak:N"),
    ]
    if capacity:
        line = alt.Chart(alt.InlineData(values=[{"at": capacity}])).encode(y="at:Q")
        layers.append(line.mark_rule(color=colour["ink"], strokeDash=[5, 4]))
    chart = alt.layer(*layers).properties(width=WIDTH - 60, height=170)
    text = _("Contacts due on each of the next {days} days", days=len(due))
    rows = tuple((format_date(today + timedelta(days=n)), str(count)) for n, count in enumerate(due) if count)
    return Figure(to_svg(chart, alt_text=text), text, Table((_("Day"), _("Contacts due")), rows))


def _day(day: date) -> int:
    return (day - ANY_DAY).days


def _row(step: PlanStep) -> tuple[str, ...]:
    return (str(step.number), str(_day(step.opens)), str(_day(step.target)), str(_day(step.closes)))


def _ticks(today: date, days: int) -> list[str]:
    """Today and the first of each month."""
    months = (add_months(today.replace(day=1), n) for n in range(1, days // 28 + 2))
    shown = [first.isoformat() for first in months if (first - today).days < days]
    return [today.isoformat(), *shown]
