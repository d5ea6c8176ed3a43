"""What one hospital gets of a comparison (对标报告): itself with its interval, beside groups without
names.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgspec

from foundation.documents.charts import IntervalRow, Values, interval_dots
from foundation.documents.figures import Figure as Drawing
from foundation.documents.spreadsheet import Column, Kind, write_xlsx
from foundation.documents.typeset import render_pdf
from foundation.languages import Language, current, format_datetime, format_month, speaking
from foundation.languages import gettext as _
from reporting import labels
from reporting.disclosure import Thresholds
from reporting.groups import group_name, group_number, measure_name
from reporting.peers import Compared, GroupValue, by_measure, group_used
from reporting.words import TableView, TileView, basis, interval, reason, rounded, value
from tenants.life.branding import NO_LETTERHEAD, Letterhead

TEMPLATES = Path(__file__).parent / "templates" / "reporting"


class MemberReport(msgspec.Struct, frozen=True):
    """The frozen content of a hospital's comparison. Nothing here names another hospital."""

    month: date
    version: int
    code: str
    name: str
    name_en: str
    compared: list[Compared]
    thresholds: Thresholds

    @property
    def label(self) -> str:
        """The hospital's name in the current language."""
        return self.name if current() == "zh_Hans" else self.name_en or self.name


@dataclass(frozen=True, slots=True)
class MemberView:
    """The comparison as it is read."""

    title: str
    month: str
    sentence: str
    tiles: list[TileView]
    figure: Drawing
    measures: TableView
    groups: TableView
    rules: list[str]


def member_view(report: MemberReport) -> MemberView:
    """The comparison in the current language."""
    return MemberView(
        title=_("Benchmark report"),
        month=format_month(report.month),
        sentence=_sentence(by_measure(report.compared)["index"]),
        tiles=[_tile(one) for one in report.compared],
        figure=member_figure(report),
        measures=_measures(report),
        groups=_groups(report),
        rules=rules(report.thresholds),
    )


def rules(thresholds: Thresholds) -> list[str]:
    """The rules of small numbers as they are printed with every comparison (A9, A10)."""
    return [
        _(
            "Own value: hidden below {hide} answers, flagged and not ranked below {rank}.",
            hide=thresholds.hide_below,
            rank=thresholds.rank_from,
        ),
        _(
            "A group is shown with at least {others} hospitals besides the reader, none with more than "
            "{share} of its "
            "answers; otherwise the next wider one is used and named.",
            others=thresholds.other_contributors,
            share=f"{thresholds.dominant_answers:.0%}",
        ),
        _(
            "Two groups that differ by fewer than {difference} hospitals are never both published, nor "
            "against an "
            "earlier version of the month; lowest and highest values and names of others are never given.",
            difference=thresholds.difference_contributors,
        ),
        _(
            "Mean and median count each hospital once and include the reader. Inpatients only. A place is "
            "named only "
            "where the 95% interval lies inside it."
        ),
    ]


def member_pdf(
    report: MemberReport,
    *,
    made_at: datetime,
    language: Language = "zh_Hans",
    head: Letterhead = NO_LETTERHEAD,
) -> bytes:
    """The comparison on one page or two."""
    with speaking(language):
        view = member_view(report)
        data = {
            "lang": "zh" if language == "zh_Hans" else "en",
            "title": view.title,
            "brand": head.label or _("CareLoop"),
            "logo": head.logo_name,
            "owner": report.label,
            "subtitle": f"{report.label} · {view.month}",
            "generated": _(
                "Made {at}, version {version}", at=format_datetime(made_at), version=report.version
            ),
            "state": _("Corrected, version {version}", version=report.version)
            if report.version > 1
            else None,
            "corrected": report.version > 1,
            "correction": _("This version replaces the earlier ones of the month."),
            "sentence": view.sentence,
            "tiles": [tile.typeset() for tile in view.tiles],
            "figure_alt": view.figure.alt,
            "measures": view.measures.typeset(),
            "groups": view.groups.typeset(),
            "rules": "\n".join(view.rules),
            "words": {
                "figure": _("Satisfaction index beside the groups"),
                "caption": _("◆ own value with its 95% interval; ● mean of a group; dashed: median"),
                "rules": _("Rules of this comparison"),
                "correction": _("Correction of an earlier version"),
            },
        }
        return render_pdf(
            TEMPLATES / "benchmark.typ", data, images={"dots.svg": view.figure.image} | head.images
        )


def member_xlsx(report: MemberReport, *, made_at: datetime, language: Language = "zh_Hans") -> bytes:
    """The comparison as a workbook: measures and groups."""
    with speaking(language):
        view = member_view(report)
        return write_xlsx(
            [view.measures.sheet(), view.groups.sheet()],
            title=f"{report.label} {view.month} {view.title}",
            generated=made_at,
        )


def member_figure(report: MemberReport, *, width: int = 700) -> Drawing:
    """Own index with its interval, the groups' means under it, the used group's median as the line."""
    index = by_measure(report.compared)["index"]
    used = group_used(index)
    own = index.own
    rows = [
        IntervalRow(
            _("This hospital"),
            rounded(own.value),
            own.low,
            own.high,
            own=True,
            withheld=reason(own.withheld) if own.withheld else "",
        )
    ]
    rows += [
        IntervalRow(
            _("{group}: mean of {n}", group=_(labels.GROUPS[one.level]), n=one.hospitals)
            if one.withheld is None
            else _(labels.GROUPS[one.level]),
            rounded(one.mean),
            withheld=reason(one.withheld) if one.withheld else "",
        )
        for one in index.groups
    ]
    return interval_dots(
        rows,
        Values(_("Satisfaction index"), interval_title=_("95% interval")),
        label_title=_("Group"),
        alt_text=_("Own satisfaction index with its interval beside the means of the groups"),
        reference=None if used is None else rounded(used.median),
        reference_title="" if used is None else _("Median, {group}", group=_(labels.GROUPS[used.level])),
        width=width,
        height=36 * len(rows) + 70,
    )


def _sentence(index: Compared) -> str:
    used = group_used(index)
    if index.own.withheld:
        return _(
            "The own index is not shown: {reason} ({basis}).",
            reason=reason(index.own.withheld),
            basis=basis(index.own),
        )
    own = _(
        "The inpatients' satisfaction index is {value} (95% interval {interval}, {basis})",
        value=value(index.own),
        interval=interval(index.own),
        basis=basis(index.own),
    )
    if used is None:
        return _("{own}; no group may be shown this month, so that no single hospital is revealed.", own=own)
    return _(
        "{own}; compared with {group}, {n} hospitals with this one: mean {mean}, median {median}, {place}.",
        own=own,
        group=group_name(used.level, used.key),
        n=used.hospitals,
        mean=group_number(index.own, used.mean),
        median=group_number(index.own, used.median),
        place=_place(index, used),
    )


def _place(index: Compared, used: GroupValue) -> str:
    """Where the own interval carries it: a third of the group, a side of its median, else no difference."""
    if index.third:
        return _("in the {third}", third=_(labels.THIRDS[index.third]))
    low, high, median = index.own.low, index.own.high, used.median
    if index.flagged or low is None or high is None or median is None or low <= median <= high:
        return _("no clear difference from the median")
    return _("clearly above the median") if low > median else _("clearly below the median")


def _tile(compared: Compared) -> TileView:
    used, own = group_used(compared), compared.own
    beside = _("no group shown") if used is None else _("group {mean}", mean=group_number(own, used.mean))
    return TileView(
        measure_name(compared.measure),
        "" if own.withheld else value(own),
        f"{basis(own)} · {beside}",
        withheld=reason(own.withheld) if own.withheld else "",
    )


def _measures(report: MemberReport) -> TableView:
    columns = [
        Column("name", _("Measure"), width=24),
        Column("value", _("Own value"), Kind.DECIMAL),
        Column("low", _("from"), Kind.DECIMAL),
        Column("high", _("to"), Kind.DECIMAL),
        Column("n", _("Basis"), Kind.INT),
        Column("group", _("Group"), width=34),
        Column("size", _("Hospitals"), Kind.INT),
        Column("mean", _("Group mean"), Kind.DECIMAL),
        Column("median", _("Group median"), Kind.DECIMAL),
    ]
    rows = [_measure_row(one) for one in report.compared]
    flagged = _flagged(report)
    note = (
        _("Shares in percent. Flagged (10 to 29 answers): {flagged}.", flagged=flagged)
        if flagged
        else _("Shares in percent.")
    )
    return TableView("measures", _("Own values beside the group"), columns, rows, note)


def _flagged(report: MemberReport) -> str:
    between = "、" if current() == "zh_Hans" else ", "
    return between.join(measure_name(one.measure) for one in report.compared if one.flagged)


def _measure_row(compared: Compared) -> dict[str, Any]:
    used, own = group_used(compared), compared.own
    percent = own.kind == "share"
    return {
        "name": measure_name(compared.measure),
        "value": reason(own.withheld) if own.withheld else rounded(own.value, percent=percent),
        "low": rounded(own.low, percent=percent),
        "high": rounded(own.high, percent=percent),
        "n": own.denominator,
        "group": _("none may be shown") if used is None else group_name(used.level, used.key),
        "size": None if used is None else used.hospitals,
        "mean": None if used is None else rounded(used.mean),
        "median": None if used is None else rounded(used.median),
    }


def _groups(report: MemberReport) -> TableView:
    columns = [
        Column("measure", _("Measure"), width=20),
        Column("group", _("Group"), width=36),
        Column("size", _("Hospitals"), Kind.INT),
        Column("mean", _("Mean"), Kind.DECIMAL),
        Column("median", _("Median"), Kind.DECIMAL),
        Column("lower", _("Q1"), Kind.DECIMAL),
        Column("upper", _("Q3"), Kind.DECIMAL),
    ]
    rows = [_group_row(one, group) for one in report.compared for group in one.groups]
    return TableView("groups", _("All groups"), columns, rows)


def _group_row(compared: Compared, group: GroupValue) -> dict[str, Any]:
    return {
        "measure": measure_name(compared.measure),
        "group": group_name(group.level, group.key),
        "size": group.hospitals,
        "mean": reason(group.withheld) if group.withheld else rounded(group.mean),
        "median": rounded(group.median),
        "lower": rounded(group.lower_quartile),
        "upper": rounded(group.upper_quartile),
    }
