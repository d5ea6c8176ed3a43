"""A table as read from a file: its header, and its patient rows as text."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from patients.feeds.messages import UnreadableFile

Cells = tuple[str, ...]
Kind = Literal["csv", "xlsx", "xls", "ods"]
MAX_COLUMNS = 500

_TOTAL = re.compile(r"(?:合|总|小|共)\s*计|总\s*数|总人数|共\s*\d+\s*[人例条]|total\b", re.IGNORECASE)
_NOTE = re.compile(
    r"(?:制表|填表|填报|审核|复核|备注|说明|打印|导出|统计|报表|注\s*[:：]|第\s*\d+\s*页|共\s*\d+\s*页|[-—*=]{3,})"
)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A line that is no patient: a title or note above the header, a total, a note, the header once more."""

    row_number: int
    reason: Literal["above_header", "total", "note", "header_again"]
    text: str


class Rows:
    """The patient rows of a table, read again from the file at each iteration: ``(row number, cells)``.

    Row numbers count from 1 as a spreadsheet shows them. Blank lines, totals (合计) and notes are left out;
    ``skipped`` names them once an iteration has come to its end, ``about`` is how many lines are to be read,
    near enough for a progress bar. Iterating may raise ``UnreadableFile``.
    """

    def __init__(
        self, source: Callable[[], Iterator[Cells]], header: Cells, header_row: int, *, about: int = 0
    ) -> None:
        self._source = source
        self._header = header
        self._header_row = header_row
        self.about = max(0, about - header_row)
        self.skipped: list[Skipped] = []

    def __iter__(self) -> Iterator[tuple[int, Cells]]:
        self.skipped = []
        for number, cells in enumerate(self._source(), start=1):
            first = next((cell for cell in cells if cell and not cell.isspace()), "")
            if not first:
                continue
            if len(cells) > MAX_COLUMNS:
                raise UnreadableFile("too_many_columns", limit=MAX_COLUMNS)
            if number <= self._header_row:
                if number < self._header_row:
                    self.skipped.append(Skipped(number, "above_header", first[:200]))
                continue
            reason = self._no_patient(first.strip(), cells)
            if reason:
                self.skipped.append(Skipped(number, reason, first[:200]))
            else:
                yield number, cells

    def _no_patient(self, first: str, cells: Cells) -> Literal["total", "note", "header_again"] | None:
        if _TOTAL.match(first):
            filled = sum(1 for cell in cells if cell.strip())
            # A total line is mostly empty; a full row that begins so is judged like every other row.
            return "total" if filled <= max(4, len(self._header) // 2) else None
        if _NOTE.match(first):
            return "note" if sum(1 for cell in cells if cell.strip()) <= 3 else None
        if cells == self._header:
            return "header_again"
        return None


@dataclass(frozen=True)
class Table:
    """A recognised table: ``header`` as sent, ``rows`` to iterate over, and how the file was written."""

    header: Cells
    rows: Rows
    encoding: str | None  # None for workbooks
    kind: Kind
    delimiter: str | None  # None for workbooks
