"""The firm's own view of a comparison: all its hospitals by name, which it serves and whose data it
processes.

Members never get this. It shows what was released, and what was not and why (A10.10).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from foundation.documents.charts import IntervalRow, Values, interval_dots
from foundation.documents.figures import Figure as Drawing
from foundation.documents.spreadsheet import Column, Kind, write_xlsx
from foundation.documents.typeset import render_pdf
from foundation.languages import Language, current, format_datetime, format_month, speaking
from foundation.languages import gettext as _
from reporting import labels
from reporting.benchmark import RunResults, results_of
from reporting.disclosure import Thresholds
from reporting.figures import Figure
from reporting.groups import class_part, group_name, measure_name
from reporting.member_report import TEMPLATES, rules
from reporting.models import BenchmarkRun
from reporting.peers import MEASURES, ORDER, Member, declared_groups
from reporting.words import TableView, TileView, reason, rounded
from tenants.labels import GRADES, HOSPITAL_TYPES
from tenants.regions import region_name

WORTH_LISTING = 3  # hospitals in a group
ROW_HEIGHT = 19  # two figures of twelve hospitals on one page


@dataclass(frozen=True, slots=True)
class OverviewView:
    """A run as the firm reads it."""

    title: str
    month: str
    firm: str
    state: str
    tiles: list[TileView]
    index: Drawing
    satisfied: Drawing
    hospitals: TableView
    released: TableView
    rules: list[str]


def overview_view(found: BenchmarkRun) -> OverviewView:
    """The run in the current language."""
    results = results_of(found)
    comparison = results.comparison
    answers = sum(member.n for member in comparison.members)
    return OverviewView(
        title=_("Benchmark of the firm's hospitals"),
        month=format_month(found.month),
        firm=results.firm if current() == "zh_Hans" else results.firm_en or results.firm,
        state=_(labels.STATES[found.state]),
        tiles=[
            TileView(_("Hospitals"), f"{found.hospitals:,}", _("in this comparison")),
            TileView(_("Answers"), f"{answers:,}", _("complete, inpatients")),
            TileView(_("Groups published"), f"{len(comparison.released):,}", _("of all measures")),
            TileView(_("Values withheld"), f"{found.withheld:,}", _("own values and groups")),
        ],
        index=chart(comparison.members, "index"),
        satisfied=chart(comparison.members, "satisfied"),
        hospitals=_hospitals(comparison.members),
        released=_released(results),
        rules=rules(Thresholds(**found.thresholds)),
    )


def overview_pdf(found: BenchmarkRun, *, language: Language = "zh_Hans") -> bytes:
    """The firm's overview as PDF."""
    with speaking(language):
        view = overview_view(found)
        data = {
            "lang": "zh" if language == "zh_Hans" else "en",
            "title": view.title,
            "brand": _("CareLoop"),
            "logo": "",
            "owner": view.firm,
            "subtitle": f"{view.firm} · {view.month}",
            "generated": _(
                "Made {at}, version {version}", at=format_datetime(found.made_at), version=found.version
            ),
            "state": view.state,
            "tiles": [tile.typeset() for tile in view.tiles],
            "index_alt": view.index.alt,
            "satisfied_alt": view.satisfied.alt,
            "hospitals": view.hospitals.typeset(),
            "released": view.released.typeset(),
            "rules": "\n".join(view.rules),
            "words": {
                "index": _("Satisfaction index, inpatients"),
                "satisfied": _("Satisfied share, inpatients"),
                "caption": _("Bars: 95% interval; dashed: median of the hospitals shown"),
                "rules": _("Rules of this comparison"),
            },
        }
        images = {"index.svg": view.index.image, "satisfied.svg": view.satisfied.image}
        return render_pdf(TEMPLATES / "overview.typ", data, images=images)


def overview_xlsx(
    found: BenchmarkRun, *, language: Language = "zh_Hans", made_at: datetime | None = None
) -> bytes:
    """The firm's overview as a workbook: hospitals, and what was released."""
    with speaking(language):
        view = overview_view(found)
        return write_xlsx(
            [view.hospitals.sheet(), view.released.sheet()],
            title=f"{view.firm} {view.month} {view.title}",
            generated=made_at or found.made_at,
        )


def name_of(member: Member) -> str:
    """A hospital's name in the current language."""
    return member.name if current() == "zh_Hans" else member.name_en or member.name


def chart(members: list[Member], measure: str, *, width: int = 700) -> Drawing:
    """All hospitals with their intervals (Wilson for shares), best first, hidden ones last."""
    known = [(one, one.figure(measure)) for one in members]
    known.sort(key=lambda pair: (pair[1].value is None, -(pair[1].value or 0.0), pair[0].code))
    percent = measure != "index"
    rows = [
        IntervalRow(
            name_of(member),
            _plotted(figure.value, percent),
            figure.low,
            figure.high,
            withheld=reason(figure.withheld) if figure.withheld else "",
        )
        for member, figure in known
    ]
    shown = [figure.value for _member, figure in known if figure.value is not None]
    middle = median(shown) if shown else None
    return interval_dots(
        rows,
        Values(measure_name(measure), percent=percent, interval_title=_("95% interval")),
        label_title=_("Hospital"),
        alt_text=_("{measure} of each hospital with its 95% interval", measure=measure_name(measure)),
        reference=_plotted(middle, percent),
        reference_title=_("Median") if shown else "",
        width=width,
        height=ROW_HEIGHT * len(rows) + 58,
    )


def _plotted(value: float | None, percent: bool) -> float | None:
    shown = rounded(value, percent=percent)
    return None if shown is None else float(shown.scaleb(-2) if percent else shown)


def _hospitals(members: list[Member]) -> TableView:
    columns = [
        Column("name", _("Hospital"), width=30),
        Column("region", _("Region"), width=12),
        Column("class", _("Type and grade"), width=26),
        Column("n", _("Answers"), Kind.INT),
        Column("index", _("Index"), Kind.DECIMAL),
        Column("low", _("from"), Kind.DECIMAL),
        Column("high", _("to"), Kind.DECIMAL),
        Column("satisfied", _("Satisfied %"), Kind.DECIMAL),
        Column("satisfied_low", _("% from"), Kind.DECIMAL),
        Column("satisfied_high", _("% to"), Kind.DECIMAL),
        Column("collection", _("Collected %"), Kind.DECIMAL),
        Column("response24", _("In 24 h %"), Kind.DECIMAL),
    ]
    rows = [_hospital(one) for one in members]
    return TableView("hospitals", _("Hospitals"), columns, rows, skip=frozenset({"region", "class"}))


def _hospital(member: Member) -> dict[str, Any]:
    figures = {measure: member.figure(measure) for measure in MEASURES}
    index, satisfied = figures["index"], figures["satisfied"]
    return {
        "name": name_of(member),
        "region": region_name(member.region),
        "class": f"{class_part(HOSPITAL_TYPES, member.hospital_type)} · {class_part(GRADES, member.grade)}",
        "n": member.n,
        "low": rounded(index.low),
        "high": rounded(index.high),
        "satisfied_low": rounded(satisfied.low, percent=True),
        "satisfied_high": rounded(satisfied.high, percent=True),
        **{measure: _number(figure) for measure, figure in figures.items()},
    }


def _number(figure: Figure) -> Any:
    return (
        reason(figure.withheld) if figure.withheld else rounded(figure.value, percent=figure.kind == "share")
    )


def _released(results: RunResults) -> TableView:
    """Which group is published for which measure, with its contributors, or why not."""
    comparison = results.comparison
    columns = [Column("group", _("Group"), width=40)]
    columns += [Column(measure, measure_name(measure), width=20) for measure in MEASURES]
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    sizes = {(one.level, one.key): len(one.members) for one in declared_groups(comparison.members)}
    for one in comparison.released:
        row = rows.setdefault((one.level, one.key), {"group": group_name(one.level, one.key)})
        row[one.measure] = _("published ({n})", n=len(one.contributors))
    for refusal in comparison.refused:
        row = rows.setdefault((refusal.level, refusal.key), {"group": group_name(refusal.level, refusal.key)})
        row[refusal.measure] = f"{reason(refusal.reason)} ({refusal.contributors})"
    known = [place for place in rows if sizes[place] >= WORTH_LISTING]
    ordered = sorted(known, key=lambda place: (ORDER.index(place[0]), place[1]))
    note = _(
        "In brackets: hospitals with enough answers. Groups of one or two hospitals, always withheld: "
        "{small}.",
        small=len(rows) - len(known),
    )
    return TableView(
        "released", _("Groups and their release"), columns, [rows[place] for place in ordered], note
    )
