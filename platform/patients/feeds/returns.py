"""Rejected rows on their way back: the sender's own format and columns, with the reason beside each row.

The file can be corrected and sent again as it is: the header is the sender's, and the column of reasons is
one that no layout knows.
"""

import csv
import io
from collections.abc import Callable, Sequence

import xlsxwriter

from patients.feeds.messages import N_, REJECTION_TEXTS
from patients.feeds.records import Parsed
from patients.feeds.table import Cells

REASON_HEADING = N_("Reason")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def _as_written(text: str) -> str:
    return text


def returned_filename(filename: str, parsed: Parsed) -> str:
    """Return the name of the returned file: the sender's, marked, with the extension of what is in it."""
    stem = filename.rsplit(".", 1)[0]
    return f"{stem}-rejected.{'csv' if parsed.kind == 'csv' else 'xlsx'}"


def write_rejected(parsed: Parsed, translate: Callable[[str], str] = _as_written) -> bytes:
    """Return the rejected rows: CSV with the sender's encoding and delimiter, or XLSX for workbooks.

    ``translate`` turns the English message ids of heading and reasons into the reader's language. A cell
    that a spreadsheet would run as a formula gets an apostrophe in front, which the import takes off again.
    Should the sender's encoding lack a character (Big5 has no simplified ones), the CSV is UTF-8 with its
    mark.
    """
    width = max([len(parsed.header), *(len(row.cells) for row in parsed.rejected)])
    lines = [_line(parsed.header, width, translate(REASON_HEADING))]
    lines += [_line(row.cells, width, translate(REJECTION_TEXTS[row.reason])) for row in parsed.rejected]
    if parsed.kind != "csv":
        return _workbook(lines)
    target = io.StringIO(newline="")
    csv.writer(target, delimiter=parsed.delimiter or ",", lineterminator="\r\n").writerows(lines)
    text = target.getvalue()
    try:
        return text.encode(parsed.encoding or "utf-8-sig")
    except UnicodeEncodeError:
        return text.encode("utf-8-sig")


def _line(cells: Cells, width: int, last: str) -> list[str]:
    return [harmless(cell) for cell in (*cells, *[""] * (width - len(cells)), last)]


def harmless(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return "'" + text if text.lstrip(" \u3000").startswith(_FORMULA_STARTS) else text


def _workbook(lines: Sequence[Sequence[str]]) -> bytes:
    target = io.BytesIO()
    with xlsxwriter.Workbook(target, {"in_memory": True}) as workbook:
        sheet = workbook.add_worksheet()
        for row, line in enumerate(lines):
            for column, text in enumerate(line):
                sheet.write_string(row, column, text[:32_767])
    return target.getvalue()
