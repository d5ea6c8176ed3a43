"""Figures as readers see them: rounded once, half up, the same on the page, in the PDF and in the Excel
file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from foundation.documents.spreadsheet import Column, Kind, Sheet
from foundation.languages import NOTHING, bilingual, gettext
from reporting import labels
from reporting.figures import Figure, Labelled

TENTH = Decimal("0.1")
LOW, HIGH = "low", "high"  # how the keys of an interval's columns end


def rounded(value: float | None, *, percent: bool = False) -> Decimal | None:
    """One decimal, half up: 0.9735 as 97.4 with ``percent``, 88.35 as 88.4."""
    if value is None:
        return None
    exact = Decimal(repr(value))
    return (exact * 100 if percent else exact).quantize(TENTH, ROUND_HALF_UP)


def number(figure: Figure, value: float | None) -> str:
    """A value of this figure's kind: `97.4%`, `88.4`."""
    shown = rounded(value, percent=figure.kind == "share")
    if shown is None:
        return NOTHING
    return f"{shown:,f}%" if figure.kind == "share" else f"{shown:,f}"


def value(figure: Figure) -> str:
    """The figure's own value, or the reason for none."""
    return reason(figure.withheld) if figure.withheld else number(figure, figure.value)


def reason(withheld: str) -> str:
    """Why there is no number, in the reader's language."""
    return gettext(labels.WITHHELD[withheld])


def interval(figure: Figure) -> str:
    """`86.9–89.9`, or a dash."""
    if figure.low is None or figure.high is None:
        return NOTHING
    return f"{number(figure, figure.low)}–{number(figure, figure.high)}"


def basis(figure: Figure) -> str:
    """What the figure rests on: `412/430`, or the number of answers."""
    if figure.kind == "mean":
        return gettext("{n} answers", n=f"{figure.denominator:,}")
    if figure.numerator is None:
        return f"n={figure.denominator:,}"
    return f"{figure.numerator:,}/{figure.denominator:,}"


def name_of(row: Labelled) -> str:
    """The label in the reader's language."""
    return bilingual({"zh": row.zh, "en": row.en})


@dataclass(frozen=True, slots=True)
class TableView:
    """A table as data, for the page, the PDF, Excel and CSV alike: cells are numbers, texts or reasons.

    ``skip`` are columns that the PDF leaves to the Excel file.
    """

    key: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[dict[str, Any]]
    note: str = ""
    skip: frozenset[str] = frozenset()

    def sheet(self) -> Sheet:
        """As a sheet of a workbook."""
        return Sheet(self.title, self.columns, self.rows, notes=[self.note] if self.note else [])

    def texts(self) -> list[list[str]]:
        """The cells as text, for the page."""
        return [[cell_text(column, row.get(column.key)) for column in self.columns] for row in self.rows]

    def numeric(self) -> list[int]:
        """Which columns are numbers and stand right."""
        return [place for place, column in enumerate(self.columns) if column.kind is not Kind.TEXT]

    def typeset(self) -> dict[str, Any]:
        """As the house style's `data-table` takes it; the two ends of an interval stand in one column."""
        columns = []
        for column in self.columns:
            if column.key in self.skip or column.key.endswith(HIGH):
                continue
            title = gettext("95% interval") if column.key.endswith(LOW) else column.title
            columns.append({"key": column.key, "title": title, "numeric": column.kind is not Kind.TEXT})
        rows = [self._typeset_row(row) for row in self.rows]
        return {"title": self.title, "columns": columns, "rows": rows, "note": self.note}

    def _typeset_row(self, row: dict[str, Any]) -> dict[str, Any]:
        cells = {column.key: _typeset_cell(column, row.get(column.key)) for column in self.columns}
        for key in [key for key in cells if key.endswith(LOW)]:
            low, high = row.get(key), row.get(key.removesuffix(LOW) + HIGH)
            cells[key] = NOTHING if low is None or high is None else f"{low}–{high}"
        return cells


@dataclass(frozen=True, slots=True)
class TileView:
    """A key figure: label, value, what it rests on; ``withheld`` holds the reason in place of the value."""

    label: str
    value: str
    note: str
    tone: str = "neutral"
    withheld: str = ""

    def typeset(self) -> dict[str, Any]:
        """As the house style's `tiles` take it."""
        plain = {"label": self.label, "value": self.value, "note": self.note}
        return plain | ({"withheld": self.withheld} if self.withheld else {})


@dataclass(frozen=True, slots=True)
class Cells:
    """Cells of one figure: its value with the interval's ends, or the reason in the value's place."""

    figure: Figure
    extra: dict[str, Any] = field(default_factory=dict)

    def row(self) -> dict[str, Any]:
        """Keys ``value``, ``n``, ``low``, ``high``; shares as fractions for a percent column."""
        figure = self.figure
        return {
            "value": reason(figure.withheld) if figure.withheld else _cell(figure, figure.value),
            "n": figure.denominator,
            "low": _cell(figure, figure.low),
            "high": _cell(figure, figure.high),
            **self.extra,
        }


def cell_text(column: Column, cell: Any) -> str:
    """A cell as the reader sees it."""
    if cell is None:
        return NOTHING
    if isinstance(cell, str):
        return cell
    if column.kind is Kind.PERCENT:
        return f"{(Decimal(cell) * 100).quantize(TENTH, ROUND_HALF_UP)}%"
    return f"{cell:,}"


def _cell(figure: Figure, value: float | None) -> Decimal | None:
    shown = rounded(value, percent=figure.kind == "share")
    return None if shown is None else shown.scaleb(-2) if figure.kind == "share" else shown


def _typeset_cell(column: Column, cell: Any) -> Any:
    if isinstance(cell, str) and column.kind is not Kind.TEXT:
        return {"withheld": cell}
    return cell_text(column, cell)
