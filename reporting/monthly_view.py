"""A month in words and tables, in the reader's language: what the page, the PDF and the workbook have in
common.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from foundation.documents.charts import TrendPoint, Values, line_trend
from foundation.documents.figures import Figure as Drawing
from foundation.languages import bilingual, current, format_month
from foundation.languages import gettext as _
from reporting import labels, monthly_tables
from reporting.figures import Figure, MonthFigures
from reporting.statistics import mean_difference
from reporting.words import TableView, TileView, basis, interval, number, reason, rounded, value


@dataclass(frozen=True, slots=True)
class MonthView:
    """A hospital's month as it is read: ``sentences`` are five, ``tables`` stand in the order of page two."""

    title: str
    month: str
    sentences: list[str]
    tiles: list[TileView]
    trend: Drawing
    tables: dict[str, TableView]
    method: str


def month_view(figures: MonthFigures) -> MonthView:
    """The month in the current language."""
    return MonthView(
        title=_("Monthly report on patient experience"),
        month=format_month(figures.month),
        sentences=sentences(figures),
        tiles=tiles(figures),
        trend=trend(figures),
        tables=monthly_tables.tables(figures),
        method=_method(figures),
    )


# --------------------------------------------------------------------------------------------- sentences


def sentences(figures: MonthFigures) -> list[str]:
    """The five sentences of the first page: contacts, collection, satisfaction, problems, cases."""
    return [
        _contacts(figures),
        _collection(figures),
        _satisfaction(figures),
        _problems(figures),
        _cases(figures),
    ]


def _contacts(figures: MonthFigures) -> str:
    told = figures.contacts
    if told.planned == 0:
        return _("No contact was due in this month.")
    done = told.completed + told.partial
    return _(
        "{planned} contacts were due: {completed} were completed, {unreachable} patients were not reached, "
        "{open} are still open, {rest} were refused or not made for another reason; "
        "{reach} of {dialled} calls were answered.",
        planned=f"{told.planned:,}",
        completed=f"{done:,}",
        unreachable=f"{told.unreachable:,}",
        open=f"{told.open:,}",
        rest=f"{told.planned - done - told.unreachable - told.open:,}",
        reach=value(told.reach),
        dialled=f"{told.reach.denominator:,}",
    )


def _collection(figures: MonthFigures) -> str:
    figure = figures.collection
    if figure.withheld:
        return _("No patient was served in this month, so no collection rate is given.")
    said = {
        "share": value(figure),
        "basis": basis(figure),
        "target": number(figure, figure.target),
        "before": value(figures.collection_before),
    }
    text = (
        _(
            "{share} of the patients served gave feedback ({basis}), which reaches the target of {target}",
            **said,
        )
        if figure.met
        else _("{share} of the patients served gave feedback ({basis}); the target is {target}", **said)
    )
    if figures.collection_before.withheld:
        return _("{text}.", text=text)
    return _("{text}; of last month's patients {before} have done so by now.", text=text, **said)


def _satisfaction(figures: MonthFigures) -> str:
    leading = figures.leading
    who = _(labels.AUDIENCES[leading.audience])
    if leading.index.withheld:
        return _(
            "{who}: the satisfaction index is not shown ({reason}, {basis}).",
            who=who,
            reason=reason(leading.index.withheld),
            basis=basis(leading.index),
        )
    return _(
        "{who}: the satisfaction index is {index} (95% interval {interval}, {basis}), {change}; {share} "
        "are satisfied "
        "or very satisfied.",
        who=who,
        index=value(leading.index),
        interval=interval(leading.index),
        basis=basis(leading.index),
        change=change(figures),
        share=value(leading.satisfied),
    )


def change(figures: MonthFigures) -> str:
    """The change of the index since last month, as far as the intervals carry it (A4): never read into
    noise.
    """
    before = figures.trend[-2].index if len(figures.trend) > 1 else None
    now = figures.leading.index
    if before is None or before.value is None or now.value is None:
        return _("without a month before to compare with")
    difference = mean_difference(
        (now.denominator, now.value, now.sd or 0.0), (before.denominator, before.value, before.sd or 0.0)
    )
    if difference is None or not difference.clear:
        return _("no clear change since last month")
    points = rounded(abs(difference.value))
    if difference.value > 0:
        return _("clearly higher than last month by {points} points", points=points)
    return _("clearly lower than last month by {points} points", points=points)


def _problems(figures: MonthFigures) -> str:
    top = [one for one in figures.problems if one.count][:3]
    if not top:
        return _("No feedback case came in this month.")
    listed = [
        _(
            "{name} {count} ({change})",
            name=bilingual({"zh": one.zh, "en": one.en}),
            count=one.count,
            change=signed(one.count - one.before),
        )
        for one in top
    ]
    between = "、" if current() == "zh_Hans" else ", "
    return _(
        "Most frequent problems, with the change since last month: {problems}.", problems=between.join(listed)
    )


def signed(difference: int) -> str:
    """`+3`, `−2`, `±0`."""
    return f"{difference:+d}".replace("-", "−") if difference else "±0"


def _cases(figures: MonthFigures) -> str:
    told = figures.cases
    return _(
        "{opened} cases came in, {closed} were closed, {in_time} of these without missing a deadline; "
        "{open} are open, "
        "{overdue} of them overdue.",
        opened=told.opened,
        closed=told.closed,
        in_time=told.in_time.numerator or 0,
        open=told.open,
        overdue=told.overdue,
    )


# ------------------------------------------------------------------------------------------------- tiles


def tiles(figures: MonthFigures) -> list[TileView]:
    """Eight key figures, those with a target first (SC-20)."""
    leading = figures.leading
    return [
        tile(_("Feedback collected"), figures.collection),
        tile(_("First response in 24 h"), figures.response24),
        tile(_("Handling satisfied"), figures.handling),
        tile(_("Discharges followed up"), figures.follow_up.all),
        tile(_("Satisfaction index"), leading.index),
        tile(_("Satisfied patients"), leading.satisfied),
        tile(_("Calls answered"), figures.contacts.reach),
        tile(_("Complaints per 1,000"), figures.complaints),
    ]


def tile(label: str, figure: Figure) -> TileView:
    """A figure as a tile: what it rests on, its target or its interval beneath."""
    notes = [basis(figure)]
    tone = "neutral"
    if figure.target is not None:
        notes.append(_("target {target}", target=number(figure, figure.target)))
        tone = "neutral" if figure.met is None else "good" if figure.met else "warn"
    elif figure.kind == "mean" and figure.low is not None:
        notes.append(interval(figure))
    return TileView(
        label,
        "" if figure.withheld else value(figure),
        " · ".join(notes),
        tone,
        reason(figure.withheld) if figure.withheld else "",
    )


def trend(figures: MonthFigures, *, width: int = 700, height: int = 240) -> Drawing:
    """The satisfaction index over the months, with its interval."""
    title = _("Satisfaction index")
    points = [
        TrendPoint(
            _month_label(one.month),
            rounded(one.index.value),
            one.index.low,
            one.index.high,
            withheld=reason(one.index.withheld) if one.index.withheld else "",
        )
        for one in figures.trend
    ]
    who = _(labels.AUDIENCES[figures.audience])
    return line_trend(
        points,
        Values(title, interval_title=_("95% interval")),
        period_title=_("Month"),
        alt_text=_("{who}: satisfaction index by month with its 95% interval", who=who),
        width=width,
        height=height,
    )


def _month_label(month: date) -> str:
    return (
        f"{month.year % 100:02d}-{month.month:02d}"
        if month.month in {1, 12}
        else f"{month.month}" + ("月" if current() == "zh_Hans" else "")
    )


def _method(figures: MonthFigures) -> str:
    return _(
        "Month cut at midnight in China; late entries read until {cut}. Index: six levels as 0 to 100, "
        "mean of complete "
        "responses; satisfied: levels 5 and 6 of the overall question. Fewer than 10 answers are not "
        "shown. In-house "
        "survey, not a national platform's score.",
        cut=f"{figures.cut:%Y-%m-%d %H:%M}",
    )
