"""Rows that come field by field (a message, a program) as the table every list is: one way in for all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from patients.feeds.headers import FIELDS, Layout, Visit
from patients.feeds.table import Cells, Rows, Table

_NOT_OF = {"inpatient": ("visited_on",), "outpatient": ("admitted_on", "discharged_on")}


class _Given(Rows):
    """Every row given has its verdict: none is taken for a title, a note or a total line."""

    def __init__(self, rows: Sequence[Cells], header: Cells) -> None:
        super().__init__(lambda: iter(rows), header, 0)
        self._given = rows
        self.about = len(rows)

    def __iter__(self) -> Iterator[tuple[int, Cells]]:
        return enumerate(self._given, start=1)


def of_fields(rows: Sequence[Mapping[str, str]], visit: Visit) -> tuple[Table, Layout]:
    """The table and layout of rows that map a field (`headers.FIELDS`) to its text, as it was written.

    Row numbers count from 1 in the order given. A field that a row leaves out is an empty cell. Raises
    ``KeyError`` for a field that has no name here, and for a day of the other kind of visit.
    """
    header = tuple(field for field in FIELDS if field not in _NOT_OF[visit])
    unknown = {field for row in rows for field in row} - set(header)
    if unknown:
        raise KeyError(", ".join(sorted(unknown)))
    cells = [tuple(row.get(field, "") for field in header) for row in rows]
    columns = {field: (index,) for index, field in enumerate(header)}
    table = Table(header, _Given(cells, header), "utf-8-sig", "csv", ",")
    return table, Layout("fields", visit, columns, ())
