"""Rejected rows on their way back: the sender's own format and columns, with the reason beside each row.

The file can be corrected and sent again as it is: the header is the sender's, and the column of reasons is
one that no layout knows.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain

import xlsxwriter

from patients.feeds.messages import N_, REJECTION_TEXTS
from patients.feeds.table import Cells, Kind, Table

REASON_HEADING = N_("Reason")
UNSAID = frozenset({"restricted_on_request", "erased_on_request"})
_KEPT = 20_000  # rows; of more than these the file is rather read twice
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def _as_written(text: str) -> str:
    return text


def returned_filename(filename: str, kind: Kind) -> str:
    """Return the name of the returned file: the sender's, marked, with the extension of what is in it."""
    stem = filename.rsplit(".", 1)[0]
    return f"{stem}-rejected.{'csv' if kind == 'csv' else 'xlsx'}"


def write_rejected(
    table: Table, reasons: Mapping[int, str], translate: Callable[[str], str] = _as_written
) -> bytes:
    """Return the rejected rows (row number to reason): CSV with the sender's encoding and delimiter, or XLSX
    for workbooks. They are read once more from the table, so that nobody has to keep them.

    ``translate`` turns the English message ids of heading and reasons into the reader's language. A cell
    that a spreadsheet would run as a formula gets an apostrophe in front, which the import takes off again.
    Should the sender's encoding lack a character (Big5 has no simplified ones), the CSV is UTF-8 with its
    mark. Rows that stay out at a patient's request come back without a word of what they said.
    """
    if len(reasons) <= _KEPT:
        kept = list(_rejected(table, reasons))

        def rows() -> Iterator[tuple[int, Cells]]:
            return iter(kept)
    else:

        def rows() -> Iterator[tuple[int, Cells]]:
            return _rejected(table, reasons)

    width = max(len(table.header), *(len(cells) for _, cells in rows()), 0)
    lines = chain(
        [_line(table.header, width, translate(REASON_HEADING))],
        (_line(cells, width, translate(REJECTION_TEXTS[reasons[number]])) for number, cells in rows()),
    )
    if table.kind != "csv":
        return _workbook(lines)
    target = io.StringIO(newline="")
    csv.writer(target, delimiter=table.delimiter or ",", lineterminator="\r\n").writerows(lines)
    text = target.getvalue()
    try:
        return text.encode(table.encoding or "utf-8-sig")
    except UnicodeEncodeError:
        return text.encode("utf-8-sig")


def _rejected(table: Table, reasons: Mapping[int, str]) -> Iterator[tuple[int, Cells]]:
    last = max(reasons, default=0)
    for number, cells in table.rows:
        if number in reasons:
            yield number, () if reasons[number] in UNSAID else cells
        if number >= last:
            return


def _line(cells: Cells, width: int, last: str) -> list[str]:
    return [harmless(cell) for cell in (*cells, *[""] * (width - len(cells)), last)]


def harmless(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return "'" + text if text.lstrip(" \u3000").startswith(_FORMULA_STARTS) else text


def _workbook(lines: Iterable[Sequence[str]]) -> bytes:
    target = io.BytesIO()
    with xlsxwriter.Workbook(target, {"in_memory": True}) as workbook:
        sheet = workbook.add_worksheet()
        for row, line in enumerate(lines):
            for column, text in enumerate(line):
                sheet.write_string(row, column, text[:32_767])
    return target.getvalue()
