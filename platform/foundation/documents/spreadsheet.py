"""Rows as an Excel workbook or a CSV file (电子表格).

The caller brings the rows that its page shows; both files hold the same values. A cell that may not be
shown holds its reason as text ("样本不足") in place of the number. No text is ever a formula: Excel cells
are written as text, and CSV text that a spreadsheet program would take for one is neutralised. The same
input gives the same bytes.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from foundation.calendar import SHANGHAI
from foundation.documents.figures import palette
from foundation.documents.fonts import FAMILY
from foundation.documents.text import fit

_MAX_ROWS = 1_048_576
_MAX_TEXT = 32_767
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

Value = str | int | float | Decimal | date | None
"""A cell: what its column's kind says, text instead (a reason), or None for empty. `datetime` must be
aware.
"""


class SpreadsheetError(ValueError):
    """The rows do not fit the file: a value of the wrong kind, or more rows or longer text than Excel
    holds.
    """


class Kind(StrEnum):
    """What a column holds, and so how it is written.

    `MONEY_FEN`: integer fen in, yuan with two decimals out. `PERCENT`: a fraction of one in, percent out.
    `DATE`: a date, or an aware datetime shown to the minute in Asia/Shanghai.
    """

    TEXT = "text"
    INT = "int"
    DECIMAL = "decimal"
    MONEY_FEN = "money_fen"
    PERCENT = "percent"
    DATE = "date"


_NUMBER_FORMATS = {
    Kind.TEXT: "@",
    Kind.INT: "#,##0",
    Kind.DECIMAL: "#,##0.0#",
    Kind.MONEY_FEN: "#,##0.00",
    Kind.PERCENT: "0.0%",
    Kind.DATE: "yyyy-mm-dd",
}
_WIDTHS = {
    Kind.TEXT: 22,
    Kind.INT: 12,
    Kind.DECIMAL: 12,
    Kind.MONEY_FEN: 16,
    Kind.PERCENT: 12,
    Kind.DATE: 17,
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its key in the rows, its title in the reader's language, its kind, its width in letters."""

    key: str
    title: str
    kind: Kind = Kind.TEXT
    width: int | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet: `rows` by column key (a generator will do), `totals` a last row of finished values set
    apart from the filter, `notes` lines of text under the table.
    """

    name: str
    columns: Sequence[Column]
    rows: Iterable[Mapping[str, Any]]
    notes: Sequence[str] = ()
    totals: Mapping[str, Any] | None = None


def write_xlsx(
    sheets: Sequence[Sheet], *, title: str, generated: datetime, properties: Mapping[str, str] | None = None
) -> bytes:
    """The workbook's bytes. Row 1 of each sheet is the header: frozen, filtered and repeated in print.

    `generated` (aware) is the creation date and stands in the print footer; `properties` are further
    document properties (`subject`, `author`, `company`, `keywords`, `comments`). Rows are streamed, so
    memory stays flat. Raises `SpreadsheetError`.
    """
    if generated.tzinfo is None:
        raise SpreadsheetError("the time of generation needs a time zone")
    if not sheets:
        raise SpreadsheetError("a workbook needs a sheet")
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(
        buffer,
        {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
        },
    )
    created = generated.astimezone(UTC).replace(tzinfo=None, microsecond=0)
    details = {key: fit(value) for key, value in (properties or {}).items()}
    book.set_properties({**details, "title": fit(title), "created": created})
    pens = _Pens(book)
    taken: set[str] = set()
    stamp = generated.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M")
    try:
        for sheet in sheets:
            page = book.add_worksheet(_sheet_name(sheet.name, taken))
            _set_up(page, sheet, title, stamp, pens)
            _fill(page, sheet, pens)
    finally:
        book.close()  # removes its temporary files, whatever happened
    return buffer.getvalue()


def write_csv(sheet: Sheet) -> bytes:
    """The header and the rows as CSV for people: UTF-8 with a byte-order mark, CRLF, no totals and no
    notes.

    Money is yuan with two decimals, percents carry their sign, dates are ISO. Text that starts like a
    formula gets a leading apostrophe (CWE-1236). Raises `SpreadsheetError`.
    """
    text = io.StringIO(newline="")
    out = csv.writer(text, lineterminator="\r\n")
    out.writerow([_harmless(column.title) for column in sheet.columns])
    for row in sheet.rows:
        out.writerow([_csv_value(column, row.get(column.key)) for column in sheet.columns])
    return b"\xef\xbb\xbf" + text.getvalue().encode()


@dataclass(slots=True)
class _Pens:
    """The formats of one workbook, made once each."""

    book: xlsxwriter.Workbook
    made: dict[tuple[str, ...], Format] = field(default_factory=dict)

    def __call__(self, role: str, kind: Kind = Kind.TEXT, number_format: str = "") -> Format:
        key = (role, kind, number_format)
        if key not in self.made:
            self.made[key] = self.book.add_format(self._look(role, kind, number_format))
        return self.made[key]

    def _look(self, role: str, kind: Kind, number_format: str) -> dict[str, Any]:
        colour = palette()
        look: dict[str, Any] = {
            "font_name": FAMILY,
            "font_size": 10,
            "font_color": colour["ink"],
            "valign": "top",
        }
        right = kind not in (Kind.TEXT, Kind.DATE)
        if role == "note":
            return look | {"font_color": colour["soft"], "font_size": 9}
        look |= {"align": "right" if right else "left", "bottom": 1, "bottom_color": colour["line"]}
        if role == "head":
            edge = {"bottom": 2, "bottom_color": colour["accent"]}
            return (
                look | edge | {"font_color": colour["accent"], "bg_color": colour["wash"], "text_wrap": True}
            )
        if role == "reason":
            return look | {"font_color": colour["soft"], "num_format": "@"}
        if role == "total":
            look |= {"bold": True, "top": 1, "top_color": colour["ink"], "bottom_color": colour["ink"]}
        return look | {"num_format": number_format or _NUMBER_FORMATS[kind], "text_wrap": kind is Kind.TEXT}


def _set_up(page: Worksheet, sheet: Sheet, title: str, stamp: str, pens: _Pens) -> None:
    """Widths, the header row, and what matters on paper."""
    for index, column in enumerate(sheet.columns):
        page.set_column(index, index, column.width or max(_WIDTHS[column.kind], _wide(column.title) + 4))
        page.write_string(0, index, _text(column.title), pens("head", column.kind))
    page.freeze_panes(1, 0)
    page.hide_gridlines(2)
    page.set_paper(9)
    page.set_landscape()
    page.fit_to_pages(1, 0)
    page.repeat_rows(0)
    page.set_margins(left=0.5, right=0.5, top=0.8, bottom=0.7)
    page.set_header(f"&L{_print_text(title)}&R{_print_text(sheet.name)}")
    page.set_footer(f"&L{stamp}&R&P / &N")


def _fill(page: Worksheet, sheet: Sheet, pens: _Pens) -> None:
    last = 0
    for last, row in enumerate(sheet.rows, start=1):
        if last >= _MAX_ROWS - len(sheet.notes) - 3:
            raise SpreadsheetError(f"sheet {sheet.name!r} has more rows than Excel holds; use CSV")
        for index, column in enumerate(sheet.columns):
            _write(page, last, index, column, row.get(column.key), "cell", pens)
    if sheet.columns:
        page.autofilter(0, 0, last, len(sheet.columns) - 1)
    line = last + 1
    if sheet.totals is not None:
        for index, column in enumerate(sheet.columns):
            _write(page, line, index, column, sheet.totals.get(column.key), "total", pens)
        line += 1
    for offset, remark in enumerate(sheet.notes, start=1):
        page.write_string(line + offset, 0, _text(remark), pens("note"))


def _write(
    page: Worksheet, row: int, index: int, column: Column, value: object, role: str, pens: _Pens
) -> None:
    if value is None:
        page.write_blank(row, index, None, pens(role, column.kind))
    elif isinstance(value, str):
        pen = (
            pens(role)
            if column.kind is Kind.TEXT
            else pens("total" if role == "total" else "reason", column.kind)
        )
        page.write_string(row, index, _text(value), pen)
    elif column.kind is Kind.DATE and isinstance(value, datetime):
        local = _local(column, value).replace(tzinfo=None)
        page.write_datetime(row, index, local, pens(role, column.kind, "yyyy-mm-dd hh:mm"))
    elif column.kind is Kind.DATE and isinstance(value, date):
        page.write_datetime(row, index, value, pens(role, column.kind))
    else:
        page.write_number(row, index, float(_number(column, value)), pens(role, column.kind))


def _csv_value(column: Column, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return _harmless(value)
    if column.kind is Kind.DATE and isinstance(value, datetime):
        return _local(column, value).strftime("%Y-%m-%d %H:%M")
    if column.kind is Kind.DATE and isinstance(value, date):
        return value.isoformat()
    number = _number(column, value)
    if column.kind is Kind.MONEY_FEN:
        return f"{number:.2f}"
    if column.kind is Kind.PERCENT:
        return f"{_short(number * 100)}%"
    return _short(number)


def _number(column: Column, value: object) -> Decimal:
    """The exact number that a numeric cell shows; raises `SpreadsheetError` when the column holds none."""
    fits = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    if column.kind in (Kind.INT, Kind.MONEY_FEN):
        fits = isinstance(value, int) and not isinstance(value, bool)
    if not fits or column.kind in (Kind.TEXT, Kind.DATE):
        raise SpreadsheetError(f"column {column.key!r} ({column.kind}) cannot hold a {type(value).__name__}")
    number = value if isinstance(value, Decimal) else Decimal(str(value))
    if not number.is_finite():
        raise SpreadsheetError(f"column {column.key!r} cannot hold {number}")
    return number.scaleb(-2) if column.kind is Kind.MONEY_FEN else number


def _short(number: Decimal) -> str:
    plain = format(number, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def _local(column: Column, value: datetime) -> datetime:
    if value.tzinfo is None:
        raise SpreadsheetError(f"column {column.key!r}: a time needs a time zone")
    return value.astimezone(SHANGHAI)


def _text(value: str) -> str:
    text = fit(value)
    if _units(text) > _MAX_TEXT:
        raise SpreadsheetError(f"a text of {_units(text):,} characters does not fit a cell; use CSV")
    return text


def _harmless(value: str) -> str:
    text = fit(value)
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA_STARTS) else text


def _print_text(value: str) -> str:
    """Text for a print header, where `&` commands and all parts together must stay under 255 characters."""
    return _cut(fit(value), 60).replace("&", "&&")


def _wide(text: str) -> int:
    return sum(2 if ord(character) > 0x2E7F else 1 for character in text)


def _units(text: str) -> int:
    """Length as Excel counts it: a rare character like 𠮷 takes two."""
    return len(text.encode("utf-16-le")) // 2


def _cut(text: str, limit: int) -> str:
    """The start of `text` that Excel counts as no more than `limit`."""
    return text.encode("utf-16-le")[: limit * 2].decode("utf-16-le", "ignore")


def _sheet_name(name: str, taken: set[str]) -> str:
    """A name that Excel accepts and that no earlier sheet has: 31 characters, none of `[]:*?/\\`."""
    plain = _cut(re.sub(r"[\[\]:*?/\\]", " ", fit(name)).strip("' "), 31).strip("' ") or "Sheet"
    if plain.casefold() == "history":
        plain = "History 1"
    unique, number = plain, 2
    while unique.casefold() in taken:
        suffix = f" {number}"
        unique, number = _cut(plain, 31 - len(suffix)) + suffix, number + 1
    taken.add(unique.casefold())
    return unique
