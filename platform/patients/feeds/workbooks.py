"""Workbooks (XLSX, XLS, ODS): the one visible worksheet that holds patients, its cells as text."""

import io
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import islice

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from patients.feeds.archives import inspect_archive
from patients.feeds.headers import HeaderPlace, find_header
from patients.feeds.messages import UnreadableFile
from patients.feeds.table import MAX_COLUMNS, Cells, Kind, Rows, Table

ZIP_MAGIC = b"PK\x03\x04"
OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_HEAD_ROWS = 50
_OLE_MACROS = "_VBA_PROJECT".encode("utf-16-le")
_OLE_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
Value = int | float | str | bool | time | date | datetime | timedelta


def read_workbook(content: bytes) -> Table:
    """Return the table of patients in a workbook. Raises ``UnreadableFile``."""
    kind: Kind
    if content.startswith(ZIP_MAGIC):
        kind = inspect_archive(content)
    else:
        kind = "xls"
        if _OLE_ENCRYPTED in content:
            raise UnreadableFile("password_protected")
        if _OLE_MACROS in content:
            raise UnreadableFile("macro_workbook")
    sheet, place = _find_sheet(content)

    def source() -> Iterator[Cells]:
        return (tuple(map(cell_text, row)) for row in sheet.iter_rows())

    rows = Rows(source, place.header, place.row_number, about=sheet.total_height)
    return Table(place.header, rows, None, kind, None)


def _find_sheet(content: bytes) -> tuple[CalamineSheet, HeaderPlace]:
    found: list[tuple[CalamineSheet, HeaderPlace]] = []
    for sheet in _sheets(content):
        if sheet.total_width > MAX_COLUMNS:
            raise UnreadableFile("too_many_columns", limit=MAX_COLUMNS)
        place = find_header([tuple(map(cell_text, row)) for row in islice(sheet.iter_rows(), _HEAD_ROWS)])
        if place:
            found.append((sheet, place))
    if not found:
        raise UnreadableFile("empty_file")
    patients = [(sheet, place) for sheet, place in found if place.fields >= 3]
    if len(patients) > 1:
        # Reading one of them only would lose patients without a word.
        raise UnreadableFile("several_tables", sheets="、".join(sheet.name for sheet, _ in patients)[:200])
    return (patients or found)[0]


def _sheets(content: bytes) -> list[CalamineSheet]:
    """Open the workbook and return its visible worksheets."""
    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(content))
        return [
            workbook.get_sheet_by_index(index)
            for index, about in enumerate(workbook.sheets_metadata)
            if about.visible == SheetVisibleEnum.Visible and about.typ == SheetTypeEnum.WorkSheet
        ]
    except PasswordError as error:
        raise UnreadableFile("password_protected") from error
    except CalamineError as error:
        raise UnreadableFile("damaged_workbook") from error
    except BaseException as error:
        # A damaged part can make the native reader panic; its exception has no importable name.
        if type(error).__name__ != "PanicException":
            raise
        raise UnreadableFile("damaged_workbook") from error


def cell_text(value: Value) -> str:
    """Return a cell as the text a CSV of the same sheet would hold: whole numbers without .0, days as ISO."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e18 else repr(value)
    if isinstance(value, datetime):
        return (
            value.date().isoformat()
            if value.time() == time()
            else value.isoformat(sep=" ", timespec="seconds")
        )
    return value.isoformat() if isinstance(value, date | time) else str(value)
