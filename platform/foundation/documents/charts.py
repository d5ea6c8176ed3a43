"""The ready charts of reports: a trend over months, intervals side by side, bars.

Each takes values and finished labels and returns a `Figure` with its table. `width` and `height` are pixels
of the whole figure. A value that may not be shown arrives as a reason (`withheld`, "样本不足") and is drawn
as that reason, never as a gap without a word.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from math import ceil
from unicodedata import east_asian_width

import altair as alt

from foundation.documents.figures import Figure, Table, palette, to_svg
from foundation.documents.text import fit

Number = int | float | Decimal

FONT_SIZE = 12
ROW_HEIGHT = 26
_SHAPES = alt.Scale(domain=[True, False], range=["diamond", "circle"])


@dataclass(frozen=True, slots=True)
class Values:
    """How the values of a figure are named and written.

    `title` names them ("满意度指数"); `digits` decimals, rounded half up; `percent` for fractions of one;
    `domain` fixes both ends of the axis, for figures that are read side by side; `interval_title` heads the
    column of intervals.
    """

    title: str
    digits: int = 1
    percent: bool = False
    domain: tuple[float, float] | None = None
    interval_title: str = ""

    def show(self, value: Number | None) -> str:
        """`value` as readers see it: 88.4, 92.5 % as `92.5%`; an absent one as a dash."""
        if value is None:
            return "—"
        exact = value if isinstance(value, Decimal) else Decimal(str(value))
        step = Decimal(1).scaleb(-self.digits)
        shown = (exact * 100 if self.percent else exact).quantize(step, ROUND_HALF_UP)
        return f"{shown:,f}%" if self.percent else f"{shown:,f}"

    def show_interval(self, low: Number | None, high: Number | None) -> str:
        """`86.9–89.9`, or a dash where there is no interval."""
        return "—" if low is None or high is None else f"{self.show(low)}–{self.show(high)}"

    def axis(self, *, across: bool = False) -> alt.Axis:
        """The axis of these values; whole percents and plain numbers."""
        form = ".0%" if self.percent else ",~f"
        return alt.Axis(format=form, grid=True, domain=False, tickCount=6 if across else 5)

    def scale(self, seen: Iterable[Number | None]) -> alt.Scale:
        """The given domain, or one around the values `seen` with some air."""
        if self.domain:
            return alt.Scale(domain=list(self.domain), nice=False, clamp=True)
        known = [float(value) for value in seen if value is not None] or [0.0, 1.0]
        air = (max(known) - min(known)) * 0.12 or abs(known[0]) * 0.05 or 1.0
        low, high = min(known) - air, max(known) + air
        if min(known) >= 0:
            low = max(low, 0.0)
        return alt.Scale(
            domain=[low, min(high, 1.0) if self.percent and max(known) <= 1 else high], nice=True
        )


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """One period of a trend: its label ("9月"), its value with an optional interval, or the reason for
    none.
    """

    label: str
    value: Number | None
    low: Number | None = None
    high: Number | None = None
    withheld: str = ""


@dataclass(frozen=True, slots=True)
class IntervalRow:
    """One line of a comparison: a value with its interval, `own` for the reader's own line."""

    label: str
    value: Number | None
    low: Number | None = None
    high: Number | None = None
    own: bool = False
    withheld: str = ""


@dataclass(frozen=True, slots=True)
class BarRow:
    """One bar: `note` follows the value ("18 件 · 较上月 +3"), `strong` draws it in the accent colour with
    a ◆ at its label.
    """

    label: str
    value: Number | None
    note: str = ""
    strong: bool = False
    withheld: str = ""


def line_trend(
    points: Sequence[TrendPoint],
    values: Values,
    *,
    period_title: str,
    alt_text: str,
    target: Number | None = None,
    target_title: str = "",
    width: int = 640,
    height: int = 230,
) -> Figure:
    """Values over periods (趋势), with intervals as a band and the target as a named dashed line.

    The last value is written at its point. A withheld period is a cross on the base line.
    """
    goal = f"{target_title} {values.show(target)}".strip() if target is not None else ""
    scale = values.scale([n for point in points for n in (point.value, point.low, point.high)] + [target])
    axis = alt.Y("v:Q", title=values.title, scale=scale, axis=values.axis())
    layers = _trend_layers(points, values, axis, alt.Y("low:Q", scale=scale), width)
    if target is not None:
        layers += _target(float(target), goal, axis)
    svg = to_svg(_fitted(layers, width, height), alt_text=alt_text)
    return Figure(svg, alt_text, _trend_table(points, values, period_title, target_title, target))


def _trend_layers(
    points: Sequence[TrendPoint], values: Values, axis: alt.Y, low: alt.Y, width: int
) -> list[alt.Chart]:
    colour = palette()
    data = [
        {"i": index, "v": _float(point.value), "low": _float(point.low), "high": _float(point.high)}
        | {"name": point.label, "text": values.show(point.value), "gone": bool(point.withheld)}
        for index, point in enumerate(points)
    ]
    base = alt.Chart(alt.InlineData(values=data)).encode(
        x=alt.X("i:O", title=None, scale=alt.Scale(paddingOuter=0.3), axis=alt.Axis(labels=False))
    )
    final = len(points) - 1
    # Where labels are too many for the width, every second or third stands, the last one always.
    every = (
        ceil(max([_text_width(point.label) for point in points], default=1) * 1.15 * len(points) / width) or 1
    )
    return [
        base.mark_area(color=colour["accent_soft"]).encode(y=low, y2="high:Q"),
        base.mark_line().encode(y=axis),
        base.mark_point(opacity=1).encode(y=axis),
        base.mark_text(dy=-14, color=colour["accent"], fontSize=FONT_SIZE + 1)
        .transform_filter(f"datum.i == {final} && datum.v != null")
        .encode(y=axis, text="text:N"),
        base.mark_point(shape="cross", angle=45, color=colour["faint"], size=50, yOffset=-9)
        .transform_filter("datum.gone")
        .encode(y=alt.value("height")),
        base.mark_text(dy=17, baseline="middle")
        .transform_filter(f"({final} - datum.i) % {every} == 0")
        .encode(y=alt.value("height"), text="name:N"),
    ]


def _target(target: float, goal: str, axis: alt.Y) -> list[alt.Chart]:
    one = alt.Chart(alt.InlineData(values=[{"v": target, "text": goal}])).encode(y=axis)
    return [
        one.mark_rule(strokeDash=[5, 4], color=palette()["soft"]),
        one.mark_text(align="left", dx=6).encode(x=alt.value("width"), text="text:N"),
    ]


def _trend_table(
    points: Sequence[TrendPoint], values: Values, period_title: str, target_title: str, target: Number | None
) -> Table:
    interval = bool(values.interval_title)
    columns = (period_title, values.title) + ((values.interval_title,) if interval else ())
    rows = tuple(
        (point.label, point.withheld or values.show(point.value))
        + ((values.show_interval(point.low, point.high),) if interval else ())
        for point in points
    )
    if target is not None:
        rows += ((target_title, values.show(target), *[""] * interval),)
    return Table(columns, rows)


def interval_dots(
    rows: Sequence[IntervalRow],
    values: Values,
    *,
    label_title: str,
    alt_text: str,
    reference: Number | None = None,
    reference_title: str = "",
    width: int = 640,
    height: int | None = None,
) -> Figure:
    """Values with their intervals under each other (对标), in the caller's order.

    The own line is a larger diamond on a tinted band; `reference` (the group's median, say) is a dashed
    line named at the top; the numbers stand at the right. Default height: 26 px a line.
    """
    seen = [n for row in rows for n in (row.value, row.low, row.high)]
    scale = values.scale([*seen, reference])
    across = alt.X("v:Q", title=values.title, scale=scale, axis=values.axis(across=True))
    layers = _dot_layers(rows, values, across, alt.X("low:Q", scale=scale))
    if reference is not None:
        colour = palette()
        mark = {"v": float(reference), "text": f"{reference_title} {values.show(reference)}".strip()}
        one = alt.Chart(alt.InlineData(values=[mark])).encode(x=across)
        layers.insert(1, one.mark_rule(strokeDash=[5, 4], color=colour["soft"]))
        layers.append(one.mark_text(dy=-9).encode(y=alt.value(0), text="text:N"))
    svg = to_svg(_fitted(layers, width, height or ROW_HEIGHT * len(rows) + 70), alt_text=alt_text)
    table = tuple(
        (row.label, row.withheld or values.show(row.value), values.show_interval(row.low, row.high))
        for row in rows
    )
    return Figure(svg, alt_text, Table((label_title, values.title, values.interval_title), table))


def _dot_layers(rows: Sequence[IntervalRow], values: Values, across: alt.X, low: alt.X) -> list[alt.Chart]:
    colour = palette()
    data = [
        {"i": index, "v": _float(row.value), "low": _float(row.low), "high": _float(row.high), "own": row.own}
        | {"name": row.label, "gone": row.withheld, "text": _dot_text(row, values)}
        for index, row in enumerate(rows)
    ]
    ink = alt.when("datum.own").then(alt.value(colour["accent"])).otherwise(alt.value(colour["soft"]))
    base = alt.Chart(alt.InlineData(values=data)).encode(y=_lines_down())
    shown = base.transform_filter("datum.v != null")
    return [
        base.mark_bar(color=colour["accent_soft"])
        .transform_filter("datum.own")
        .encode(x=alt.value(0), x2=alt.value("width")),
        shown.mark_rule(strokeWidth=2).encode(x=low, x2="high:Q", color=ink),
        shown.mark_point(opacity=1, stroke=colour["paper"], strokeWidth=1).encode(
            x=across,
            color=ink,
            shape=alt.Shape("own:N", scale=_SHAPES, legend=None),
            size=alt.when("datum.own").then(alt.value(130)).otherwise(alt.value(60)),
        ),
        *_row_texts(base, _margin(row.label for row in rows), colour),
    ]


def bars(
    rows: Sequence[BarRow],
    values: Values,
    *,
    label_title: str,
    alt_text: str,
    width: int = 640,
    height: int | None = None,
) -> Figure:
    """Horizontal bars from zero (条形图) in the caller's order, each with its number and note."""
    colour = palette()
    data = [
        {"i": index, "v": _float(row.value), "own": row.strong, "name": _bar_label(row), "gone": row.withheld}
        | {"text": "" if row.withheld else "  ".join(filter(None, (values.show(row.value), row.note)))}
        for index, row in enumerate(rows)
    ]
    top = max([float(row.value) for row in rows if row.value is not None], default=1.0) or 1.0
    scale = alt.Scale(domain=list(values.domain or (0.0, top)), nice=False, clamp=True)
    ink = alt.when("datum.own").then(alt.value(colour["accent"])).otherwise(alt.value(colour["accent_mid"]))
    base = alt.Chart(alt.InlineData(values=data)).encode(y=_lines_down())
    layers: list[alt.Chart] = [
        base.mark_bar(size=ROW_HEIGHT * 0.5, cornerRadiusEnd=2)
        .transform_filter("datum.v != null")
        .encode(x=alt.X("v:Q", title=None, scale=scale, axis=None), color=ink),
        *_row_texts(base, _margin(map(_bar_label, rows)), colour),
    ]
    tall = height or ROW_HEIGHT * len(rows) + 12
    figure = _fitted(layers, width, tall)
    has_notes = any(row.note for row in rows)
    table = tuple(
        (row.label, row.withheld or values.show(row.value)) + ((row.note,) if has_notes else ())
        for row in rows
    )
    columns = (label_title, values.title) + (("",) if has_notes else ())
    return Figure(to_svg(figure, alt_text=alt_text), alt_text, Table(columns, table))


def _row_texts(base: alt.Chart, left: int, colour: dict[str, str]) -> list[alt.Chart]:
    """The label at the left of each line, its numbers at the right, and the reason where there are none."""
    ink = alt.when("datum.own").then(alt.value(colour["accent"])).otherwise(alt.value(colour["ink"]))
    return [
        base.mark_text(align="left", limit=left - 12).encode(
            x=alt.value(-left + 4), text="name:N", color=ink
        ),
        base.mark_text(align="left").encode(
            x=alt.value("width"), xOffset=alt.value(8), text="text:N", color=ink
        ),
        base.mark_text(align="left", color=colour["soft"])
        .transform_filter("datum.gone != ''")
        .encode(x=alt.value(6), text="gone:N"),
    ]


def _bar_label(row: BarRow) -> str:
    return f"◆ {row.label}" if row.strong else row.label


def _dot_text(row: IntervalRow, values: Values) -> str:
    if row.withheld:
        return ""
    interval = "" if row.low is None or row.high is None else f"  [{values.show_interval(row.low, row.high)}]"
    return values.show(row.value) + interval


def _lines_down() -> alt.Y:
    return alt.Y("i:O", title=None, axis=None, scale=alt.Scale(paddingInner=0.15, paddingOuter=0.1))


def _fitted(layers: list[alt.Chart], width: int, height: int) -> alt.LayerChart | alt.FacetChart:
    """The layers as one figure of exactly this size, the texts beside the plot included."""
    return alt.layer(*layers).properties(
        width=width,
        height=height,
        autosize=alt.AutoSizeParams(type="fit", contains="padding"),
    )


def _margin(texts: Iterable[str]) -> int:
    """Pixels that the longest of `texts` needs beside the plot, at most 240; longer ones end in an
    ellipsis.
    """
    return min(max([_text_width(text) for text in texts], default=0) + 16, 240)


def _text_width(text: str) -> int:
    """An upper estimate in pixels: a full em for Chinese and signs like ◆, 0.62 em for the rest."""
    return ceil(sum(FONT_SIZE * (1 if east_asian_width(one) in "WFA" else 0.62) for one in fit(text)))


def _float(value: Number | None) -> float | None:
    return None if value is None else float(value)
