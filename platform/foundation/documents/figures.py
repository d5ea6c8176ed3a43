"""Figures (图表): Vega-Lite specifications drawn as SVG, the same on the page, in the PDF and in an e-mail.

No browser takes part and nothing is fetched. The theme shares `templates/palette.json` with the PDF house
style. Colour is never the only sign: an own value is also a larger diamond, a target is dashed and named, a
hidden value says why in words. Every figure carries the table of its numbers and one sentence for readers
who cannot see it.

Titles, labels and formatted numbers come from the caller in the reader's language. The ready charts stand
in `charts`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

from foundation.documents.fonts import FAMILY, font_folder
from foundation.documents.svg import clean_svg
from foundation.documents.text import fit

FONT_STACK = f"{FAMILY}, PingFang SC, Microsoft YaHei, sans-serif"
"""The document's font first; on a page the reader's own Chinese font stands in."""


@cache
def palette() -> dict[str, str]:
    """The house colours by name: ink, soft, faint, line, wash, accent, accent_soft, accent_mid, alert,
    paper.
    """
    text = (Path(__file__).parent / "templates" / "palette.json").read_text(encoding="utf-8")
    colours: dict[str, str] = json.loads(text)
    return colours


@dataclass(frozen=True, slots=True)
class Table:
    """The numbers of a figure as they are to be read: column titles and rows of finished text (数据表)."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawn figure. `svg` may be inlined as it is; `alt` says in one sentence what it shows; `table` its
    numbers.
    """

    svg: str
    alt: str
    table: Table

    @property
    def image(self) -> bytes:
        """The figure as `images` of `render_pdf` wants it."""
        return self.svg.encode()


def to_svg(chart: alt.TopLevelMixin, *, alt_text: str = "", font_size: int = 12) -> str:
    """Draw an Altair chart in the house theme and return SVG that a strict page policy lets through.

    `font_size`: pixels of the axis labels; 12 suits a page 720 px wide and a figure across an A4 page. An
    `alt_text` becomes the accessible name. A chart's own `configure_…` settings win over the theme.
    """
    _register_font()
    spec: dict[str, Any] = _fit(chart.to_dict())
    spec["config"] = _merge(theme(font_size), spec.get("config", {}))
    return clean_svg(vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]), alt=alt_text)


@cache
def _register_font() -> None:
    vl_convert.register_font_directory(str(font_folder()))


def theme(font_size: int = 12) -> dict[str, Any]:
    """The Vega-Lite `config` of the house: no frame, thin rules, one accent, horizontal labels, regular
    weight.
    """
    colour = palette()
    label = {"labelFontWeight": "normal", "labelFontSize": font_size}
    return {
        "font": FONT_STACK,
        "aria": False,
        "background": None,
        "padding": 4,
        "view": {"stroke": None},
        **_axes(font_size),
        "header": {**label, "labelColor": colour["ink"], "title": None},
        "legend": {**label, "labelColor": colour["soft"], "orient": "top", "title": None},
        "title": {
            "fontSize": font_size + 2,
            "fontWeight": "normal",
            "color": colour["ink"],
            "anchor": "start",
        },
        "text": {"fontSize": font_size, "color": colour["soft"]},
        "line": {"color": colour["accent"], "strokeWidth": 2},
        "point": {"color": colour["accent"], "filled": True, "size": 55},
        "bar": {"color": colour["accent_mid"]},
        "rule": {"color": colour["faint"]},
        "range": {
            "category": [colour[name] for name in ("accent", "faint", "accent_mid", "ink", "alert")],
            "ramp": [colour[name] for name in ("accent_soft", "accent_mid", "accent")],
        },
        "concat": {"spacing": 24},
        "facet": {"spacing": 24},
    }


def _axes(font_size: int) -> dict[str, Any]:
    """Thin rules only where values are read, and the title of the value axis lying above it."""
    colour = palette()
    return {
        "axis": {
            "labelFontWeight": "normal",
            "titleFontWeight": "normal",
            "labelFontSize": font_size,
            "labelColor": colour["soft"],
            "titleFontSize": font_size - 1,
            "titleColor": colour["soft"],
            "domainColor": colour["faint"],
            "tickColor": colour["line"],
            "gridColor": colour["line"],
            "gridOpacity": 0.7,
            "labelPadding": 6,
            "titlePadding": 8,
        },
        "axisX": {"labelAngle": 0, "grid": False, "ticks": False},
        "axisY": {
            "domain": False,
            "ticks": False,
            "tickCount": 5,
            "titleAngle": 0,
            "titleAlign": "left",
            "titleBaseline": "bottom",
            "titleX": 0,
            "titleY": -14,
        },
    }


def _fit(part: Any) -> Any:
    """A specification whose texts SVG can carry."""
    if isinstance(part, str):
        return fit(part)
    if isinstance(part, dict):
        return {key: _fit(value) for key, value in part.items()}
    return [_fit(value) for value in part] if isinstance(part, list) else part


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged
