"""Zip containers (XLSX, ODS) looked at before they are opened: bombs, macros, worksheets without end.

The reader of workbooks builds a full grid in memory. One cell at the far corner of a worksheet (XFD1048576),
a few hundred bytes when packed, would ask for 17 thousand million cells and end the process, so the grid's
size is taken from the packed parts first, by inflating them in small pieces and keeping nothing.
"""

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from xml.parsers import expat

from patients.feeds.messages import UnreadableFile
from patients.feeds.table import MAX_COLUMNS, Kind

MAX_UNPACKED = 512 * 1024 * 1024
MAX_SHEET_CELLS = 15_000_000
_MAX_PARTS = 5_000
_PIECE = 1024 * 1024
_CELL = re.compile(rb"""\sr\s*=\s*["']\s*([A-Za-z]{0,4})([0-9]{0,9})\s*["']""")
_OVERLAP = 64


def inspect_archive(content: bytes) -> Kind:
    """Return which workbook these bytes are; raise ``UnreadableFile`` if it is not safe to open."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OverflowError, struct.error, NotImplementedError) as error:
        raise UnreadableFile("damaged_workbook") from error
    names = {part.filename.lower() for part in parts}
    kind = _kind(names)
    if any(
        name.endswith("vbaproject.bin") or name.startswith(("xl/macrosheets/", "basic/")) for name in names
    ):
        raise UnreadableFile("macro_workbook")
    if any(part.flag_bits & 1 for part in parts):
        raise UnreadableFile("password_protected")
    if len(parts) > _MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED:
        raise _bomb()
    unpacked = 0
    for part in parts:
        spreadsheet = _OdsGrid() if kind == "ods" and part.filename == "content.xml" else _XlsxGrid()
        for piece in _inflate(content, part):
            unpacked += len(piece)
            if unpacked > MAX_UNPACKED:
                raise _bomb()
            spreadsheet.feed(piece)
    return kind


def _kind(names: set[str]) -> Kind:
    if "xl/workbook.xml" in names:
        return "xlsx"
    if "content.xml" in names and "meta-inf/manifest.xml" in names:
        return "ods"
    raise UnreadableFile("not_a_table")


def _bomb() -> UnreadableFile:
    return UnreadableFile("zip_bomb", limit_mb=MAX_UNPACKED // 1024 // 1024)


def _inflate(content: bytes, part: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield a part in pieces, as far as its packed bytes really go: the size it declares may be a lie."""
    start = part.header_offset
    if content[start : start + 4] != b"PK\x03\x04" or len(content) < start + 30:
        raise UnreadableFile("damaged_workbook")
    name_length, extra_length = struct.unpack_from("<HH", content, start + 26)
    start += 30 + name_length + extra_length
    end = start + part.compress_size
    if part.compress_type == zipfile.ZIP_STORED:
        yield content[start:end]
        return
    if part.compress_type != zipfile.ZIP_DEFLATED:
        raise UnreadableFile("damaged_workbook")
    inflater = zlib.decompressobj(-15)
    try:
        for position in range(start, end, 65_536):
            packed = content[position : min(position + 65_536, end)]
            while packed and not inflater.eof:
                yield inflater.decompress(packed, _PIECE)
                packed = inflater.unconsumed_tail
    except zlib.error as error:
        raise UnreadableFile("damaged_workbook") from error


def _check_grid(rows: int, columns: int) -> None:
    if columns > MAX_COLUMNS:
        raise UnreadableFile("too_many_columns", limit=MAX_COLUMNS)
    if rows * columns > MAX_SHEET_CELLS:
        raise UnreadableFile("too_many_cells", limit=MAX_SHEET_CELLS)


class _XlsxGrid:
    """The furthest row and column that the parts of an XLSX workbook name."""

    def __init__(self) -> None:
        self._tail = b""
        self._rows = 0
        self._columns = 0

    def feed(self, piece: bytes) -> None:
        text = self._tail + piece
        self._tail = text[-_OVERLAP:]
        places = _CELL.findall(text)
        if not places:
            return
        self._rows = max(self._rows, *(int(row or 0) for _, row in places))
        self._columns = max(self._columns, *map(_column_number, {letters for letters, _ in places}))
        _check_grid(self._rows, self._columns)


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number


class _OdsGrid:
    """The grid of an ODS workbook, whose repeated rows and columns are written once with a number."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._reset()

    def _reset(self) -> None:
        self._rows = self._filled_rows = self._columns = 0
        self._row_repeat = self._position = self._filled = 0
        self._in_cell = False

    def feed(self, piece: bytes) -> None:
        try:
            self._parser.Parse(piece, False)
        except expat.ExpatError as error:
            raise UnreadableFile("damaged_workbook") from error

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "table:table":
            self._reset()
        elif name == "table:table-row":
            self._row_repeat = _repeat(attributes.get("table:number-rows-repeated"))
            self._position = self._filled = 0
        elif name in {"table:table-cell", "table:covered-table-cell"}:
            self._position += _repeat(attributes.get("table:number-columns-repeated"))
            self._in_cell = True
            if any(key.startswith("office:") for key in attributes):
                self._filled = self._position
        elif self._in_cell and name == "text:p":
            self._filled = self._position

    def _end(self, name: str) -> None:
        if name in {"table:table-cell", "table:covered-table-cell"}:
            self._in_cell = False
        elif name == "table:table-row":
            self._rows += self._row_repeat
            if self._filled:
                self._filled_rows = self._rows
                self._columns = max(self._columns, self._filled)
                _check_grid(self._filled_rows, self._columns)


def _repeat(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else 1
